"""export_model: a fitted pipeline as one file for other programs, from images to probabilities or numbers."""

from __future__ import annotations

import os
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_regressor
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.files import expand, write_atomically
from fishsk._utils.versions import check_tensorflow, find_version
from fishsk.features import FrozenFeatures, crop_photographs, describe_parts, find_frozen_parts, resize_image
from fishsk.persistence._formats import FORMATS, Export
from fishsk.persistence._network import can_be_keras
from fishsk.persistence._steps import check_pipeline, is_skipped

_TOLERANCE = 1e-4
_SCALES = ((1, 1), (0.6, 1.7), (2.5, 2.1), (1.3, 0.8))  # height and width, relative to what the network sees
_N_EACH = 8  # images of each of these sizes
_OUTPUTS = {"predict_proba": "probabilities", "decision_function": "scores", "predict": "numbers"}
_HEADS = "KerasHeadClassifier, KerasHeadRegressor, LogisticRegression, LinearRegression, Ridge and ElasticNet"


def export_model(pipeline: Pipeline, path: str | os.PathLike) -> float:
    """Write a fitted pipeline as one model for another runtime, from RGB images to class probabilities.

    The file needs neither fishsk nor scikit-learn where it is used. It resizes, preprocesses and classifies
    images as the pipeline does. Before it gets its name it is run by its own runtime on 32 crops of
    photographs, of four sizes, and compared with the pipeline.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of `VGG16FeatureTransformer` or `KerasFeatureTransformer`, or several of them in a
        `FeatureUnion`, optionally `StandardScaler` and `PCA`, and a head: `KerasHeadClassifier`,
        `KerasHeadRegressor`, `LogisticRegression`, `LinearRegression`, `Ridge` or `ElasticNet`; regressors
        also inside of a `TransformedTargetRegressor`. ONNX holds what skl2onnx converts, too: `SVC`, forests,
        `HistGradientBoostingClassifier` and others, but no Keras head behind other steps than these.
    path : path-like
        The file to write; its suffix is the format: ``.tflite`` for LiteRT (TensorFlow Lite) on phones and
        boards, ``.onnx`` for ONNX Runtime, ``.xml`` for OpenVINO, with the weights in a ``.bin`` file beside
        it, ``.keras`` for Keras.

    Returns
    -------
    difference : float
        The largest difference between the model's and the pipeline's answers on the 32 images, at most 1e-4.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    ValueError
        If `path` has another suffix, the pipeline steps that the format cannot hold, or the model's answers
        differ from the pipeline's: then nothing is written.
    ImportError
        If a package that writes or runs the format is not installed.
    OSError
        If the file cannot be written, or the ImageNet weights cannot be downloaded.

    Warns
    -----
    UserWarning
        If the pipeline computes in int8. The model computes in float32, and is compared with the pipeline of
        ``precision="float32"``.

    See Also
    --------
    save_pipeline : Write a file that becomes a Pipeline again.

    Notes
    -----
    The model takes RGB of shape (n_images, height, width, 3) under the name ``images``, any number of images
    of any one height and width: uint8 where the pipeline's `input_range` is 0 to 255, else float32 in that
    range. A Keras model takes both. It answers with ``probabilities``, ``numbers`` of a regressor, or
    ``scores`` of a classifier that has `decision_function` alone; of several outputs these are numbered.

    Metadata are JSON: `classes` in the order of the columns, `input`, `outputs`, `task`, the version of
    `fishsk`, and the `networks` with their image sizes, resize modes and preprocessing. It is the member
    ``fishsk.json`` of a ``.keras`` file, a zip archive; to a ``.tflite`` file such an archive is appended, as
    TensorFlow Lite's own metadata are. ONNX has it among its metadata, and OpenVINO in the model's runtime
    information, under ``fishsk``.

    Examples
    --------
    >>> import json, zipfile
    >>> import keras
    >>> from fishsk import export_model, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(60, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", head__epochs=2, random_state=0).fit(X, y)
    >>> export_model(pipeline, "fish.keras") < 1e-4
    True
    >>> model = keras.saving.load_model("fish.keras")
    >>> bool(abs(model.predict(X, verbose=0) - pipeline.predict_proba(X)).max() < 1e-4)
    True
    >>> with zipfile.ZipFile("fish.keras") as archive:
    ...     json.loads(archive.read("fishsk.json"))["classes"]
    [0, 1, 2, 3, 4]
    """
    path = expand(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"path must end in one of {', '.join(map(repr, FORMATS))}. Got {str(path)!r}.")
    form = FORMATS[path.suffix]
    if missing := [each.replace("_", "-") for each in form.packages if find_spec(each) is None]:
        raise ImportError(
            f"A {path.suffix} file needs {' and '.join(missing)}. "
            f"Run: python -m pip install {' '.join(missing)}"
        )
    check_tensorflow()
    check_is_fitted(pipeline)
    steps = [step for _, step in pipeline.steps if not is_skipped(step)]
    n_held = len(steps) if can_be_keras(steps) else 1
    names = ["predict"] if is_regressor(steps[-1]) else ["predict_proba", "decision_function"]
    method = next((name for name in names if hasattr(steps[-1], name)), None)
    parts = find_frozen_parts(steps[0]).values()
    are_keras = bool(parts) and all(part.is_keras for part in parts)
    is_held = n_held == len(steps) or (form.holds_any and not hasattr(steps[-1], "to_keras"))
    if not (are_keras and method and is_held):
        raise ValueError(
            "The steps of a pipeline for export must be a VGG16FeatureTransformer or a "
            "KerasFeatureTransformer, or a FeatureUnion of these, optionally a StandardScaler and a PCA, and "
            "a head. An OnnxFeatureTransformer is none of them: its network is a file for others already. "
            f"The heads that {path.suffix} files can hold are {_HEADS}; .onnx files hold SVC, forests, "
            f"HistGradientBoosting and what else skl2onnx converts, too. Got {steps!r}."
        )
    check_pipeline(pipeline)
    networks = describe_parts(steps[0])
    batches = _make_batches(networks)
    expected = _predict(_compute_in_float32(pipeline), method, batches)
    notes = _describe(steps[-1], networks, batches[0].dtype, _OUTPUTS[method], len(expected[0]))
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / f"model{path.suffix}"
        try:
            form.write(Export(steps[:n_held], steps[n_held:], notes), temporary)
            found = form.run(temporary, batches)
        except (OSError, MemoryError, Warning):
            raise
        except Exception as error:  # converters and runtimes raise kinds of their own
            raise ValueError(f"This pipeline cannot be written as a {path.suffix} file: {error}") from error
        difference = max(map(_measure, found, expected))
        if not difference <= _TOLERANCE:
            raise ValueError(
                f"{str(path)!r} is not written: the model's answers must be within {_TOLERANCE:g} of the "
                f"pipeline's. On 32 images the largest difference was {difference:.1e}."
            )
        for file in sorted(Path(folder).iterdir()):
            write_atomically(path.with_suffix(file.suffix), [file.read_bytes()])
    return difference


