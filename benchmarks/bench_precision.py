"""Lower precision: fishsk's int8, LiteRT's int8, float32 and bfloat16 of OpenVINO, beside fishsk's float32.

It needs `pip install "fishsk[int8]"`. Speed and the distance of features are of networks with drawn weights,
but for EfficientNet-Lite0. Accuracy in 5 folds of training images, shuffled three times, is that of an SVC on
features of `cifar95`, and that of the recipe, whose two networks pip installs with their weights, on fish and
on photographs. For `cifar95` int8 is also calibrated on training images, and with NNCF's own choices, to see
what fishsk's choices cost.
"""

import tempfile
from functools import partial
from unittest import mock

import numpy as np
from _common import Benchmark, compare, load_fish, per_second, timed_cpu
from _folds import describe, judge_rows, load_both
from bench_recipe import LITE, SEEDS, make_recipe
from joblib import cpu_count
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer, make_fish_pipeline
from fishsk._compat.litert import make_interpreter
from fishsk.features import _int8
from fishsk.features._images import check_images
from fishsk.features._tensorflow import make_graph


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
        "EfficientNetLite0": KerasFeatureTransformer(**drawn | {"weights": "imagenet"}),
        "MobileNetV3Small": KerasFeatureTransformer(backbone="MobileNetV3Small", **drawn),
        "EfficientNetV2B0": KerasFeatureTransformer(backbone="EfficientNetV2B0", **drawn),
        "ResNet50V2": KerasFeatureTransformer(backbone="ResNet50V2", **drawn),
        "VGG16": VGG16FeatureTransformer(**drawn),
    }
    images, _, source = load_fish(8 if bench.quick else 16, subset="train")
    for name, transformer in networks.items():
        sides = make_sides(transformer, images) | run_openvino(transformer, images)
        sides["LiteRT, int8"] = quantize_litert(transformer, images)
        rows = measure(sides, bench.repeats, len(images))
        size = transformer._settings().image_size[0]
        bench.table(f"{name}: {len(images)} of {source} at {size} x {size}", rows)
    judge(bench)
    judge_recipe(bench)
    bench.write()


def judge(bench):
    """Compare accuracy and speed on fishsk's own weights."""
    import nncf

    X, y, source = load_fish(200 if bench.quick else None, subset="train")
    transformer = VGG16FeatureTransformer(weights="cifar95", cache=None)
    sides = make_sides(transformer, X) | run_openvino(transformer, X)
    settings = clone(transformer).set_params(precision="int8")._settings()
    defaults = nncf.AdvancedQuantizationParameters()
    for name, target, instead in (
        ("int8, on training images", "fishsk.features._int8.crop_photographs", load(settings, X[:64])),
        ("int8, NNCF's choices", "nncf.AdvancedQuantizationParameters", defaults),
    ):
        with mock.patch(target, return_value=instead):
            network = _int8.load_int8(settings, None, shown=False)
        sides[name] = partial(run_network, network, settings, X)
    rows = measure(sides, bench.repeats, len(X))
    classifier = make_pipeline(StandardScaler(), SVC(C=3))
    folds = RepeatedStratifiedKFold(n_splits=5, n_repeats=1 if bench.quick else 3, random_state=0)
    expected = None
    for row, side in zip(rows, sides.values(), strict=True):
        scores = cross_val_score(classifier, side(), y, cv=folds)
        expected = scores if expected is None else expected
        gains = scores - expected
        row["CV_accuracy"] = scores.mean()
        row["gain"] = gains.mean()
        row["error_of_gain"] = gains.std(ddof=1) / np.sqrt(len(gains))
    bench.table(f"cifar95 at 32 x 32: {len(X)} of {source}, training images", rows)
    few = X[:100] if bench.quick else X[:500]
    recipe = make_fish_pipeline(weights="cifar95", features__cache=None)["features"]
    rows = measure(make_sides(recipe, few), bench.repeats, len(few))
    bench.table(f"cifar95, the views of the default recipe: {len(few)} of {source}", rows)


