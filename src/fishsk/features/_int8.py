"""Networks in int8: a frozen Keras network, quantized by NNCF, kept beside the rows and run by OpenVINO.

Networks are quantized after training [1]_: weights channel by channel, the maps between layers by the range
that they take on a few images. These images are the same for everybody, crops of the two photographs that
scikit-learn ships. So a row depends on its image and on the network alone, as in float32.

References
----------
.. [1] B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
   Inference", CVPR 2018, https://arxiv.org/abs/1712.05877
"""

from __future__ import annotations

import io
import json
import tempfile
import threading
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fishsk._compat.openvino import kept_signal_stack, load_module, silent_nncf
from fishsk._utils.files import StrPath
from fishsk._utils.process import check_not_forked
from fishsk._utils.progress import ProgressBar
from fishsk._utils.versions import find_version
from fishsk.features._network import Run, Settings, View
from fishsk.features._resizing import resize_image
from fishsk.store import keep

_VERSION = 2  # raised when the same network comes to be quantized to other numbers
_N_CROPS = 64  # benchmarks/bench_precision.py: as good as crops of the training images
_CHUNK_PIXELS = 2**14  # of images that run together, always as many: others would get other last bits
_LEAST_SHARE = 0.3  # of the photograph that a crop shows
_PACKAGES = ("openvino", "nncf")
_LARGE_DISTANCE = 0.25  # of the features on the crops, relative to their length
_DISTANCE = "distance.json"


def describe_int8() -> tuple[str, ...]:
    """Return what rows of int8 are stored under: all that changes a number of them."""
    return "int8", f"fishsk {_VERSION}", *(f"{name} {find_version(name)}" for name in _PACKAGES)


def check_precision(precision: str) -> None:
    """Refuse, by an ImportError, a precision whose packages are not installed, before any image is read."""
    missing = [name for name in _PACKAGES if find_version(name) is None]
    if precision != "float32" and missing:
        raise ImportError(
            f"precision={precision!r} needs OpenVINO and NNCF. {' and '.join(missing)} cannot be found: "
            'pip install "fishsk[int8]", or pass precision="float32".'
        )


