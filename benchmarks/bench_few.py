"""Few images of each class: the recipe's head beside scikit-learn's classifiers, on the same features.

So many images of each class are drawn from the training images and train; all other training images judge.
Self-training gives the recipe's head a thousand of the others without their labels.
"""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark
from _folds import load_both
from bench_recipe import make_recipe
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC

PER_CLASS = (5, 10, 20, 50)
N_UNLABELED = 1000
SELF_TRAINING = "self-training of the recipe's head"


def main():
    """Measure fish, then photographs of clothing."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    with TemporaryDirectory() as folder:
        for name, (X, y) in load_both(bench.quick).items():
            recipe = make_recipe(folder, name)
            rows = recipe["features"].transform(X)
            for n_images in PER_CLASS[: 1 if bench.quick else None]:
                table = judge(rows, y, recipe["head"], n_images, bench.repeats)
                bench.table(f"{name}, {n_images} images of each class, {bench.repeats} draws", table)
    bench.note(
        '"Gain" is the mean difference of accuracy to the recipe, draw by draw, with its standard error. All '
        "see the same standardized features."
    )
    bench.write()


def make_sides(head):
    """Return what learns from the features, each a function from a seed to an estimator."""
    recipe = partial(make, head)
    return {
        "the recipe": recipe,
        "logistic regression, C=1": lambda seed: LogisticRegression(max_iter=300),
        "logistic regression, C=0.003": lambda seed: LogisticRegression(C=0.003, max_iter=300),
        "SVC, C=3": lambda seed: SVC(C=3),
        "linear SVC": lambda seed: SVC(kernel="linear"),
        "nearest neighbors, 1": lambda seed: KNeighborsClassifier(1),
        "nearest neighbors, 5": lambda seed: KNeighborsClassifier(5),
        SELF_TRAINING: lambda seed: SelfTrainingClassifier(recipe(seed), threshold=0.9, max_iter=5),
    }


def make(head, seed):
    """Return a head with a seed."""
    return clone(head).set_params(random_state=seed)


def judge(rows, y, head, n_images, repeats):
    """Return the rows of one table."""
    sides = make_sides(head)
    accuracies, losses = ({side: [] for side in sides} for _ in range(2))
    for seed in range(repeats):
        order = np.random.RandomState(seed).permutation(len(y))
        train = np.concatenate([order[y[order] == label][:n_images] for label in np.unique(y)])
        others = np.setdiff1d(order, train)
        unlabeled = np.random.RandomState(seed).permutation(others)[:N_UNLABELED]
        for side, make_side in sides.items():
            seen, labels = train, y[train]
            if side == SELF_TRAINING:
                seen = np.concatenate([train, unlabeled])
                labels = np.concatenate([labels, np.full(len(unlabeled), -1)])
            fitted = make_pipeline(StandardScaler(), make_side(seed)).fit(rows[seen], labels)
            accuracies[side].append(np.mean(fitted.predict(rows[others]) == y[others]))
            if hasattr(fitted, "predict_proba"):
                losses[side].append(log_loss(y[others], fitted.predict_proba(rows[others])))
    return [describe(side, accuracies, losses) for side in sides]


def describe(side, accuracies, losses):
    """Return one row: accuracy, its gain over the recipe, log loss."""
    found = np.array(accuracies[side])
    gains = found - accuracies["the recipe"]
    row = {"side": side, "accuracy": f"{found.mean():.3f}", "gain": ""}
    if side != "the recipe":
        row["gain"] = f"{gains.mean():+.3f} ± {gains.std(ddof=1) / np.sqrt(len(gains)):.3f}"
    return row | {"log_loss": f"{np.mean(losses[side]):.3f}" if losses[side] else ""}


if __name__ == "__main__":
    main()
