"""The recipe for images, and what else was tried: accuracy and log loss on fish and on clothing.

Everything meets the same folds of the training images with the same seeds, so that it is compared with the
recipe fold by fold. A parameter pays if it gains half a point of accuracy, or 0.02 of log loss, on all of
the images. No validation or test images are read.
"""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, timed_cpu
from _folds import cross_validate, describe, judge_rows, load_both
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasHeadClassifier, make_fish_pipeline
from fishsk.features import BACKBONES, SIZE_FOR_SMALL, find_frozen_parts, find_recipe

LITE, CIFAR95 = BACKBONES
SEEDS = (0, 1, 2)  # of the default pipeline; of what is compared with it, so many as --repeats says
SIZES = (64, 96, 128, 160, 224)
SPARSE = "sparse_categorical_crossentropy"
TOP = {"features__efficientnetlite0__layers": ["top_relu"]}
THREE = {"features__efficientnetlite0__layers": ["block10_expand_relu", "block13_expand_relu", "top_relu"]}
FEATURES = {
    "EfficientNetLite0 alone": {"backbone": LITE},
    "cifar95 alone": {"backbone": CIFAR95},
    "of EfficientNetLite0 the last map alone": TOP,
    "of EfficientNetLite0 the last map and two before": THREE,
    'views="mirror" of EfficientNetLite0': {"features__efficientnetlite0__views": "mirror"},
    "views=None of cifar95": {"features__vgg16__views": None},
    'resize="crop"': {"features__resize": "crop"},
    'resize="pad"': {"features__resize": "pad"},
}


def make_heads():
    """Return what learns from the recipe's features in place of its head."""
    best = KerasHeadClassifier(**find_recipe(LITE).head)
    return {
        "validation_fraction=0.1, for calibration": changed(best, validation_fraction=0.1),
        "validation_fraction=0.05": changed(best, validation_fraction=0.05),
        "hidden_units=128": changed(best, hidden_units=128, dropout=0.5, l2=0.02),
        "hidden_units=512": changed(best, hidden_units=512, dropout=0.5, l2=0.02),
        "hidden_units=(128, 128)": changed(best, hidden_units=(128, 128), dropout=0.5, l2=0.02),
        'hidden_units=128, activation="gelu"': changed(
            best, hidden_units=128, dropout=0.5, l2=0.02, activation="gelu"
        ),
        'hidden_units=128, activation="tanh"': changed(
            best, hidden_units=128, dropout=0.5, l2=0.02, activation="tanh"
        ),
        "custom: 128 units, batch normalization": changed(best, model=build_normed, loss=SPARSE),
        "dropout=0.5": changed(best, dropout=0.5),
        "l2=0": changed(best, l2=0.0),
        "l2=0.05": changed(best, l2=0.05),
        "epochs=40": changed(best, epochs=40),
        "label smoothing of 0.1 (gone)": changed(
            best, model=partial(build_linear, l2=0.05), loss=smoothed_loss
        ),
        "centers (gone): 1,000 by Nystroem": Pipeline(
            [("centers", Nystroem(n_components=1000)), ("head", changed(best, l2=0.0, learning_rate=0.01))]
        ),
        "out-of-fold calibration (refit, gone)": CalibratedClassifierCV(
            best, method="temperature", ensemble=False
        ),
        "5 networks (n_networks, gone)": BaggingClassifier(best, 5, bootstrap=False),
        "scikit-learn: LogisticRegression(C=0.003)": LogisticRegression(C=0.003, max_iter=300),
        "scikit-learn: SVC(C=3)": SVC(C=3),
    }


def main():
    """Measure sizes, then all that could be otherwise."""
    bench = Benchmark(__file__, __doc__, repeats=1)
    seeds = range(bench.repeats)
    with TemporaryDirectory() as folder:
        images = load_both(bench.quick)
        rows = []
        for name, (X, y) in images.items():
            found = describe(cross_validate(X, y, SEEDS, make_recipe(folder, name)))
            del found["gain"]
            rows.append({"images": f"{len(X)} {name}"} | found)
        bench.table(f"The recipe: 5 folds x {len(SEEDS)} seeds", rows)
        for name, (X, y) in images.items():
            rows = try_sizes(X, y, seeds, SIZES[: 2 if bench.quick else None])
            bench.table(f"Image size of EfficientNetLite0: {len(X)} {name}, {describe_folds(bench)}", rows)
        tables = [try_all(X, y, seeds, folder, name) for name, (X, y) in images.items()]
        for name, table in zip(images, tables, strict=True):
            rows = [{"side": side} | describe(found, table["the recipe"]) for side, found in table.items()]
            bench.table(f"The recipe and what else was tried: {name}, {describe_folds(bench)}", rows)
        bench.table("Does it pay on all of them?", [judge(side, tables) for side in tables[0]])
    bench.note(
        '"Gain" is the mean difference of accuracy to the recipe, fold by fold, with its standard error; '
        "folds share training images, so that the true error is somewhat larger. Log loss and calibration "
        "error (15 bins) are of the out-of-fold answers of a seed, averaged over seeds. The seconds of a fit "
        "and its prediction are those of cached features. What is gone is composed of scikit-learn's and "
        "Keras's parts."
    )
    bench.write()