@kept_signal_stack()
def load_int8(settings: Settings, folder: StrPath | None, *, shown: bool) -> Run:
    """Return the function from a batch of images and a view to its features, as `load_network` does.

    ValueError if the network has something that OpenVINO or NNCF does not know.
    """
    check_not_forked()
    content = keep(folder, settings.to_json(), lambda: _quantize(settings, shown))
    openvino = load_module("openvino")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        network = openvino.Core().read_model(archive.read("network.xml"), archive.read("network.bin"))
        distance = json.loads(archive.read(_DISTANCE))
    if distance > _LARGE_DISTANCE:
        warnings.warn(
            f"In int8 the features of {settings.backbone.source.name} are {distance:.0%} off those of "
            "float32, on the photographs that it was quantized with: this network may need float32. Compare "
            "both by cross-validation on images of yours, or pass precision='float32'.",
            UserWarning,
            stacklevel=2,
        )
    hints = {
        "ENABLE_CPU_PINNING": False,  # other processes may want the same cores
        "INFERENCE_PRECISION_HINT": "f32",  # of what is not int8: bfloat16, the default of some, is no faster
        "PERFORMANCE_HINT": "THROUGHPUT",
    }
    height, width = settings.image_size
    step = max(1, _CHUNK_PIXELS // (height * width))
    network.reshape([step, height, width, 3])
    queue = openvino.AsyncInferQueue(openvino.compile_model(network, "CPU", hints))
    queue.set_callback(lambda request, rows: np.copyto(rows, request.get_output_tensor().data))
    busy = threading.Lock()

    def run(batch: np.ndarray, view: View = View.PLAIN) -> np.ndarray:
        check_not_forked()
        n_chunks = -(-len(batch) // step)
        images = np.zeros((n_chunks * step, height, width, 3), dtype=np.float32)
        images[: len(batch)] = view.look_at(batch)
        rows = np.empty((len(images), settings.n_features), dtype=np.float32)
        with busy:
            for start in range(0, len(images), step):
                queue.start_async({0: images[start : start + step]}, rows[start : start + step])
            queue.wait_all()
        return rows[: len(batch)]

    return run


def _quantize(settings: Settings, shown: bool) -> bytes:
    """Return the quantized network, from images to features, OpenVINO's files in a zip archive."""
    openvino = load_module("openvino")
    nncf = load_module("nncf")
    maps = settings.backbone.load_maps(settings.layers)
    crops = crop_photographs(settings.image_size)
    advanced = nncf.AdvancedQuantizationParameters(
        # The whole range on the crops, not its mean: which crops they are matters less. With NNCF's own
        # choices, mean and corrected biases, features were half again as far off (bench_precision.py).
        activations_range_estimator_params=nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX,
        disable_bias_correction=True,
        # Channel by channel, NNCF's choice before depthwise convolutions, features of EfficientNet-Lite were
        # three times as far off, and OpenVINO cannot run a map in this form that is asked for itself.
        activations_quantization_params=nncf.quantization.advanced_parameters.QuantizationParameters(
            per_channel=False
        ),
    )
    name = settings.backbone.source.name
    with (
        tempfile.TemporaryDirectory() as folder,
        ProgressBar(f"{name} to int8", len(crops), unit="images", shown=shown) as bar,
    ):

        def show(crop: np.ndarray) -> np.ndarray:
            bar.advance(1)
            return crop[np.newaxis]

        try:
            maps.export(folder, format="tf_saved_model", verbose=False)
            network = openvino.convert_model(folder, input=[(-1, *settings.image_size, 3)])
            with silent_nncf():
                quantized = nncf.quantize(
                    network, nncf.Dataset(crops, show), subset_size=len(crops), advanced_parameters=advanced
                )
            network, quantized = _pool(network, settings), _pool(quantized, settings)
            distance = _compare(network, quantized, crops)
            openvino.serialize(quantized, Path(folder) / "network.xml")
        except (OSError, MemoryError):
            raise
        except Exception as error:  # each of the three raises kinds of its own on what it does not know
            raise ValueError(
                f"{name} must be a network that OpenVINO can run in int8. It is not: {error}\n"
                "Pass precision='float32'."
            ) from error
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for file in ("network.xml", "network.bin"):
                archive.write(Path(folder) / file, file)
            archive.writestr(_DISTANCE, json.dumps(distance))
    return content.getvalue()


def _compare(network: Any, quantized: Any, images: np.ndarray) -> float:
    """Return how far the features of a quantized network are from the network's, relative to their length."""
    openvino = load_module("openvino")
    rows = []
    for each in (network, quantized):
        compiled = openvino.compile_model(each, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        rows.append(np.stack([compiled(image[np.newaxis])[0].copy() for image in images]))
    exact, rough = rows
    return float(np.linalg.norm(rough - exact) / (np.linalg.norm(exact) or 1))


def _pool(network: Any, settings: Settings) -> Any:
    """Return the network from images to features, which are pooled in float32."""
    from openvino import Model, opset13

    rows = []
    for output in network.outputs:
        x = output.get_node().input_value(0)
        places = np.arange(1, len(x.get_partial_shape()) - 1)  # none in a vector, which stays as it is
        if settings.pooling is not None and places.size:
            reduce = opset13.reduce_mean if settings.pooling == "avg" else opset13.reduce_max
            x = reduce(x, places)
        rows.append(opset13.reshape(x, np.array([0, -1]), special_zero=True))
    return Model([opset13.concat(rows, axis=1)], network.get_parameters())


def crop_photographs(image_size: tuple[int, int], n_crops: int = _N_CROPS) -> np.ndarray:
    """Return float32 crops of two photographs, resized, every other pair mirrored; they are always the same.

    They show different shares of the photographs. Fewer are the first of more: the stream of `RandomState` is
    frozen.
    """
    from sklearn.datasets import load_sample_images

    photographs = load_sample_images().images
    random_state = np.random.RandomState(0)
    crops = np.empty((n_crops, *image_size, 3), dtype=np.float32)
    for number, crop in enumerate(crops):
        photograph = photographs[number % len(photographs)]
        whole = min(full / side for full, side in zip(photograph.shape, image_size, strict=False))
        scale = whole * random_state.uniform(_LEAST_SHARE, 1)
        height, width = (max(1, round(side * scale)) for side in image_size)
        top = random_state.randint(photograph.shape[0] - height + 1)
        left = random_state.randint(photograph.shape[1] - width + 1)
        crop[:] = resize_image(photograph[top : top + height, left : left + width], image_size)
        if number // len(photographs) % 2:
            crop[:] = crop[:, ::-1].copy()
    return crops
