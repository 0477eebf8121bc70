"""Photographs in folders: the recipe, its parts, the program that courses teach, and scikit-learn alone.

All sides train on the same photographs and are judged by the same others: a fifth of the training
photographs, drawn with a fixed seed, or with --validation those of another folder. The program that courses
teach is that of Keras's guide to transfer learning: the same frozen network inside of a training loop, behind
layers that flip and rotate, for 10 epochs. scikit-learn's machine sees the pixels, at 32 x 32.
"""

import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish, timed_cpu
from _folds import PHOTOGRAPHS, load_photographs
from PIL import Image
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fishsk import KerasFeatureTransformer, make_fish_pipeline
from fishsk.features import BACKBONES, SIZE_FOR_SMALL, find_frozen_parts, read_image, resize_image
from fishsk.inspection import accuracy_interval

LITE, CIFAR95 = BACKBONES
IMAGE_SIZE = 224  # pixels, of photographs


def main():
    """Train and judge each side, with nothing kept, and again with what was kept: photographs, then fish."""
    bench = Benchmark(__file__, __doc__, repeats=1, add_arguments=add_arguments)
    options = bench.options
    n_per_class = 10 if bench.quick else None
    X, y = load_photographs(options.photographs, n_per_class)
    if options.validation:
        X_test, y_test = load_photographs(options.validation, n_per_class)
        bench.table(*judge_all(X, X_test, y, y_test, bench.quick))
    else:
        bench.table(*judge_all(*split(X, y), bench.quick))
    with TemporaryDirectory() as folder:
        fish = write_fish(Path(folder), 50 if bench.quick else None)
        bench.table(*judge_all(*split(*fish), bench.quick, image_size=SIZE_FOR_SMALL, what="fish"))
    bench.note(
        'Seconds are of training and of predicting all that judge, files read and networks loaded: "seconds" '
        'with an empty cache, "seconds again" with the features of the first run. The last two keep nothing, '
        'and would take as long again. "CPU seconds" are those of all threads, which hardly depend on what '
        "else the machine does. Intervals are Wilson's, at 95 %. Fish are the training images of CIFAR-100, "
        f"which EfficientNetLite0 sees at {SIZE_FOR_SMALL} pixels, as in the command line."
    )
    bench.write()


def split(X, y):
    """Return what trains and what judges."""
    return train_test_split(X, y, test_size=0.2, stratify=y, random_state=0)


def write_fish(folder, n_images):
    """Return the paths and labels of the training fish, written as files."""
    images, y, _ = load_fish(n_images, subset="train")
    paths = [folder / f"{index}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return np.array(list(map(os.fspath, paths)), dtype=object), y


def judge_all(X_train, X_test, y_train, y_test, quick, *, image_size=IMAGE_SIZE, what="photographs"):
    """Return the title and the rows of one table."""
    photographs = X_train, y_train, X_test
    networks = {
        "fishsk's recipe: both networks": BACKBONES,
        "EfficientNetLite0 alone": LITE,
        "cifar95 alone": CIFAR95,
    }
    others = {
        "EfficientNetLite0 in a Keras training loop": partial(
            run_keras, n_epochs=1 if quick else 10, image_size=(image_size, image_size)
        ),
        "scikit-learn alone: SVC on pixels": run_sklearn,
    }
    rows = []
    for name, backbone in networks.items():
        with TemporaryDirectory() as cache:
            proba, *cold = timed_cpu(run_fishsk, backbone, cache, image_size, *photographs)
            _, *warm = timed_cpu(run_fishsk, backbone, cache, image_size, *photographs)
        rows.append({"side": name} | score(y_test, proba) | name_seconds(cold, warm))
    for name, run in others.items():
        proba, *cold = timed_cpu(run, *photographs)
        rows.append({"side": name} | score(y_test, proba) | name_seconds(cold, ("", "")))
    return f"{len(X_train)} {what} train, {len(X_test)} others judge", rows


def add_arguments(parser):
    """Add what names the photographs."""
    parser.add_argument("--photographs", default=PHOTOGRAPHS / "train", type=Path, help="folder of classes")
    parser.add_argument("--validation", type=Path, help="another folder, whose photographs judge")


def name_seconds(cold, again):
    """Return the columns of two runs, of each its seconds and those of all threads."""
    names = ("seconds", "CPU_seconds", "seconds_again", "CPU_seconds_again")
    return dict(zip(names, (*cold, *again), strict=True))


def score(y, proba):
    """Return the columns of a table."""
    right = proba.argmax(axis=1) == y
    low, high = accuracy_interval(right)
    return {
        "accuracy": f"{right.mean():.3f}",
        "interval": f"{low:.3f} to {high:.3f}",
        "log_loss": f"{log_loss(y, proba, labels=np.arange(proba.shape[1])):.3f}",
    }


def run_fishsk(backbone, cache, image_size, X, y, X_test):
    """Return the probabilities that the default pipeline gives."""
    pipeline = make_fish_pipeline(backbone=backbone, random_state=0, features__cache=cache)
    for part in find_frozen_parts(pipeline["features"]).values():
        if part.network_name == LITE:
            part.set_params(image_size=image_size)
    return pipeline.fit(X, y).predict_proba(X_test)


def run_keras(X, y, X_test, *, n_epochs, image_size, batch_size=32):
    """Return the probabilities of the program that courses teach."""
    import keras
    import tensorflow as tf

    def read(path):
        image = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
        return tf.image.resize(image, image_size)

    def load(paths, *labels):
        data = tf.data.Dataset.from_tensor_slices((list(map(os.fspath, paths)), *labels))
        if labels:
            data = data.shuffle(len(paths), seed=0)
        data = data.map(lambda path, *label: (read(path), *label), num_parallel_calls=tf.data.AUTOTUNE)
        return data.batch(batch_size).prefetch(tf.data.AUTOTUNE)

    keras.utils.set_random_seed(0)
    frozen = KerasFeatureTransformer(backbone=LITE, image_size=image_size)
    images = keras.Input((*image_size, 3))
    x = keras.layers.RandomFlip("horizontal")(images)
    x = keras.layers.RandomRotation(0.1)(x)
    x = keras.layers.Dropout(0.2)(frozen.to_keras(x))
    model = keras.Model(images, keras.layers.Dense(len(np.unique(y)), activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(load(X, y), epochs=n_epochs, verbose=0)
    return model.predict(load(X_test), verbose=0)


def run_sklearn(X, y, X_test, *, image_size=(32, 32)):
    """Return the probabilities of a support vector machine on pixels."""

    def read(paths):
        return np.array([resize_image(read_image(path), image_size).ravel() for path in paths])

    machine = make_pipeline(StandardScaler(), SVC(C=3))
    calibrated = CalibratedClassifierCV(machine, method="temperature", ensemble=False)
    return calibrated.fit(read(X), y).predict_proba(read(X_test))


if __name__ == "__main__":
    main()
