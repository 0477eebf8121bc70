"""The report's own program, written plainly in Keras, against both recipes: from data to confusion matrix.

The report's program runs VGG16 inside the model that it trains, on images resized to 224 x 224, for 20
epochs, and validates on the test images after each. It is timed for a few steps of training, validation and
prediction, and extrapolated to the whole; the recipes run whole, each with an empty cache.
"""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, compare, load_fish, timed
from sklearn.metrics import confusion_matrix

from fishsk import make_fish_pipeline
from fishsk.features._vgg16_network import load_backbone, resolve_weights

_EPOCHS = 20
_BATCH_SIZE = 32


def main():
    """Compare the three programs."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    image_size, n_steps = (64, 1) if bench.quick else (224, 8)
    load = partial(load_both, *((80, 40) if bench.quick else (None, None)))
    sides = {
        "the report's program": partial(extrapolate_report, load, image_size, n_steps),
        "recipe='report'": partial(
            run_recipe, load, recipe="report", weights=None, features__image_size=image_size
        ),
        "default recipe, cifar95": partial(run_recipe, load, weights="cifar95"),
    }
    rows = compare(sides, bench.repeats)
    bench.table(f"From loading {load_fish()[2]} to the confusion matrix", rows)
    bench.note(
        f"The report's program, at {image_size} x {image_size}, is extrapolated to {_EPOCHS} epochs from "
        f"{n_steps * _BATCH_SIZE} images; starting and tracing are left out. It and recipe='report' "
        "use weights=None, which take as long as ImageNet's."
    )
    bench.write()


def load_both(n_train, n_test):
    """Return training images and labels, and those of the test."""
    return *load_fish(n_train, subset="train")[:2], *load_fish(n_test, subset="test")[:2]


def extrapolate_report(load, image_size, n_steps):
    """Return the seconds that the report's program would take, and those of one of its epochs."""
    (X_train, y_train, X_test, _), loading = timed(load)
    X = np.resize(X_train, (n_steps * _BATCH_SIZE, *X_train.shape[1:]))
    y = np.resize(y_train, len(X))
    model = build_report_model(image_size)
    training = len(X_train) * seconds_an_image(model.fit, X, y)
    validating = len(X_test) * seconds_an_image(model.evaluate, X, y)
    predicting = len(X_test) * seconds_an_image(model.predict, X)
    epoch = training + validating
    return {"seconds": loading + _EPOCHS * epoch + predicting, "seconds_an_epoch": epoch}


def seconds_an_image(method, *data):
    """Time one of a Keras model's methods, once its first call has traced it."""
    method(*(part[:_BATCH_SIZE] for part in data), batch_size=_BATCH_SIZE, verbose=0)
    _, seconds = timed(method, *data, batch_size=_BATCH_SIZE, verbose=0)
    return seconds / len(data[0])


def build_report_model(image_size):
    """Return the report's network, compiled."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Resizing(image_size, image_size),
            keras.layers.Rescaling(1 / 255),
            load_backbone(resolve_weights(None)),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def run_recipe(load, **params):
    """Load, train, predict and compare, with an empty cache."""
    with TemporaryDirectory() as folder:
        X_train, y_train, X_test, y_test = load()
        pipeline = make_fish_pipeline(random_state=0, features__cache=folder, **params)
        confusion_matrix(y_test, pipeline.fit(X_train, y_train).predict(X_test))


if __name__ == "__main__":
    main()
