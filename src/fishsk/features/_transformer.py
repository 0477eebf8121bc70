"""Base of all transformers of frozen features: fit, transform, names, dask, tags."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Tags
from sklearn.utils.validation import validate_data

from fishsk._compat.sklearn import Integral, Interval, StrOptions, check_feature_names_in, fit_context
from fishsk._utils.files import StrPath
from fishsk._utils.reading import find_reading
from fishsk._utils.stamp import StampedMixin
from fishsk._utils.versions import link_documentation
from fishsk.features._description import Size
from fishsk.features._engine import resolve_engine
from fishsk.features._extraction import Part, count_images, read_or_extract
from fishsk.features._images import check_images
from fishsk.features._int8 import check_precision
from fishsk.features._network import VIEWS, KerasBackbone, Settings, add_to_keras
from fishsk.features._onnx_file import OnnxBackbone
from fishsk.features._resizing import RESIZES
from fishsk.store import default_folder

if TYPE_CHECKING:
    import dask.array as da
    import keras
    from numpy.typing import ArrayLike

    from fishsk._utils.typing import ImagesLike


class FrozenFeatures(CallbackSupportMixin, TransformerMixin, StampedMixin, BaseEstimator):
    """Base class of the transformers whose networks are frozen; a subclass says what its parameters mean.

    It has an `__init__`, its own entries of `_parameter_constraints`, `_backbone` and `network_name`.
    """

    _doc_link_module, _doc_link_template = link_documentation()

    _parameter_constraints: ClassVar[dict[str, list]] = {
        "image_size": [Interval(Integral, 1, None, closed="left"), tuple, list, None],
        "resize": [StrOptions(set(RESIZES))],
        "layers": [str, "array-like", None],
        "pooling": [StrOptions({"avg", "max"}), None],
        "views": [StrOptions({"mirror"}), None],
        "image_shape": [tuple, list, None],
        "input_range": [tuple, list, None],
        "batch_size": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "cache": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    is_keras: ClassVar[bool] = True  # its network can be a part of a Keras model, and has gradients

    params_without_effect = ("batch_size", "cache", "verbose")  # change no number

    resize: str
    layers: str | Sequence[str] | None
    pooling: str | None
    views: str | None
    precision: str
    image_shape: tuple[int, ...] | None
    input_range: tuple[float, float] | None
    batch_size: int | None
    cache: str | os.PathLike | None
    verbose: int

    @abstractmethod
    def _backbone(self) -> KerasBackbone | OnnxBackbone:
        """Find the network, and what is known of it."""

    @property
    @abstractmethod
    def network_name(self) -> str:
        """Name of the network."""

    @property
    def weights_digest(self) -> str:
        """Digest of the frozen weights, which changes whenever a number in them does."""
        backbone = self._backbone()
        return backbone.source.find_digest(backbone.description)

    def list_layers(self) -> dict[str, tuple[int, ...]]:
        """Return what `layers` can name, and the shapes of these outputs for an image.

        Returns
        -------
        dict of str to tuple of int
            In the order in which they are computed: (height, width, channels) of a map at `image_size`,
            (tokens, channels) of a sequence.
        """
        return dict(self._backbone().description.shapes)

    def _settings(self) -> Settings:
        """Check the parameters that depend on each other, and resolve those that are None."""
        backbone = self._backbone()
        description = backbone.description
        return Settings(
            backbone,
            description.choose_layers(self.layers, backbone.source.name),
            self.pooling,
            description.image_size,
            self.resize,
            VIEWS[self.views],
            engine=resolve_engine(backbone, self.precision),
        )

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ImagesLike, y: object = None) -> Self:
        """Check the parameters and `X`; nothing is learned.

        Parameters
        ----------
        X : array-like of images
            See the notes of the class.
        y : None
            Ignored, here by scikit-learn's convention.

        Returns
        -------
        self : transformer
            The same transformer.
        """
        self._fit(X, y)
        if not _is_dask(X):
            check_images(X, image_shape=self.image_shape, input_range=self.input_range)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: ImagesLike, y: object = None) -> Any:
        """Return the features of images, which are checked and converted once.

        Parameters
        ----------
        X : array-like of images
            See the notes of the class.
        y : None
            Ignored, here by scikit-learn's convention.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), float32
            As of `transform`.
        """
        self._fit(X, y)
        return self.transform(X)

    def _fit(self, X: ImagesLike, y: object) -> None:
        """Check the parameters and the columns of flattened images; tell callbacks."""
        task = {"estimator": self, "X": X, "y": y}
        context = self._init_callback_context().call_on_fit_task_begin(**task)
        check_precision(self.precision)
        self._settings()
        self._check_columns(X, reset=True)
        context.call_on_fit_task_end(**task)

    def transform(self, X: ImagesLike) -> Any:
        """Return the features of images.

        Parameters
        ----------
        X : array-like of images
            See the notes of the class.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out), float32
            One row an image; a lazy dask array where `X` is one.

        Raises
        ------
        ValueError
            If `X` holds something that is no image, or its features would not fit into memory.
        OSError
            If weights are not there and cannot be downloaded.
        ImportError
            If `precision` is "int8" and OpenVINO or NNCF is not installed.
        """
        self._validate_params()
        check_precision(self.precision)
        if _is_dask(X):
            return self._map_blocks(X, self._settings().n_features)
        self._check_columns(X, reset=False)
        reading = find_reading()
        features = reading.take(X, self)
        if features is None:
            form = self.image_shape, self.input_range
            sharers = [
                each for each in reading.find_sharers(self) if (each.image_shape, each.input_range) == form
            ]
            features, *others = _transform_together([self, *sharers], X)
            if sharers:
                reading.keep(X, sharers, others)
        return features

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the features: layer, pooling and channel.

        Parameters
        ----------
        input_features : None or array-like of str, default=None
            Only checked against `feature_names_in_` and `n_features_in_`, by scikit-learn's convention.

        Returns
        -------
        ndarray of str objects
            ``"block5_pool_avg_0"``, ``"block5_pool_avg_1"``, ...

        Raises
        ------
        ValueError
            If `input_features` are not those of the `X` that was seen in `fit`.
        """
        check_feature_names_in(self, input_features, generate_names=False)
        return np.array(
            [
                f"{layer}_{self.pooling or 'flat'}_{column}"
                for layer, n_columns in self._settings().columns.items()
                for column in range(n_columns)
            ],
            dtype=object,
        )

    @property
    def n_features_out(self) -> int:
        """Number of features of an image."""
        return self._settings().n_features

    def describe_network(self) -> str:
        """Return in a line the network, the size of images that it sees, and where its weights are from."""
        settings = self._settings()
        height, width = settings.image_size
        return f"{self.network_name}, {height} x {width} pixels, weights: {settings.backbone.source.origin}"

    def to_keras(self, images: keras.KerasTensor) -> keras.KerasTensor:
        """Add this transformer to a functional Keras model, in layers that load without fishsk.

        Parameters
        ----------
        images : keras.KerasTensor of shape (None, None, None, 3), float32
            RGB in `input_range`, of any height and width.

        Returns
        -------
        keras.KerasTensor of shape (None, `n_features_out`), float32
            The features of the images, in float32 whatever `precision` is.
        """
        return add_to_keras(images, self._settings(), self.input_range)

    @property
    def _folder(self) -> StrPath | None:
        """The cache folder; None where there is none."""
        return default_folder() if self.cache == "auto" else self.cache

    def _check_columns(self, X: ImagesLike, *, reset: bool) -> None:
        """Let scikit-learn check the number and names of the columns of flattened images."""
        if self.image_shape is not None and len(getattr(X, "shape", (0, 0))) == 2 and not _is_dask(X):
            validate_data(self, X, reset=reset, skip_check_array=True)

    def _map_blocks(self, X: da.Array, n_features: int) -> da.Array:
        """Return the lazy features of a dask array, whose images stay where they are."""
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
        return X.map_blocks(
            self.transform,
            dtype=np.float32,
            drop_axis=list(range(2, X.ndim)),
            chunks=(X.chunks[0], (n_features,)),
            meta=np.empty((0, n_features), dtype=np.float32),
        )

    count_images = staticmethod(count_images)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


