"""A custom network: KerasHeadClassifier(model=...) against plain scikeras and Keras's own wrapper.

All three train the same network on all rows, with the same optimizer, loss, epochs and batches, and predict
the probabilities of as many rows. "held out loss" is the log loss on rows that no side saw.
"""

from functools import partial

import numpy as np
from _common import Benchmark, compare, in_fresh_process, timed
from bench_head import make_features, memory_growth
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, train_test_split

from fishsk import KerasHeadClassifier

_N_CLASSES = 5


def main():
    """Compare single fits of two networks, cross-validation, then the memory that many fits leave."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    n_rows, epochs, n_fits = (200, 2, 2) if bench.quick else (2400, 10, 20)
    dense = make_features(n_rows, 512)
    maps = make_features(n_rows // 4, 8 * 8 * 16)
    maps = maps[0].reshape(-1, 8, 8, 16), maps[1]
    sides = {"plain scikeras": fit_scikeras, "keras.wrappers": fit_wrapper, "KerasHeadClassifier": fit_fishsk}
    for title, data, measure in (
        ("Fit and prediction, a hidden layer on {} rows of 512 features", dense, fit_and_judge),
        ("Fit and prediction, two convolutions on {} maps of 8 x 8 x 16", maps, fit_and_judge),
        ("Cross-validation in 5 folds, a hidden layer on {} rows of 512 features", dense, cross_validate),
    ):
        rows = compare(
            {name: partial(measure, partial(fit, epochs), *data) for name, fit in sides.items()},
            bench.repeats,
        )
        bench.table(title.format(len(data[0])) + f", {epochs} epochs", rows)
    rows = [
        {"side": name, "MB_a_fit": in_fresh_process(memory_growth, fit, n_fits)}
        for name, fit in sides.items()
    ]
    bench.table(f"Growth of a process over {n_fits} fits of 512 features", rows)
    bench.write()


def build(shape):
    """Return an uncompiled network for rows of a shape."""
    import keras

    layers = [keras.Input(shape)]
    if len(shape) == 3:
        layers += [
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.Conv2D(32, 3, activation="relu"),
        ]
        layers += [keras.layers.GlobalAveragePooling2D()]
    else:
        layers += [keras.layers.Dense(256, activation="relu")]
    layers += [keras.layers.Dropout(0.5), keras.layers.Dense(_N_CLASSES, activation="softmax")]
    return keras.Sequential(layers)


def build_by_meta(meta):
    """Return the network as scikeras and fishsk ask for it."""
    return build(meta["X_shape_"][1:])


def build_compiled(X, y):
    """Return the network as Keras's wrapper asks for it, which makes targets one-hot."""
    model = build(X.shape[1:])
    model.compile("adam", "categorical_crossentropy")
    return model


def fit_scikeras(epochs, X, y):
    """Fit scikeras's own classifier."""
    from scikeras.wrappers import KerasClassifier

    loss = "sparse_categorical_crossentropy"
    head = KerasClassifier(build_by_meta, loss=loss, optimizer="adam", epochs=epochs, verbose=0)
    return head.fit(X, y).predict_proba


def fit_wrapper(epochs, X, y):
    """Fit Keras's wrapper, whose model predicts the probabilities that the wrapper does not."""
    from keras.wrappers import SKLearnClassifier

    fit_arguments = {"epochs": epochs, "batch_size": 32, "verbose": 0}
    if X.ndim > 2:  # the wrapper takes tables only
        shape, X = X.shape[1:], X.reshape(len(X), -1)
        head = SKLearnClassifier(partial(_build_reshaped, shape), fit_kwargs=fit_arguments).fit(X, y)
        return lambda X: head.model_.predict(X.reshape(len(X), -1), verbose=0)
    head = SKLearnClassifier(build_compiled, fit_kwargs=fit_arguments).fit(X, y)
    return partial(head.model_.predict, verbose=0)


def _build_reshaped(shape, X, y):
    import keras

    inputs = keras.Input(X.shape[1:])
    model = keras.Model(inputs, build(shape)(keras.layers.Reshape(shape)(inputs)))
    model.compile("adam", "categorical_crossentropy")
    return model


def fit_fishsk(epochs, X, y):
    """Fit fishsk's classifier, without what the others have not: a validation part and its plateaus."""
    head = KerasHeadClassifier(
        build_by_meta, epochs=epochs, validation_fraction=0, lr_factor=1, random_state=0
    )
    return head.fit(X, y).predict_proba


def judge(y, proba):
    """Return the log loss of probabilities of Keras's float32, which add up to 1 nearly."""
    proba = np.asarray(proba, np.float64)
    return log_loss(y, proba / proba.sum(axis=1, keepdims=True))


def fit_and_judge(fit, X, y):
    """Return the seconds of a fit and of a prediction, and the loss on rows that were not seen."""
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1 / 6, stratify=y, random_state=0)
    predict_proba, fit_seconds = timed(fit, X_train, y_train)
    proba, seconds = timed(predict_proba, X_test)
    return {"seconds": fit_seconds + seconds, "held_out_loss": judge(y_test, proba)}


def cross_validate(fit, X, y):
    """Return the seconds of five fits and predictions, and the mean loss."""
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)

    def run():
        return [judge(y[test], fit(X[train], y[train])(X[test])) for train, test in folds]

    losses, seconds = timed(run)
    return {"seconds": seconds, "held_out_loss": float(np.mean(losses))}


if __name__ == "__main__":
    main()
