"""Lengths of drawn fish in cross-validation: heads on the same features, few images and many.

The images are drawn for training; no test images are read.
"""

import time
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_validate
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from fishsk import KerasHeadRegressor, make_fish_pipeline
from fishsk.datasets import make_fish_images

N_FOLDS = 5
SIZES = (200, 1000)


def scale(regressor):
    """Return a regressor whose targets are standardized."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


HIDDEN = {
    "hidden_units": 128,
    "dropout": 0.5,
    "epochs": 40,
    "batch_size": 32,
    "l2": 0.1,
    "validation_fraction": 0.1,
}


def list_heads(n_rows):
    """Return what makes each pipeline, which is to learn from so many rows."""
    return {
        "always the mean": {"head": DummyRegressor()},
        'default (Keras, linear, l2="scale")': {"task": "regression"},
        "Keras, linear, a third of this l2": {"task": "regression", "head__regressor__l2": 800 / n_rows},
        "Keras, linear, three times this l2": {"task": "regression", "head__regressor__l2": 7500 / n_rows},
        "Keras, 128 hidden units": {"head": scale(KerasHeadRegressor(**HIDDEN))},
        "Keras, 128 hidden units, learning_rate=0.01": {
            "head": scale(KerasHeadRegressor(**HIDDEN, learning_rate=0.01))
        },
        "RidgeCV": {"head": RidgeCV(np.logspace(1, 6, 11))},
        "SVR, C=3": {"head": scale(SVR(C=3))},
        "random forest": {"head": RandomForestRegressor(200, max_features=0.1, n_jobs=2)},
    }


def main():
    """Cross-validate each head on growing numbers of drawn fish."""
    bench = Benchmark(__file__, __doc__, repeats=1)
    sizes = (60,) if bench.quick else SIZES
    X, y = make_fish_images(max(sizes), target="length", random_state=0)
    with TemporaryDirectory() as folder:
        for size in sizes:
            few, heads = (X[:size], y[:size]), list_heads(size * (N_FOLDS - 1) // N_FOLDS)
            rows = [{"head": name} | measure(each, *few, folder) for name, each in heads.items()]
            bench.table(f"{size} drawn fish of 32 x 32, {N_FOLDS} folds; lengths in pixels", rows)
    bench.note(
        '"R2" and "error" (mean absolute, in pixels) are means over the folds, with their deviation. '
        '"Seconds" are those of one training, features known.'
    )
    bench.write()


def measure(settings, X, y, folder):
    """Return the scores of a pipeline in folds, and how long one training takes."""
    pipeline = make_fish_pipeline(**settings, weights="cifar95", random_state=0, features__cache=folder)
    features = pipeline["features"].transform(X)
    scoring = {"r2": "r2", "error": "neg_mean_absolute_error"}
    start = time.perf_counter()
    found = cross_validate(pipeline[1:], features, y, cv=KFold(N_FOLDS), scoring=scoring)
    seconds = (time.perf_counter() - start) / N_FOLDS
    r2, error = found["test_r2"], -found["test_error"]
    return {
        "r2": f"{r2.mean():.3f} ± {r2.std():.3f}",
        "error": f"{error.mean():.2f} ± {error.std():.2f}",
        "seconds": f"{seconds:.1f}",
    }


if __name__ == "__main__":
    main()