def _make_batches(networks: dict[str, dict[str, Any]]) -> list[np.ndarray]:
    """Return batches of images, of several sizes, as a pipeline with these networks takes them."""
    height, width = next(iter(networks.values()))["image_size"]
    crops = crop_photographs((height, width), _N_EACH * len(_SCALES))
    batches = [
        np.rint([resize_image(crop, (round(height * down), round(width * across))) for crop in some])
        for some, (down, across) in zip(np.split(crops, len(_SCALES)), _SCALES, strict=True)
    ]
    ranges = [network["input_range"] or [0, 255] for network in networks.values()]
    if all(network["input_range"] == [0, 255] for network in networks.values()):
        return [batch.astype(np.uint8) for batch in batches]
    low, high = max(low for low, _ in ranges), min(high for _, high in ranges)
    return [(low + batch * ((high - low) / 255)).astype(np.float32) for batch in batches]


def _compute_in_float32(pipeline: Pipeline) -> Pipeline:
    """Return a pipeline whose networks compute in float32: the same one, unless they compute in int8."""
    rough = [
        f"{name}__precision"
        for name, part in pipeline.get_params().items()
        if isinstance(part, FrozenFeatures) and part.precision != "float32"
    ]
    if not rough:
        return pipeline
    warnings.warn(
        "The pipeline was fitted on features of precision='int8'. An exported model computes in float32, so "
        "that its answers differ a little from the pipeline's. Fit a pipeline with precision='float32' for a "
        "model that agrees with it.",
        UserWarning,
        stacklevel=3,
    )
    steps = [(name, clone(step) if find_frozen_parts(step) else step) for name, step in pipeline.steps]
    return Pipeline(steps).set_params(**dict.fromkeys(rough, "float32"))


def _predict(pipeline: Pipeline, method: str, batches: list[np.ndarray]) -> list[list[np.ndarray]]:
    """Return what a pipeline answers on each batch: an array for each of its outputs."""
    answers = [getattr(pipeline, method)(batch) for batch in batches]
    if method == "decision_function" and answers[0].ndim == 1:  # of two classes, the score of the second
        answers = [np.stack([-answer, answer], axis=1) for answer in answers]
    return [answer if isinstance(answer, list) else [answer] for answer in answers]


def _describe(
    head: BaseEstimator, networks: dict[str, Any], dtype: np.dtype, name: str, n_outputs: int
) -> dict[str, Any]:
    """Return what an exported file says of itself, for JSON."""
    classes = None
    if n_outputs > 1:
        classes = [np.asarray(each).tolist() for each in head.classes_]
    elif not is_regressor(head):
        tags = getattr(head, "tags", None)
        classes = np.asarray(head.classes_).tolist() if tags is None else [*tags]
    return {
        "fishsk": find_version("fishsk"),
        "task": "regression" if is_regressor(head) else "classification",
        "classes": classes,
        "input": {"name": "images", "dtype": str(dtype), "layout": "images, height, width, RGB"},
        "outputs": [name] if n_outputs == 1 else [f"{name}_{number:02}" for number in range(n_outputs)],
        "networks": networks,
        "head": type(head).__name__,
    }


def _measure(found: list[np.ndarray], expected: list[np.ndarray]) -> float:
    """Return the largest difference between answers; that of numbers is relative to the largest of them."""
    if [np.size(each) for each in found] != [np.size(each) for each in expected]:
        return np.inf
    return max(
        float(np.abs(np.reshape(got, np.shape(want)) - want).max() / max(1, np.abs(want).max()))
        for got, want in zip(found, expected, strict=True)
    )
