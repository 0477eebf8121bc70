"""VGG16FeatureTransformer: `KerasFeatureTransformer` of the best known network, with weights that ship."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fishsk.features._keras import KerasFeatureTransformer
from fishsk.features._vgg16_network import VGG16


class VGG16FeatureTransformer(KerasFeatureTransformer):
    """Features of images from the frozen convolutions of VGG16 [1]_.

    It is ``KerasFeatureTransformer(backbone="VGG16")``, and shares its stored rows.

    Parameters
    ----------
    weights : {"imagenet", "cifar95"}, path-like or None, default="imagenet"
        ``"imagenet"``: Keras's weights (59 MB, downloaded once). ``"cifar95"``: a narrower VGG16 that ships
        with fishsk, trained on the 95 classes of CIFAR-100 that are not fish. ``None``: drawn from a fixed
        seed, the same in every process. A path: an ``.h5`` file in Keras's layout or a ``.safetensors`` file
        of ``tools/pretrain``.
    image_size : int, (height, width) or None, default=None
        Size to which images are resized, at least 32 pixels; None is the size at which the weights were
        trained, 224 for ImageNet and 32 for cifar95.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        As in `KerasFeatureTransformer`.
    layers : str, list of str or None, default=None
        Keras's names of the layers whose outputs are used, such as ``"block4_pool"``; None is
        ``"block5_pool"``. Layers behind the last of them are never computed.
    pooling, preprocessing, views, precision, image_shape, input_range, batch_size, cache, verbose : optional
        As in `KerasFeatureTransformer`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the `X` seen in `fit`, where it was 2-D.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, where `X` had names that are all strings.

    See Also
    --------
    fishsk.KerasFeatureTransformer : The same for any network; it says what `X` may be.
    fishsk.make_fish_pipeline : This transformer and a classifier in one Pipeline.
    fishsk.KerasHeadClassifier : The classifier that is trained on the features.

    References
    ----------
    .. [1] K. Simonyan and A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
       ICLR 2015, https://arxiv.org/abs/1409.1556

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

    backbone = VGG16.name  # and no parameter

    def __init__(
        self,
        *,
        weights: str | os.PathLike | None = "imagenet",
        image_size: int | tuple[int, int] | None = None,
        resize: str = "stretch",
        layers: str | Sequence[str] | None = None,
        pooling: str | None = "avg",
        preprocessing: str | None = None,
        views: str | None = None,
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
        self.preprocessing = preprocessing
        self.views = views
        self.precision = precision
        self.image_shape = image_shape
        self.input_range = input_range
        self.batch_size = batch_size
        self.cache = cache
        self.verbose = verbose
