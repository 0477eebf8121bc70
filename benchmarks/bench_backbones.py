"""KerasFeatureTransformer: networks on LiteRT, on TensorFlow, in bare Keras; their size, and their work.

Bare Keras is `keras.Model.predict` of the same network (`include_top=False, pooling="avg"`), on arrays that
were resized and preprocessed beforehand, at the batch size that is fastest in the same run. The transformer
starts from the images. Weights are drawn: speed does not depend on them.
"""

from functools import partial
from unittest import mock

import numpy as np
from _common import Benchmark, choose_batch_size, compare, largest_difference, load_fish

from fishsk import KerasFeatureTransformer
from fishsk.features import _transformer
from fishsk.features._applications import find_application
from fishsk.features._images import check_images

NETWORKS = (
    "EfficientNetLite0",
    "MobileNetV3Small",
    "MobileNetV2",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "NASNetMobile",
    "DenseNet121",
    "ResNet50V2",
    "InceptionV3",
    "ConvNeXtTiny",
    "VGG16",
)
ENGINES = {"LiteRT": ("litert",), "TensorFlow": ("tensorflow",)}


def main():
    """Run all networks."""
    bench = Benchmark(__file__, __doc__, repeats=5, add_arguments=add_arguments)
    n_images = 4 if bench.quick else bench.options.images
    batch_sizes = [batch_size for batch_size in (4, 8, 16, 32) if batch_size <= n_images]
    images, _, source = load_fish(n_images)
    facts, errors = [], []
    networks = bench.options.networks or (NETWORKS[:2] if bench.quick else NETWORKS)
    try:
        for name in networks:
            fact, error = measure(name, images, 96 if bench.quick else None, batch_sizes, bench.repeats)
            facts.append(fact)
            errors.append(error)
    except KeyboardInterrupt:
        bench.note("It was interrupted: of the other networks nothing is known.")
    where = f"{n_images} of {source}, each at the network's own size"
    bench.table(f"Networks without cache: {where}", facts)
    bench.note(
        '"... of Keras" is how many times as fast as bare Keras the transformer was on an engine, in the '
        'median of the rounds; "weights MB" is the size of the parameters without the classifier, which is '
        'about that of the download; "GFLOP" counts a multiplication and an addition as two.'
    )
    bench.note(
        f"Features on either engine and of bare Keras differ by at most {max(errors):.1e} of the largest "
        "one. Drawn weights amplify rounding in deep networks."
    )
    bench.write()


def add_arguments(parser):
    """Add the options of this program."""
    parser.add_argument("--images", type=int, default=32, help="images of each run (default: %(default)s)")
    parser.add_argument("--networks", nargs="+", metavar="NAME", help="instead of all of them")


def measure(name, images, size, batch_sizes, repeats):
    """Return what there is to know of one network, and how much its features differ from bare Keras's."""
    transformer = KerasFeatureTransformer(backbone=name, weights=None, image_size=size, cache=None)
    settings = transformer._settings()
    height, width = settings.image_size
    build = find_application(name)
    model = build(weights=None, include_top=False, input_shape=(height, width, 3), pooling="avg")
    ours = settings.backbone.source.load(settings.backbone.description, "avg")
    model.set_weights(ours.get_weights())
    batch = check_images(images).load(range(len(images)), (height, width))
    batch = np.ascontiguousarray(settings.backbone.source.preprocess(batch.copy()))

    def predict(batch_size):
        return model.predict(batch, batch_size=batch_size, verbose=0)

    def transform(engine):
        with mock.patch.object(_transformer, "resolve_engine", return_value=engine):
            return transformer.transform(images)

    best, _ = choose_batch_size(predict, batch_sizes)
    sides = {"Keras": partial(predict, best)}
    sides |= {label: partial(transform, engine) for label, engine in ENGINES.items()}
    rows = {row["side"]: row for row in compare(sides, repeats, warm_up=True)}
    n_parameters = model.count_params()
    facts = {
        "network": name,
        "image_size": height,
        "features": transformer.n_features_out,
        "parameters_million": n_parameters / 1e6,
        "weights_MB": 4 * n_parameters / 1e6,
        "GFLOP": count_flop(model, height, width) / 1e9,
        "Keras_batch": best,
    }
    facts |= {f"{side}_images_per_second": len(images) / row["seconds"] for side, row in rows.items()}
    facts |= {f"{side}_of_Keras": rows[side]["speed"] for side in ENGINES}
    facts |= {f"{side}_runs": row["runs"] for side, row in rows.items()}
    expected = predict(best)
    return facts, max(largest_difference(transform(engine), expected) for engine in ENGINES.values())


def count_flop(model, height, width):
    """Return the floating point operations for one image, as TensorFlow's profiler counts them."""
    import tensorflow as tf  # after fishsk, which switches oneDNN on

    image = tf.TensorSpec((1, height, width, 3), tf.float32)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(image).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


if __name__ == "__main__":
    main()
