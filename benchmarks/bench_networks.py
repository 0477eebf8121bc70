"""Forms of the head's network: layers, activations, batch normalization; accuracy in folds, with its error.

All of them see the mean over the recipe's views, and meet the same folds with the same seeds, so that they
are compared fold by fold with the first. Batch normalization is a custom network, and stands beside the
same network without it. The test images are not read.
"""

from functools import partial

import keras
from _common import Benchmark, load_fish
from _folds import cross_validate, describe

from fishsk import KerasHeadClassifier, make_fish_pipeline

COMMON = {"learning_rate": 1e-3, "epochs": 20, "batch_size": 128}
FORMS = {
    "one layer of 512, relu": {},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "tanh": {"activation": "tanh"},
    "layers of 512 and 128": {"hidden_units": (512, 128)},
    "layers of 256 and 256, gelu": {"hidden_units": (256, 256), "activation": "gelu"},
}


def main():
    """Let cross-validation judge each form."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    X, y, source = load_fish(100 if bench.quick else None, subset="train")
    judge = partial(cross_validate, X, y, range(bench.repeats))
    heads = {name: KerasHeadClassifier(**COMMON, l2=1e-3, **params) for name, params in FORMS.items()}
    own = {"custom: the first": False, "custom: batch normalization": True}
    heads |= {
        name: KerasHeadClassifier(
            partial(build, normed=normed), loss="sparse_categorical_crossentropy", **COMMON
        )
        for name, normed in own.items()
    }
    rows, first, plain = [], None, None
    for name, head in heads.items():
        pipeline = make_fish_pipeline(head=head, weights="cifar95")
        found = judge(pipeline)
        rows.append({"side": name} | describe(found, plain if name.endswith("normalization") else first))
        first = found if first is None else first
        plain = found
    bench.table(f"{len(X)} of {source}, training images, 5 folds x {bench.repeats} seeds", rows)
    bench.note(
        '"gain" is over the first row, that of batch normalization over the row above it: the mean of the '
        "differences on the same folds, with its standard error."
    )
    bench.write()


def build(meta, *, normed):
    """Return one hidden layer of 512 units, with or without batch normalization."""
    penalty = keras.regularizers.L2(1e-3)
    layers = [
        keras.Input((meta["n_features_in_"],)),
        keras.layers.Dense(512, kernel_regularizer=penalty),
        *([keras.layers.BatchNormalization()] if normed else []),
        keras.layers.ReLU(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(meta["n_classes_"], activation="softmax", kernel_regularizer=penalty),
    ]
    return keras.Sequential(layers)


if __name__ == "__main__":
    main()