def _transform_together(transformers: Sequence[FrozenFeatures], X: ImagesLike) -> list[np.ndarray]:
    """Return the features of images of several networks in one pass."""
    first = transformers[0]
    images = check_images(X, image_shape=first.image_shape, input_range=first.input_range)
    asked = [(each._settings(), each._folder) for each in transformers]
    for settings, _ in asked:
        _check_memory(len(images), settings)
    parts = {  # two models may share a network
        key: Part(*key, len(images), each.batch_size) for key, each in zip(asked, transformers, strict=True)
    }
    read_or_extract(images, list(parts.values()), shown=any(each.verbose for each in transformers))
    return [
        parts[key].features if key not in asked[:place] else parts[key].features.copy()
        for place, key in enumerate(asked)
    ]


def check_image_size(given: int | Sequence[int] | None) -> Size | None:
    """Return the (height, width) that a parameter asks for, or None; ValueError if it is no size."""
    if given is None:
        return None
    size = tuple(given) if isinstance(given, tuple | list) else (given, given)
    if len(size) != 2 or not all(isinstance(side, Integral) and side >= 1 for side in size):
        raise ValueError(f"image_size must be (height, width), integers >= 1. Got {given!r}.")
    return int(size[0]), int(size[1])


def _is_dask(X: object) -> bool:
    return hasattr(X, "dask") and hasattr(X, "map_blocks")


def _check_memory(n_samples: int, settings: Settings) -> None:
    """Refuse features that would fill more than half of the memory, before hours are spent on them."""
    try:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    except (AttributeError, OSError, ValueError):  # Windows does not tell
        return
    needed = n_samples * settings.n_features * 4
    if needed > limit:
        remedy = "Pass pooling='avg'" if settings.pooling is None else "Pass fewer layers"
        raise ValueError(
            f"The features must fit into half of the memory, {limit / 2**30:.1f} GiB. {n_samples} images of "
            f"{settings.n_features} float32 features need {needed / 2**30:.1f} GiB. {remedy}, or fewer "
            "images at a time, or a dask array."
        )