def judge_recipe(bench):
    """Compare accuracy and speed of the recipe and of its first network alone."""
    for name, (X, y) in load_both(bench.quick).items():
        rows = []
        for side, params in (("EfficientNetLite0", {"backbone": LITE}), ("the recipe", {})):
            float32 = None
            for precision in ("float32", "int8"):
                pipeline = make_recipe(None, name, features__precision=precision, **params)
                pipeline["features"].transform(X[:2])  # converts and quantizes
                features, _, seconds = timed_cpu(pipeline["features"].transform, X)
                found = judge_rows(features, y, SEEDS, pipeline[1:])
                row = {"side": f"{side}, {precision}", "images_per_CPU_second": len(X) / seconds}
                rows.append(row | describe(found, float32))
                float32 = found
        bench.table(f"The recipe: {len(X)} {name}, 5 folds x {len(SEEDS)} seeds", rows)


def make_sides(transformer, images):
    """Return fishsk in both precisions."""
    int8 = clone(transformer).set_params(precision="int8")
    return {
        "fishsk, float32": partial(transformer.transform, images),
        "fishsk, int8": partial(int8.transform, images),
    }


def measure(sides, repeats, n_images):
    """Return a row for each side: its speed, and how far its features are from those of the first."""
    rows = per_second(compare(sides, repeats, warm_up=True), n_images)
    expected = None
    for row, side in zip(rows, sides.values(), strict=True):
        features = side()
        expected = features if expected is None else expected
        row["error"] = float(np.linalg.norm(features - expected) / np.linalg.norm(expected))
        row["correlation"] = float(np.corrcoef(features.ravel(), expected.ravel())[0, 1])
    return rows


def run_openvino(transformer, images):
    """Return what OpenVINO does without quantization."""
    import keras  # after fishsk, which switches oneDNN on
    import openvino

    settings = transformer._settings()
    maps = settings.backbone.load_maps(settings.layers)
    output = maps.output[0] if isinstance(maps.output, list) else maps.output
    pooled = keras.layers.GlobalAveragePooling2D()(output) if len(output.shape) == 4 else output
    inputs = keras.Input((*settings.image_size, 3))
    model = keras.Model(inputs, keras.Model(maps.input, pooled)(inputs, training=False))
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, format="tf_saved_model", verbose=False)
        network = openvino.convert_model(folder, input=[(-1, *settings.image_size, 3)])
    sides = {}
    for name, precision in (("OpenVINO, float32", "f32"), ("OpenVINO, bfloat16", "bf16")):
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        compiled = openvino.compile_model(network, "CPU", hints)
        sides[name] = partial(run_compiled, compiled, settings, images)
    return sides


def quantize_litert(transformer, images):
    """Return what LiteRT's own int8 does, which is calibrated on the images."""
    import tensorflow as tf  # after fishsk, as above

    settings = transformer._settings()
    maps = settings.backbone.load_maps(settings.layers)
    variables = maps.trainable_variables, maps.non_trainable_variables
    constants = [[np.asarray(variable) for variable in each] for each in variables]

    graph = make_graph(settings, lambda batch: maps.stateless_call(*constants, batch, training=False)[0])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph], tf.Module())
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in load(settings, images))
    interpreter = make_interpreter(converter.convert(), n_threads=cpu_count())
    (given,), (rows,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(given["index"], (len(images), *settings.image_size, 3))
    interpreter.allocate_tensors()

    def run():
        interpreter.set_tensor(given["index"], load(settings, images))
        interpreter.invoke()
        return interpreter.get_tensor(rows["index"])

    return run


def load(settings, images):
    """Return images in the size that the network takes."""
    return check_images(images).load(range(len(images)), settings.image_size)


def run_network(network, settings, images):
    """Return features of a network that fishsk has compiled."""
    from fishsk.features._network import View

    return network(load(settings, images), View.PLAIN)


def run_compiled(compiled, settings, images):
    """Return features, by as many requests at once as OpenVINO wants, each of some images."""
    import openvino

    batch = load(settings, images)
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
