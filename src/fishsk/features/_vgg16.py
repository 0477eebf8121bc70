"""VGG16FeatureTransformer: images in, features of the frozen convolutions of VGG16 out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from fishsk._compat.sklearn import Integral, Interval, StrOptions
from fishsk.features._backbone import LAYERS, PREPROCESSINGS, VGG16Backbone
from fishsk.features._engine import resolve_engine
from fishsk.features._network import Settings
from fishsk.features._transformer import FrozenFeatures, check_image_size, check_layers
from fishsk.features._views import resolve_views
from fishsk.features._weights import resolve_weights


class VGG16FeatureTransformer(FrozenFeatures):
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
    resize : {"stretch", "crop", "pad"}, default="stretch"
        What becomes of an image with other proportions than `image_size`. ``"stretch"`` changes its
        proportions. ``"crop"`` takes the largest part from its middle that has those of `image_size`.
        ``"pad"`` shows all of it, and around it its mean color.
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
    views : {"mirror", "mirror+corners", "shifts", "shifts+zooms"}, list of dict or None, default=None
        The copies of each image that are run through the network, whose features are averaged; None is the
        image alone. ``"mirror"``: the image and its mirror image. ``"mirror+corners"``: these, the image
        moved by 1/16 of its sides into one corner, and the mirror image moved into another, 4 views.
        ``"shifts"``: image and mirror image, and both shifted up, down, left and right by 3/32 of the sides,
        10 views. ``"shifts+zooms"``: these, and the central 28/32 and 24/32 of both, 14 views. A list holds
        dicts such as ``{"shift": (0.1, 0), "zoom": 0.9, "mirror": True}``, each entry of which may be left
        out: shares of the height (down) and width (right), rounded to whole pixels, with the border
        reflected; the share of the sides that fills the view; whether left and right change places.
    precision : {"float32", "int8"}, default="float32"
        What the network computes in. ``"int8"`` is several times as fast on a processor, and its features
        differ a little from those of float32: see :doc:`/user_guide/backbones`. It needs
        ``pip install "fishsk[int8]"``.
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
    fishsk.KerasFeatureTransformer : The same for any other network.
    fishsk.make_fish_pipeline : This transformer and a classifier in one Pipeline.
    fishsk.KerasHeadClassifier : The classifier that is trained on the features.

    Notes
    -----
    `X` holds images in any of these forms: an array (n_samples, height, width, 3) of RGB or (n_samples,
    height, width) of gray values, which are repeated in three channels; an array (n_samples, height * width *
    channels) with `image_shape`; a list or object array of arrays of different sizes, of PIL images, of
    binary streams, or of paths; an array, Series, Index, Arrow array or one-column table of paths, or of the
    bytes of files, of NumPy, pandas, polars or pyarrow; a dask array of one of the array forms, for which a
    dask array comes back. A photograph has the same pixels in each form. uint8 holds 0 to 255,
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

    _parameter_constraints = FrozenFeatures._parameter_constraints | {
        "image_size": [Interval(Integral, 32, None, closed="left"), tuple, list, None],
        "layers": [StrOptions(set(LAYERS)), "array-like", None],
        "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
    }

    def __init__(
        self,
        *,
        weights: str | os.PathLike | None = "imagenet",
        image_size: int | tuple[int, int] | None = None,
        resize: str = "stretch",
        layers: str | Sequence[str] | None = None,
        pooling: str | None = "avg",
        power: float = 1.0,
        preprocessing: str | None = None,
        views: str | Sequence[Mapping[str, Any]] | None = None,
        precision: str = "float32",
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | None = (0, 255),
        batch_size: int | None = None,
        cache: str | os.PathLike | None = "auto",
        verbose: int = 0,
    ) -> None:
        self.weights = weights
        self.image_size = image_size
        self.resize = resize
        self.layers = layers
        self.pooling = pooling
        self.power = power
        self.preprocessing = preprocessing
        self.views = views
        self.precision = precision
        self.image_shape = image_shape
        self.input_range = input_range
        self.batch_size = batch_size
        self.cache = cache
        self.verbose = verbose

    @property
    def network_name(self) -> str:
        """What the network is called."""
        return "VGG16"

    @property
    def weights_digest(self) -> str:
        """Digest of the frozen weights, which changes whenever a number in them does."""
        return resolve_weights(self.weights).digest

    def list_layers(self) -> dict[str, tuple[int, ...]]:
        """Return the layers that `layers` can name, and the shapes of their outputs.

        Returns
        -------
        dict of str to tuple of int
            In the order in which they are computed: (height, width, channels) of the map at `image_size`.
        """
        settings = self._settings()
        backbone: Any = settings.backbone
        return {
            layer.name: (
                *(side >> layer.n_halvings for side in settings.image_size),
                backbone.weights.widths[layer.block],
            )
            for layer in LAYERS.values()
        }

    def _settings(self) -> Settings:
        """Check the parameters that depend on each other, and resolve those that are None."""
        weights = resolve_weights(self.weights)
        layers = check_layers(self.layers, "block5_pool")
        if not set(layers) <= set(LAYERS):
            raise ValueError(f"layers must be different names of {', '.join(LAYERS)}. Got {self.layers!r}.")
        preprocessing = (
            weights.preprocessing if self.preprocessing is None else PREPROCESSINGS[self.preprocessing]
        )
        backbone = VGG16Backbone(weights, preprocessing)
        return Settings(
            backbone,
            layers,
            self.pooling,
            check_image_size(self.image_size, weights.image_size, least=32),
            self.resize,
            resolve_views(self.views),
            engine=resolve_engine(backbone, self.precision),
        )
