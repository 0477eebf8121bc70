"""KerasHeadClassifier.fit against plain scikeras and bare Keras with the same network and training.

Each side keeps a tenth of its rows for validation, and halves its learning rate on plateaus of the
validation loss. LogisticRegression and MLPClassifier show the scale at the smaller width. "held out loss"
is the log loss on rows that no side saw.
"""

import gc
import warnings
from functools import partial

import numpy as np
from _common import Benchmark, compare, in_fresh_process, memory_mb, timed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from fishsk import KerasHeadClassifier

_N_CLASSES = 5
_WARM_UP_FITS = 3


def main():
    """Compare fits at both widths, then the memory that many fits leave."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    if bench.quick:
        widths, n_rows, epochs, n_fits = (32, 512), 200, 2, 2
    else:
        widths, n_rows, epochs, n_fits = (512, 25_088), 3000, 20, 50
    for n_features in widths:
        data = train_test_split(*make_features(n_rows, n_features), test_size=1 / 6, random_state=0)
        fits = {"plain scikeras": fit_scikeras, "bare Keras": fit_keras, "KerasHeadClassifier": fit_fishsk}
        if n_features == widths[0]:
            fits |= {"LogisticRegression": fit_logistic, "MLPClassifier": fit_mlp}
        sides = {name: partial(fit_and_judge, partial(fit, epochs), *data) for name, fit in fits.items()}
        rows = compare(sides, bench.repeats)
        bench.table(f"Fit of {len(data[0])} rows of {n_features} features, {epochs} epochs", rows)
    bench.note(
        "KerasHeadClassifier builds a network in its first fit in a process, so in the first round alone.\n"
    )
    rows = [
        {"side": name, "MB_a_fit": in_fresh_process(memory_growth, fit, n_fits)}
        for name, fit in (("plain scikeras", fit_scikeras), ("KerasHeadClassifier", fit_fishsk))
    ]
    bench.table(f"Growth of a process over {n_fits} fits of 512 features, after {_WARM_UP_FITS} more", rows)
    bench.write()


def make_features(n_rows, n_features):
    """Draw rows that look like rectified feature maps: many columns, few directions, overlapping classes."""
    rng = np.random.default_rng(0)
    y = np.arange(n_rows) % _N_CLASSES
    latent = rng.normal(0, 0.3, (_N_CLASSES, 64))[y] + rng.standard_normal((n_rows, 64))
    mixing = rng.normal(0, 1 / 8, (64, n_features))
    return np.maximum(latent.astype(np.float32) @ mixing.astype(np.float32), 0), y


def build_model(n_features):
    """Return the network of KerasHeadClassifier's defaults, compiled."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(_N_CLASSES, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def training(epochs):
    """Return how both Keras and scikeras are told to train."""
    import keras

    plateaus = keras.callbacks.ReduceLROnPlateau(factor=0.5, patience=3)
    return {
        "epochs": epochs,
        "batch_size": 32,
        "validation_split": 0.1,
        "callbacks": [plateaus],
        "verbose": 0,
    }


def fit_keras(epochs, X, y):
    """Build a network and train it."""
    model = build_model(X.shape[1])
    model.fit(X, y, **training(epochs))
    return partial(model.predict, verbose=0)


def fit_scikeras(epochs, X, y):
    """Fit scikeras's own classifier."""
    from scikeras.wrappers import KerasClassifier

    classifier = KerasClassifier(build_model, n_features=X.shape[1], **training(epochs))
    return classifier.fit(X, y).predict_proba


def fit_fishsk(epochs, X, y):
    """Fit fishsk's classifier."""
    return KerasHeadClassifier(epochs=epochs, random_state=0).fit(X, y).predict_proba


def fit_logistic(epochs, X, y):
    """Fit scikit-learn's linear classifier, to its own convergence."""
    return LogisticRegression(max_iter=1000).fit(X, y).predict_proba


def fit_mlp(epochs, X, y):
    """Fit scikit-learn's network, of the same size and for as long."""
    mlp = MLPClassifier(
        512,
        batch_size=32,
        max_iter=epochs,
        n_iter_no_change=epochs,
        early_stopping=True,
        validation_fraction=0.1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mlp.fit(X, y).predict_proba


def fit_and_judge(fit, X_train, X_test, y_train, y_test):
    """Return the seconds of a fit, and its loss on rows that it has not seen."""
    predict_proba, seconds = timed(fit, X_train, y_train)
    return {"seconds": seconds, "held_out_loss": log_loss(y_test, predict_proba(X_test))}


def memory_growth(fit, n_fits):
    """Return by how many MB each fit makes this process larger."""
    X, y = make_features(200, 512)
    resident = []
    for _ in range(_WARM_UP_FITS + n_fits):
        fit(1, X, y)
        gc.collect()
        resident.append(memory_mb("VmRSS"))
    return (resident[-1] - resident[_WARM_UP_FITS - 1]) / n_fits


if __name__ == "__main__":
    main()
