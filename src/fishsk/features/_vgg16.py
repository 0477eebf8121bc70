"""VGG16FeatureTransformer: images in, features of the frozen convolutions of VGG16 out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import validate_data

from fishsk._compat.sklearn import Integral, Interval, StrOptions, check_feature_names_in, fit_context
from fishsk._utils.stamp import StampedMixin
from fishsk._utils.versions import link_documentation
from fishsk.features._backbone import LAYERS, PREPROCESSINGS
from fishsk.features._counts import count_images
from fishsk.features._extraction import read_or_extract
from fishsk.features._images import check_images
from fishsk.features._network import Settings, add_to_keras, raise_to
from fishsk.features._views import VIEW_SETS, resolve_views
from fishsk.features._weights import resolve_weights


class VGG16FeatureTransformer(CallbackSupportMixin, TransformerMixin, StampedMixin, BaseEstimator):
    """Features of images from the frozen convolutions of VGG16 [1]_.

    Images are resized, preprocessed and run through the convolutions; the outputs of some layers are pooled
    and stacked side by side. Nothing is learned, so `transform` needs no `fit`, and the features of an image
    never depend on the other images. They are kept on disk by the image's content: no image is run twice,
    whatever folds, shuffles, clones, processes or restarts come between.

    Parameters
    ----------
    weights : {"imagenet", "cifar95"}, path-like or None, default="imagenet"
        ``"imagenet"``: Keras's weights (59 MB, downloaded once). ``"cifar95"``: a narrower VGG16 that ships
        with fishsk, trained on the 95 classes of CIFAR-100 that are not fish. ``None``: drawn from a fixed
        seed, the same in every process. A path: an ``.h5`` file in Keras's layout or a ``.safetensors`` file
        of ``tools/pretrain``.
    image_size : int, (height, width) or None, default=None
        What images are resized to, at least 32 pixels; None is the size the weights were trained at, 224 for
        ImageNet and 32 for cifar95.
    layers : str, list of str or None, default=None
        Keras's names of the layers whose outputs are used, such as ``"block4_pool"``; None is
        ``"block5_pool"``. Layers behind the last of them are never computed.
    pooling : {"avg", "max"} or None, default="avg"
        How a layer's map becomes one number a channel; None flattens the maps.
    power : float in (0, 1], default=1.0
        Power that the features, none of which is negative, are raised to [2]_. Below 1, as 0.5, large
        activations stand out less.
    preprocessing : {"caffe", "unit"} or None, default=None
        None is what the weights were trained with; ``"caffe"`` is ImageNet's (BGR minus the mean color);
        ``"unit"`` divides by 255.
    mirror : bool, default=False
        True is ``views="mirror"``.
    views : {"mirror", "shifts", "shifts+zooms"}, list of dict or None, default=None
        The copies of each image that are run through the network; None is the image alone. ``"mirror"``: the
        image and its mirror image. ``"shifts"``: these two, and both shifted up, down, left and right by
        3/32 of the sides, 10 views. ``"shifts+zooms"``: these, and the central 28/32 and 24/32 of both, 14
        views. A list holds dicts such as ``{"shift": (0.1, 0), "zoom": 0.9, "mirror": True}``, each entry of
        which may be left out: shares of the height (down) and width (right), rounded to whole pixels, with
        the border reflected; the share of the sides that fills the view; whether left and right change
        places.
    combine_views : {"mean", "concatenate"}, default="mean"
        ``"mean"`` gives the mean of the views' features. ``"concatenate"`` puts the views side by side: a
        `KerasHeadClassifier` with `n_views` learns from each, and averages what it says of them.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, channels) of the images of a 2-D `X`, as scikit-learn's own image
        data sets come. One entry may be -1.
    input_range : (low, high) or None, default=(0, 255)
        What black and white are in images that are not uint8. None takes values as they are.
    batch_size : int or None, default=None
        Images a forward pass; None chooses by `image_size`. The features do not depend on it.
    cache : {"auto"}, path-like or None, default="auto"
        Where features are kept: ``"auto"`` is a size-limited folder in the user's cache directory, or the one
        that the environment variable ``FISHSK_CACHE`` names. None keeps nothing.
    verbose : int, default=0
        1 shows a progress bar while images are run through the network.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the `X` seen in `fit`, where it was 2-D.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, where `X` had names that are all strings.

    See Also
    --------
    fishsk.make_fish_pipeline : This transformer and a classifier in one Pipeline.
    fishsk.KerasHeadClassifier : The classifier that is trained on the features.

    Notes
    -----
    `X` holds images in any of these forms: an array (n_samples, height, width, 3) of RGB or (n_samples,
    height, width) of gray values, which are repeated in three channels; an array (n_samples, height * width *
    channels) with `image_shape`; a list or object array of arrays of different sizes, of PIL images, or of
    paths; an array, Series, Index, Arrow array or one-column table of paths, of NumPy, pandas, polars or
    pyarrow; a dask array of one of the array forms, for which a dask array comes back. uint8 holds 0 to 255,
    bool black and white, any other dtype values in `input_range`. Where there is a fourth channel, of an
    array, a PIL image or a file, it is alpha: the image is laid on white.

    References
    ----------
    .. [1] K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
       ICLR 2015, https://arxiv.org/abs/1409.1556
    .. [2] F. Perronnin, J. Sánchez and T. Mensink, "Improving the Fisher Kernel for Large-Scale Image
       Classification", ECCV 2010, https://doi.org/10.1007/978-3-642-15561-1_11 (power normalization)

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import VGG16FeatureTransformer
    >>> images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    >>> vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, layers=["block1_pool"])
    >>> vgg16.transform(images).shape
    (2, 64)
    >>> vgg16.get_feature_names_out()[:2]
    array(['block1_pool_avg_0', 'block1_pool_avg_1'], dtype=object)
    """

    _doc_link_module, _doc_link_template = link_documentation()

    _parameter_constraints = {
        "weights": [str, os.PathLike, None],
        "image_size": [Interval(Integral, 32, None, closed="left"), tuple, list, None],
        "layers": [StrOptions(set(LAYERS)), "array-like", None],
        "pooling": [StrOptions({"avg", "max"}), None],
        "power": [Interval(Real, 0, 1, closed="right")],
        "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
        "mirror": ["boolean"],
        "views": [StrOptions(set(VIEW_SETS)), list, tuple, None],
        "combine_views": [StrOptions({"mean", "concatenate"})],
        "image_shape": [tuple, list, None],
        "input_range": [tuple, list, None],
        "batch_size": [Interval(Integral, 1, 2**31 - 1, closed="both"), None],
        "cache": [str, os.PathLike, None],
        "verbose": ["verbose"],
    }

    params_without_effect = ("batch_size", "cache", "verbose")  # change no number

    def __init__(
        self,
        *,
        weights: str | os.PathLike | None = "imagenet",
        image_size: int | tuple[int, int] | None = None,
        layers: str | Sequence[str] | None = None,
        pooling: str | None = "avg",
        power: float = 1.0,
        preprocessing: str | None = None,
        mirror: bool = False,
        views: str | Sequence[Mapping[str, Any]] | None = None,
        combine_views: str = "mean",
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | None = (0, 255),
        batch_size: int | None = None,
        cache: str | os.PathLike | None = "auto",
        verbose: int = 0,
    ) -> None:
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.pooling = pooling
        self.power = power
        self.preprocessing = preprocessing
        self.mirror = mirror
        self.views = views
        self.combine_views = combine_views
        self.image_shape = image_shape
        self.input_range = input_range
        self.batch_size = batch_size
        self.cache = cache
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check the parameters and `X`; nothing is learned.

        Parameters
        ----------
        X : array-like of images
            See the notes of the class.
        y : None
            Ignored, here by scikit-learn's convention.

        Returns
        -------
        self : VGG16FeatureTransformer
            The same transformer.
        """
        task = {"estimator": self, "X": X, "y": y}
        context = self._init_callback_context().call_on_fit_task_begin(**task)
        self._settings()
        self._check_columns(X, reset=True)
        if not _is_dask(X):
            check_images(X, image_shape=self.image_shape, input_range=self.input_range)
        context.call_on_fit_task_end(**task)
        return self

    def transform(self, X: Any) -> Any:
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
            If the ImageNet weights are not there and cannot be downloaded.
        """
        self._validate_params()
        settings = self._settings()
        if _is_dask(X):
            return self._map_blocks(X, settings.n_features)
        self._check_columns(X, reset=False)
        images = check_images(X, image_shape=self.image_shape, input_range=self.input_range)
        _check_memory(len(images), settings)
        features = read_or_extract(
            images, settings, cache=self.cache, batch_size=self.batch_size, shown=bool(self.verbose)
        )
        features **= self.power
        return features

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the features: view, layer, pooling and channel.

        Parameters
        ----------
        input_features : None or array-like of str, default=None
            Only checked against `feature_names_in_` and `n_features_in_`, by scikit-learn's convention.

        Returns
        -------
        ndarray of str objects
            ``"block5_pool_avg_0"``, ``"block5_pool_avg_1"``, ...; of views side by side
            ``"view0_block5_pool_avg_0"``, ...

        Raises
        ------
        ValueError
            If `input_features` are not those of the `X` that was seen in `fit`.
        """
        check_feature_names_in(self, input_features, generate_names=False)
        settings = self._settings()
        prefixes = [f"view{view}_" for view in range(settings.n_blocks)] if settings.side_by_side else [""]
        return np.array(
            [
                f"{prefix}{layer}_{self.pooling or 'flat'}_{column}"
                for prefix in prefixes
                for layer, n_columns in settings.columns.items()
                for column in range(n_columns)
            ],
            dtype=object,
        )

    @property
    def n_features_out(self) -> int:
        """Number of features of an image."""
        return self._settings().n_features

    @property
    def n_views_out(self) -> int:
        """Number of views that stand side by side in a row of features; 1 for their mean."""
        return self._settings().n_blocks

    @property
    def weights_digest(self) -> str:
        """Digest of the frozen weights, which changes whenever a number in them does."""
        return resolve_weights(self.weights).digest

    def to_keras(self, images: Any) -> Any:
        """Add this transformer to a functional Keras model, in layers that load without fishsk.

        Parameters
        ----------
        images : keras.KerasTensor of shape (None, None, None, 3), float32
            RGB in `input_range`, of any height and width.

        Returns
        -------
        keras.KerasTensor of shape (None, `n_features_out`), float32
            The features of the images.
        """
        return raise_to(add_to_keras(images, self._settings(), self.input_range), self.power)

    def _settings(self) -> Settings:
        """Check the parameters that depend on each other, and resolve those that are None."""
        weights = resolve_weights(self.weights)
        layers = ["block5_pool"] if self.layers is None else self.layers
        layers = [layers] if isinstance(layers, str) else list(layers)
        if not layers or len(set(layers)) < len(layers) or not set(layers) <= set(LAYERS):
            raise ValueError(f"layers must be different names of {', '.join(LAYERS)}. Got {self.layers!r}.")
        given: Any = weights.image_size if self.image_size is None else self.image_size
        size = tuple(given) if isinstance(given, tuple | list) else (given, given)
        if len(size) != 2 or not all(isinstance(side, Integral) and side >= 32 for side in size):
            raise ValueError(f"image_size must be (height, width), integers >= 32. Got {self.image_size!r}.")
        preprocessing = (
            weights.preprocessing if self.preprocessing is None else PREPROCESSINGS[self.preprocessing]
        )
        views = resolve_views(self.views, mirror=bool(self.mirror))
        return Settings(
            weights,
            tuple(layers),
            self.pooling,
            size,
            preprocessing,
            views,
            side_by_side=len(views) > 1 and self.combine_views == "concatenate",
        )

    def _check_columns(self, X: Any, *, reset: bool) -> None:
        """Let scikit-learn check the number and names of the columns of flattened images."""
        if self.image_shape is not None and len(getattr(X, "shape", (0, 0))) == 2 and not _is_dask(X):
            validate_data(self, X, reset=reset, skip_check_array=True)

    def _map_blocks(self, X: Any, n_features: int) -> Any:
        """Return the lazy features of a dask array, whose images stay where they are."""
        X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
        return X.map_blocks(
            self.transform,
            dtype=np.float32,
            drop_axis=list(range(2, X.ndim)),
            chunks=(X.chunks[0], (n_features,)),
            meta=np.empty((0, n_features), dtype=np.float32),
        )

    @staticmethod
    def count_images() -> Any:
        """Count the images that `transform` runs through networks, and those whose features are known.

        Returns
        -------
        context manager
            It gives an object whose `n_extracted` and `n_known` count the images of all calls of `transform`
            in this process while it is open, those of clones in searches and of other threads too. An image
            that comes twice in one call is known the second time. What other processes do, such as those of
            ``n_jobs=2`` or of a Dask cluster, is not counted here.

        Examples
        --------
        >>> import numpy as np
        >>> from fishsk import VGG16FeatureTransformer
        >>> vgg16 = VGG16FeatureTransformer(weights="cifar95", cache=None)
        >>> with VGG16FeatureTransformer.count_images() as count:
        ...     rows = vgg16.transform(np.zeros((3, 32, 32, 3), dtype=np.uint8))
        >>> count.n_extracted, count.n_known
        (1, 2)
        """
        return count_images()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags


def _is_dask(X: Any) -> bool:
    return hasattr(X, "dask") and hasattr(X, "map_blocks")


def _check_memory(n_samples: int, settings: Settings) -> None:
    """Refuse features that would fill more than half of the memory, before hours are spent on them."""
    n_features = settings.n_features
    needed, limit = n_samples * n_features * 4, _total_memory() / 2
    if needed > limit:
        remedy = "Pass pooling='avg'" if settings.pooling is None else "Pass fewer layers"
        if settings.n_blocks > 1:
            remedy = "Pass combine_views='mean'"
        raise ValueError(
            f"The features must fit into half of the memory, {limit / 2**30:.1f} GiB. {n_samples} images of "
            f"{n_features} float32 features need {needed / 2**30:.1f} GiB. {remedy}, or fewer images at a "
            "time, or a dask array."
        )


def _total_memory() -> float:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # Windows does not tell
        return float("inf")
