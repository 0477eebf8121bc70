"""OnnxFeatureTransformer: images in, features of any frozen network in an ONNX file out."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import cast

import numpy as np

from fishsk._compat.sklearn import StrOptions
from fishsk.features._network import Settings
from fishsk.features._onnx_file import OnnxBackbone, Triple, as_onnx_file
from fishsk.features._transformer import FrozenFeatures, check_image_size

# Mean and standard deviation of RGB in 0 to 1.
_PREPROCESSINGS: dict[str, tuple[Triple, Triple]] = {
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "tf": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


class OnnxFeatureTransformer(FrozenFeatures):
    """Features of images from any frozen network in an ONNX file [1]_: timm's, DINOv2, CLIP's image tower.

    Images are resized, preprocessed and run through the network by onnxruntime, on the processor; the outputs
    of some layers are pooled and stacked side by side. Nothing is learned, so `transform` needs no `fit`. The
    features of an image are kept on disk by its content and by the network's: no image is run twice. It needs
    ``pip install "fishsk[onnx]"``.

    Parameters
    ----------
    path : str or path-like
        The ``.onnx`` file, with all of its weights in it. The network takes a batch of RGB images, of any
        length or of one image, in float32 or float16, with the channels first or last: the 3, which must be
        fixed in the file, tells where.
    layers : str, list of str or None, default=None
        Names of values that the network computes, as `list_layers` gives them. Operations behind the last of
        them are never computed. None is the network's first output; a classifier's first output are the
        scores of its classes, so name a layer before them.
    image_size : int, (height, width) or None, default=None
        Size to which images are resized. None is the size that the file names, or 224 if it names none; only
        then may the size be another one.
    preprocessing : {"imagenet", "clip", "unit", "tf"}, (mean, std) or None, default="imagenet"
        Preprocessing that the network was trained with. ``"imagenet"``: mean (0.485, 0.456, 0.406) and
        standard deviation (0.229, 0.224, 0.225) of RGB in 0 to 1, as most networks of timm and DINOv2 [2]_.
        ``"clip"``: those of CLIP [3]_. ``"unit"``: 0 to 1. ``"tf"``: -1 to 1. Or a pair of three numbers
        each, in the same unit. None: RGB in 0 to 255; the network preprocesses it itself.
    pooling : {"avg", "max", "first"} or None, default="avg"
        How the places of a map, or the tokens of a sequence, become one. ``"first"`` takes the first token,
        the class token of ViT, DINOv2 and CLIP. None flattens, with the channels last. An output that is a
        vector stays as it is.
    resize, views, image_shape, input_range, batch_size, cache, verbose : optional
        As in `KerasFeatureTransformer`.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of the `X` seen in `fit`, where it was 2-D.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of these columns, where `X` had names that are all strings.

    See Also
    --------
    KerasFeatureTransformer : The same for networks of Keras; it says what `X` may be.
    fishsk.make_fish_pipeline : A transformer and a classifier in one Pipeline.

    Notes
    -----
    Each image is run alone and on one thread, several images at a time. So a row is the same bit for bit in
    every batch, in every order and for any number of threads. Other versions of onnxruntime and other
    processors may change last bits.

    A file is data: only onnxruntime's own operators run, and a file that names other files is refused. But
    its operators may compute for long and fill memory: use files from people you trust.

    The operators before a map tell which of its axes holds the channels. There are no gradients: heat maps
    come from occlusion, and :func:`~fishsk.export_model` refuses such a pipeline.

    References
    ----------
    .. [1] "Open Neural Network Exchange", https://onnx.ai
    .. [2] M. Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023,
       https://arxiv.org/abs/2304.07193
    .. [3] A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
       ICML 2021, https://arxiv.org/abs/2103.00020

    Examples
    --------
    A network of one convolution:

    >>> import numpy as np
    >>> from onnx import TensorProto, helper, numpy_helper, save
    >>> weights = numpy_helper.from_array(np.ones((8, 3, 3, 3), dtype=np.float32), "weights")
    >>> images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [None, 3, 32, 32])
    >>> maps = helper.make_tensor_value_info("maps", TensorProto.FLOAT, None)
    >>> convolution = helper.make_node("Conv", ["images", "weights"], ["maps"])
    >>> graph = helper.make_graph([convolution], "small", [images], [maps], [weights])
    >>> opset = [helper.make_opsetid("", 17)]
    >>> save(helper.make_model(graph, opset_imports=opset, ir_version=9), "network.onnx")

    >>> from fishsk import OnnxFeatureTransformer
    >>> network = OnnxFeatureTransformer("network.onnx", preprocessing="unit")
    >>> network.list_layers()
    {'maps': (30, 30, 8)}
    >>> network.transform(np.zeros((2, 64, 64, 3), dtype=np.uint8)).shape
    (2, 8)
    """

    is_keras = False
    precision = "float32"  # and no parameter: an .onnx file can hold a network that is quantized

    _parameter_constraints = FrozenFeatures._parameter_constraints | {
        "path": [str, os.PathLike],
        "pooling": [StrOptions({"avg", "max", "first"}), None],
        "preprocessing": [StrOptions(set(_PREPROCESSINGS)), tuple, list, None],
    }

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        layers: str | Sequence[str] | None = None,
        image_size: int | tuple[int, int] | None = None,
        preprocessing: str | tuple[Triple, Triple] | None = "imagenet",
        pooling: str | None = "avg",
        resize: str = "stretch",
        views: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        input_range: tuple[float, float] | None = (0, 255),
        batch_size: int | None = None,
        cache: str | os.PathLike | None = "auto",
        verbose: int = 0,
    ) -> None:
        self.path = path
        self.layers = layers
        self.image_size = image_size
        self.preprocessing = preprocessing
        self.pooling = pooling
        self.resize = resize
        self.views = views
        self.image_shape = image_shape
        self.input_range = input_range
        self.batch_size = batch_size
        self.cache = cache
        self.verbose = verbose

    @property
    def network_name(self) -> str:
        """Name of the network: that of the file."""
        return Path(self.path).stem

    def _backbone(self) -> OnnxBackbone:
        source = as_onnx_file(self.path)
        description = source.describe(check_image_size(self.image_size), self._folder)
        return OnnxBackbone(source, description, *_resolve_preprocessing(self.preprocessing))

    def _settings(self) -> Settings:
        settings = super()._settings()
        shapes = dict(settings.backbone.description.shapes)
        maps = [name for name in settings.layers if len(shapes[name]) == 3]
        if self.pooling == "first" and maps:
            raise ValueError(f"pooling='first' is of sequences of tokens. {maps[0]!r} is a map: pass 'avg'.")
        return settings


def _resolve_preprocessing(given: str | tuple[Triple, Triple] | None) -> tuple[Triple, Triple]:
    """Return mean and standard deviation of RGB in 0 to 255."""
    if given is None:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    numbers = np.array(_PREPROCESSINGS[given] if isinstance(given, str) else given, dtype=object)
    are_numbers = all(isinstance(number, Real) and math.isfinite(number) for number in numbers.flat)
    if numbers.shape != (2, 3) or not are_numbers or min(numbers[1]) <= 0:
        raise ValueError(
            f"preprocessing must be one of {sorted(_PREPROCESSINGS)}, a pair of three means and three "
            f"standard deviations above 0 of RGB in 0 to 1, or None. Got {given!r}."
        )
    mean, std = (255 * numbers).astype(float).tolist()
    return cast(Triple, tuple(mean)), cast(Triple, tuple(std))
