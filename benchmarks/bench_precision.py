"""Lower precision: float32, bfloat16 and int8 of OpenVINO beside fishsk's float32, speed and accuracy.

It needs `pip install openvino nncf`, which fishsk itself does not use: the question is whether it should.
Networks are quantized after training, calibrated on 128 training images. Accuracy is that of an SVC on
features of fishsk's own weights, in 5 folds of training images: others are not to be had without a network.
"""

import tempfile
from functools import partial

import keras
import numpy as np
from _common import Benchmark, compare, load_fish, per_second
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer
from fishsk.features._images import check_images

N_CALIBRATION = 128


def main():
    """Run all networks."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    try:
        import nncf
        import openvino
    except ImportError as error:
        bench.note(f"Nothing was measured: {error}.")
        return
    bench.note(f"OpenVINO {openvino.__version__.split('-')[0]}, NNCF {nncf.__version__}.")
    drawn = {"weights": None, "cache": None, "image_size": 64 if bench.quick else None}
    networks = {
        "MobileNetV3Small": KerasFeatureTransformer(backbone="MobileNetV3Small", **drawn),
        "EfficientNetV2B0": KerasFeatureTransformer(backbone="EfficientNetV2B0", **drawn),
        "ResNet50V2": KerasFeatureTransformer(backbone="ResNet50V2", **drawn),
        "VGG16": VGG16FeatureTransformer(**drawn),
    }
    for name, transformer in networks.items():
        images, _, source = load_fish(8 if bench.quick else 16, subset="train")
        runs = make_runs(transformer, images)
        sides = {"fishsk, float32": partial(transformer.transform, images)}
        sides |= {side: partial(run, images) for side, run in runs.items()}
        rows = per_second(compare(sides, bench.repeats, warm_up=True), len(images))
        size = transformer._settings().image_size[0]
        bench.table(f"{name}, drawn: {len(images)} of {source} at {size} x {size}", rows)
    judge(bench)
    bench.write()


def judge(bench):
    """Compare accuracy and speed on fishsk's own weights."""
    X, y, source = load_fish(200 if bench.quick else None, subset="train")
    transformer = VGG16FeatureTransformer(weights="cifar95", cache=None)
    runs = make_runs(transformer, X)
    sides = {"fishsk, float32": partial(transformer.transform, X)}
    sides |= {side: partial(run, X) for side, run in runs.items()}
    rows = per_second(compare(sides, bench.repeats, warm_up=True), len(X))
    classifier = make_pipeline(StandardScaler(), SVC(C=3))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    expected = None
    for row, side in zip(rows, sides.values(), strict=True):
        features = side()
        scores = cross_val_score(classifier, features, y, cv=folds)
        expected = scores if expected is None else expected
        gains = scores - expected
        row["CV_accuracy"] = scores.mean()
        row["gain"] = gains.mean()
        row["error_of_gain"] = gains.std(ddof=1) / np.sqrt(5)
    bench.table(f"cifar95 at 32 x 32: {len(X)} of {source}, training images", rows)


def make_runs(transformer, images):
    """Return functions from images to features, by OpenVINO in each of its precisions."""
    import nncf
    import openvino

    settings = transformer._settings()
    maps = settings.backbone.load_maps(settings.layers)
    output = maps.output[0] if isinstance(maps.output, list) else maps.output
    pooled = keras.layers.GlobalAveragePooling2D()(output) if len(output.shape) == 4 else output
    inputs = keras.Input((*settings.image_size, 3))
    model = keras.Model(inputs, keras.Model(maps.input, pooled)(inputs, training=False))
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False)
        converted = openvino.convert_model(folder, input=[(-1, *settings.image_size, 3)])
    calibration = prepare(settings, images[:N_CALIBRATION])
    dataset = nncf.Dataset([calibration[i : i + 1] for i in range(len(calibration))])
    quantized = nncf.quantize(converted, dataset, subset_size=len(calibration))
    runs = {}
    for name, network, precision in (
        ("OpenVINO, float32", converted, "f32"),
        ("OpenVINO, bfloat16", converted, "bf16"),
        ("OpenVINO, int8", quantized, "f32"),
    ):
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled = openvino.compile_model(network, "CPU", hints)
        runs[name] = partial(run, compiled, settings)
    return runs


def prepare(settings, images):
    """Return images as the network takes them."""
    batch = check_images(images).load(range(len(images)), settings.image_size)
    return np.ascontiguousarray(settings.backbone.prepare(batch))


def run(compiled, settings, images):
    """Return features, by as many requests at once as OpenVINO wants, each of some images."""
    import openvino

    batch = prepare(settings, images)
    step = max(1, 8 * 224 * 224 // (settings.image_size[0] * settings.image_size[1]) // 4)
    starts = range(0, len(batch), step)
    features = [None] * len(starts)
    queue = openvino.AsyncInferQueue(compiled)
    queue.set_callback(
        lambda request, place: features.__setitem__(place, request.get_output_tensor().data.copy())
    )
    for place, start in enumerate(starts):
        queue.start_async({0: batch[start : start + step]}, place)
    queue.wait_all()
    return np.concatenate(features)


if __name__ == "__main__":
    main()
