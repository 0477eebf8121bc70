"""export_keras: a fitted pipeline as one Keras model, from raw images to probabilities."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.files import write_atomically
from fishsk.features import VGG16FeatureTransformer, load_backbone
from fishsk.head import KerasHeadClassifier
from fishsk.persistence._steps import check_pipeline, is_skipped


def export_keras(pipeline, path):
    """Write a fitted pipeline as one Keras model, from RGB images to class probabilities.

    It loads with Keras alone, by ``keras.saving.load_model(path)`` in its safe mode, and is made of standard
    layers and operations. It resizes images as the pipeline does.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of `VGG16FeatureTransformer`, optionally `StandardScaler`, and `KerasHeadClassifier`.
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
    path = Path(path)
    if path.suffix != ".keras":
        raise ValueError(f"path must end in '.keras', by which Keras knows the format. Got {str(path)!r}.")
    check_is_fitted(pipeline)
    match [step for _, step in pipeline.steps if not is_skipped(step)]:
        case [VGG16FeatureTransformer() as features, KerasHeadClassifier() as head]:
            scaler = None
        case [
            VGG16FeatureTransformer() as features,
            StandardScaler() as scaler,
            KerasHeadClassifier() as head,
        ]:
            pass
        case steps:
            raise ValueError(
                "The steps of a pipeline for Keras must be a VGG16FeatureTransformer, optionally a "
                f"StandardScaler, and a KerasHeadClassifier. Got {steps!r}."
            )
    check_pipeline(pipeline)
    model = _build_keras(features, scaler, head)
    with tempfile.TemporaryDirectory() as folder:  # Keras itself would leave half a file if it were killed
        temporary = Path(folder) / "model.keras"
        model.save(temporary)
        write_atomically(path, [temporary.read_bytes()])


def _build_keras(
    features: VGG16FeatureTransformer, scaler: StandardScaler | None, head: KerasHeadClassifier
) -> Any:
    """Return the pipeline as a functional Keras model."""
    import keras

    settings = features._settings()
    backbone = load_backbone(settings.weights)
    layers = keras.layers

    images = x = keras.Input((None, None, 3), dtype="float32", name="images")
    if features.input_range is not None and tuple(features.input_range) != (0, 255):
        low, high = features.input_range
        gain = 255 / (high - low)
        x = layers.Rescaling(gain, -low * gain, dtype="float32", name="to_255")(x)
    x = _resize(x, settings.image_size)
    mean, std = np.array(settings.preprocessing.mean), np.array(settings.preprocessing.std)
    x = layers.Rescaling((1 / std).tolist(), (-mean / std).tolist(), dtype="float32", name="preprocess")(x)
    if settings.preprocessing.bgr:
        x = keras.ops.flip(x, axis=3)

    maps = keras.Model(
        backbone.input, [backbone.get_layer(name).output for name in settings.layers], name="vgg16"
    )
    pooling = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D, None: layers.Flatten}
    pools = [pooling[settings.pooling](dtype="float32", name=f"pool_{name}") for name in settings.layers]

    def extract(x):
        outputs = keras.tree.flatten(maps(x))
        pooled = [pool(output) for pool, output in zip(pools, outputs, strict=True)]
        return keras.ops.concatenate(pooled, axis=1)

    x = (extract(x) + extract(keras.ops.flip(x, axis=2))) / 2 if settings.mirror else extract(x)
    if scaler is not None:
        normalize = layers.Normalization(dtype="float32", name="scale")
        normalize.build((None, settings.n_features))
        if scaler.with_mean:
            normalize.adapt_mean.assign(scaler.mean_)
        if scaler.with_std:
            normalize.adapt_variance.assign(scaler.scale_**2)
        normalize.finalize_state()
        x = normalize(x)
    classifier = keras.models.clone_model(head.model_)
    classifier.set_weights(head.model_.get_weights())
    return keras.Model(images, classifier(x), name="fish")


def _resize(x: Any, size: tuple[int, int]) -> Any:
    """Resize a batch of images as `resize_image` does, by a matrix for the rows and one for the columns.

    Keras's own Resizing has no counterpart of OpenCV's area interpolation: where it shrinks it skips pixels.
    """
    from keras import ops

    ones = ops.ones_like(x[0, :, :, 0])
    ends = [ops.cumsum(ones[:, 0]), ops.cumsum(ones[0, :])]  # lengths are known only when the model runs
    lengths = [ops.max(end) for end in ends]
    shrinks = ops.logical_and(lengths[0] >= size[0], lengths[1] >= size[1])
    rows, columns = (
        _resampling_matrix(end, length, n_out, shrinks)
        for end, length, n_out in zip(ends, lengths, size, strict=True)
    )
    x = ops.transpose(ops.matmul(columns, x), (0, 2, 1, 3))
    return ops.transpose(ops.matmul(rows, x), (0, 2, 1, 3))


def _resampling_matrix(end: Any, n_in: Any, n_out: int, shrinks: Any) -> Any:
    """Return the weight of each input pixel, which ends at `end`, in each of the `n_out` output pixels."""
    from keras import ops

    scale = n_in / n_out
    start = ops.expand_dims(ops.arange(n_out, dtype="float32"), 1)
    covered = ops.minimum((start + 1) * scale, end) - ops.maximum(start * scale, end - 1)
    centre = ops.minimum(ops.maximum((start + 0.5) * scale - 0.5, 0.0), n_in - 1)
    return ops.where(shrinks, ops.relu(covered) / scale, ops.relu(1 - ops.abs(centre - (end - 1))))