def describe_folds(bench):
    """Return how often what was judged."""
    return f"5 folds x {bench.repeats} seeds"


def changed(head, **params):
    """Return a head that is like another but for some parameters."""
    return KerasHeadClassifier(**head.get_params() | params)


def build_linear(meta, *, l2):
    """Return the recipe's network, to be trained with a custom loss."""
    import keras

    penalty = keras.regularizers.L2(l2)
    outputs = keras.layers.Dense(meta["n_classes_"], activation="softmax", kernel_regularizer=penalty)
    return keras.Sequential([keras.Input((meta["n_features_in_"],)), outputs])


def build_normed(meta):
    """Return a hidden layer of 128 units with batch normalization, and the penalty of the built-in one."""
    import keras

    penalty = keras.regularizers.L2(0.02)
    layers = [
        keras.Input((meta["n_features_in_"],)),
        keras.layers.Dense(128, kernel_regularizer=penalty),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(meta["n_classes_"], activation="softmax", kernel_regularizer=penalty),
    ]
    return keras.Sequential(layers)


def smoothed_loss(y_true, y_pred):
    """Return the cross-entropy with labels a tenth of which is spread over all classes."""
    import keras

    hot = keras.ops.one_hot(keras.ops.reshape(y_true, (-1,)), y_pred.shape[-1])
    return keras.losses.categorical_crossentropy(hot, y_pred, label_smoothing=0.1)


def try_sizes(X, y, seeds, sizes):
    """Return the rows of each size: EfficientNetLite0 alone, and with cifar95 beside it."""
    small = make_fish_pipeline(backbone=CIFAR95, features__cache=None)["features"]
    small, _, seconds_of_small = timed_cpu(small.transform, X)
    rows = []
    for size in sizes:
        alone = make_fish_pipeline(backbone=LITE, features__image_size=size, features__cache=None)
        lite, _, seconds = timed_cpu(alone["features"].transform, X)
        for side, columns, duration in (
            (f"{size} px", lite, seconds),
            (f"{size} px, cifar95 beside it", np.hstack([lite, small]), seconds + seconds_of_small),
        ):
            found = describe(judge_rows(columns, y, seeds, alone[1:]))
            del found["gain"]
            rows.append({"side": side, "images_per_CPU_second": len(X) / duration} | found)
    return rows


def make_recipe(folder, name, **params):
    """Return the recipe for some images, changed by parameters."""
    pipeline = make_fish_pipeline(**{"backbone": BACKBONES, "features__cache": folder} | params)
    for part in find_frozen_parts(pipeline["features"]).values():
        if part.network_name == LITE and name == "fish":
            part.set_params(image_size=SIZE_FOR_SMALL)
    return pipeline


def try_all(X, y, seeds, folder, name):
    """Return what cross-validation finds of the recipe, of other features and of other heads."""
    make = partial(make_recipe, folder, name)
    recipe = make()
    rows = recipe["features"].transform(X)
    found = {"the recipe": judge_rows(rows, y, seeds, recipe[1:])}
    found |= {side: cross_validate(X, y, seeds, make(**params)) for side, params in FEATURES.items()}
    unscaled = Pipeline(recipe.steps[1:]).set_params(scale="passthrough")
    found["no StandardScaler"] = judge_rows(rows, y, seeds, unscaled)
    for side, head in make_heads().items():
        found[side] = judge_rows(rows, y, seeds, Pipeline([("scale", StandardScaler()), ("head", head)]))
    return found


def judge(side, tables):
    """Return the row of the verdict on one side."""
    gains = [np.mean(table[side]["accuracies"] - table["the recipe"]["accuracies"]) for table in tables]
    losses = [table[side]["log_loss"] - table["the recipe"]["log_loss"] for table in tables]
    pays = all(gain >= 0.005 or loss <= -0.02 for gain, loss in zip(gains, losses, strict=True))
    return {
        "side": side,
        "gains_of_accuracy": ", ".join(f"{gain:+.3f}" for gain in gains),
        "changes_of_log_loss": ", ".join("" if np.isnan(loss) else f"{loss:+.3f}" for loss in losses),
        "pays": "" if side == "the recipe" else "yes" if pays else "no",
    }


if __name__ == "__main__":
    main()
