"""export_keras: a fitted pipeline as one Keras model, from raw images to probabilities or numbers."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from sklearn.base import is_classifier, is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.files import expand, write_atomically
from fishsk.features import add_to_keras_model, find_frozen_parts
from fishsk.persistence._steps import check_pipeline, is_skipped


def export_keras(pipeline: Any, path: str | os.PathLike) -> None:
    """Write a fitted pipeline as one Keras model, from RGB images to class probabilities or numbers.

    It loads with Keras alone, by ``keras.saving.load_model(path)`` in its safe mode, and is made of standard
    layers and operations. It resizes images as the pipeline does.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of `VGG16FeatureTransformer` or `KerasFeatureTransformer`, or several of them in a
        `FeatureUnion`, optionally `StandardScaler`, and a Keras head, also one inside of a
        `TransformedTargetRegressor`.
    path : path-like
        Where to write; its suffix must be ``.keras``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    ValueError
        If `path` has another suffix, or the pipeline other steps.
    OSError
        If the file cannot be written, or the ImageNet weights cannot be downloaded.

    See Also
    --------
    save_pipeline : Write a file that becomes a Pipeline again.

    Notes
    -----
    The model takes RGB, float32 of shape (n_samples, height, width, 3) with any height and width, in the
    `input_range` of the pipeline: by default 0 to 255, so that uint8 images can be given as they are. Its
    probabilities are within 1e-5 of the pipeline's. Their columns follow ``pipeline.classes_``, which it does
    not hold.

    Keras computes in float32. Of a pipeline with ``precision="int8"``, the model's features are those of
    float32, its probabilities differ from the pipeline's by more, and a warning says so.

    Examples
    --------
    >>> import keras
    >>> from fishsk import export_keras, make_fish_pipeline
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(60, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", head__epochs=2, random_state=0).fit(X, y)
    >>> export_keras(pipeline, "fish.keras")
    >>> model = keras.saving.load_model("fish.keras")
    >>> bool(abs(model.predict(X, verbose=0) - pipeline.predict_proba(X)).max() < 1e-5)
    True
    """
    path = expand(path)
    if path.suffix != ".keras":
        raise ValueError(f"path must end in '.keras', by which Keras knows the format. Got {str(path)!r}.")
    check_is_fitted(pipeline)
    steps = [step for _, step in pipeline.steps if not is_skipped(step)]
    parts = find_frozen_parts(steps[0])
    if not (parts and (is_classifier(steps[-1]) or is_regressor(steps[-1]))):
        _refuse(steps)
    check_pipeline(pipeline)
    if any(part.precision != "float32" for part in parts.values()):
        warnings.warn(
            "The pipeline was fitted on features of precision='int8'. Keras computes in float32, so that the "
            "model's probabilities differ a little from the pipeline's. Fit a pipeline with "
            "precision='float32' for a model that agrees with it.",
            UserWarning,
            stacklevel=2,
        )
    model = _build_keras(steps)
    with tempfile.TemporaryDirectory() as folder:  # Keras itself would leave half a file if it were killed
        temporary = Path(folder) / "model.keras"
        model.save(temporary)
        write_atomically(path, [temporary.read_bytes()])


def _refuse(steps: Sequence[Any]) -> NoReturn:
    raise ValueError(
        "The steps of a pipeline for Keras must be a VGG16FeatureTransformer or KerasFeatureTransformer, or "
        "a FeatureUnion of these, "
        f"optionally a StandardScaler, and a KerasHeadClassifier or KerasHeadRegressor. Got {steps!r}."
    )


def _build_keras(steps: Sequence[Any]) -> Any:
    """Return the steps of a pipeline as one functional Keras model."""
    import keras

    images = x = keras.Input((None, None, 3), dtype="float32", name="images")
    for step in steps:
        if isinstance(step, StandardScaler):
            x = _normalize(step)(x)
        elif find_frozen_parts(step):
            x = add_to_keras_model(step, x)
        elif hasattr(step, "to_keras"):
            x = step.to_keras(x)
        elif isinstance(step, TransformedTargetRegressor) and hasattr(step.regressor_, "to_keras"):
            x = step.regressor_.to_keras(x)
            if step.transformer is not None:
                x = _undo(step.transformer_)(x)
        else:
            _refuse(steps)
    return keras.Model(images, x, name="fish")


def _undo(scaler: StandardScaler) -> Any:
    """Return the Keras layer that gives scaled targets back in their unit."""
    import keras

    scale = scaler.scale_.tolist() if scaler.with_std else 1.0
    offset = scaler.mean_.tolist() if scaler.with_mean else 0.0
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="unit")


def _normalize(scaler: StandardScaler) -> Any:
    """Return the Keras layer that does what a fitted scaler does."""
    import keras

    layer = keras.layers.Normalization(dtype="float32", name="scale")
    layer.build((None, scaler.n_features_in_))
    if scaler.with_mean:
        layer.adapt_mean.assign(scaler.mean_)
    if scaler.with_std:
        layer.adapt_variance.assign(scaler.scale_**2)
    layer.finalize_state()
    return layer
