"""The default recipe for small images, step by step: accuracy and honesty of the probabilities.

Each step keeps those above it. All of them meet the same folds with the same seeds, so that they are compared
fold by fold. The test images are not read.
"""

import argparse
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from fishsk import KerasHeadClassifier, make_fish_pipeline
from fishsk.inspection import score_probabilities
from fishsk.inspection._classification import evaluate_classification

NEW = make_fish_pipeline(weights="cifar95").get_params()
VIEWS = NEW["features__views"]
FIRST = {
    "features__views": "mirror",
    "features__power": 1.0,
    "head__hidden_units": 512,
    "head__dropout": 0.5,
    "head__learning_rate": 1e-3,
    "head__epochs": 20,
    "head__batch_size": 32,
    "head__l2": 1e-3,
    "head__calibration": None,
}


def as_new(*names):
    """Return these parameters of the head as they are in the recipe."""
    return {f"head__{name}": NEW[f"head__{name}"] for name in names}


STEPS = {
    "the mean of image and mirror image": {},
    "temperature": as_new("calibration"),
    "the mean of four views": {"features__views": VIEWS},
    "roots of the features": {"features__power": NEW["features__power"]},
}


def main():
    """Add step after step, and let cross-validation judge each."""
    bench = Benchmark(__file__, __doc__, repeats=3, add_arguments=add_arguments)
    options = bench.options
    X, y, source = load_fish(100 if bench.quick else None, subset="train")
    if options.superclass:
        X, y = load_superclass(options.data, options.superclass)
        source = f"CIFAR-100's {options.superclass}"
    if options.per_class:
        X, y = take(X, y, options.per_class)
    with TemporaryDirectory() as folder:
        judge = partial(cross_validate, X, y, range(bench.repeats))
        make = partial(make_fish_pipeline, weights=options.weights, features__cache=folder)
        params, rows, above = dict(FIRST), [], None
        for step, change in STEPS.items():
            params |= change
            if options.ends and step not in (next(iter(STEPS)), next(reversed(STEPS))):
                continue
            found = judge(make(**params))
            rows.append(describe(step, found, above))
            above = found
        kernel = judge(make(head=SVC(C=3), features__views=VIEWS))
        rows.append(describe("a kernel machine instead: SVC(C=3), mean of views", kernel, above))
    n_classes = len(np.unique(y))
    bench.table(
        f"Each with those above it: {len(X)} images of {n_classes} classes, {source}, weights "
        f"{Path(options.weights).stem}, 5 folds x {bench.repeats} seeds",
        rows,
    )
    bench.note(
        '"Gain" is the mean difference of accuracy, fold by fold, to the row above, with its standard error; '
        "folds share training images, so that the true error is somewhat larger. Log loss, calibration error "
        '(15 bins) and "wrong above 0.99" (of all images) are of the out-of-fold answers of a seed, averaged '
        "over seeds. The seconds of a fit and its prediction are those of cached features."
    )
    bench.write()


def add_arguments(parser):
    """Add what chooses weights and images."""
    parser.add_argument("--weights", default="cifar95", help="known weights or a file")
    parser.add_argument("--superclass", help="another superclass of CIFAR-100 than fish; needs --data")
    parser.add_argument("--data", type=Path, help="folder of CIFAR-100's binary files")
    parser.add_argument("--per-class", type=int, help="images of each class (default: all)")
    parser.add_argument(
        "--ends", action=argparse.BooleanOptionalAction, default=False, help="only the first and last step"
    )


def load_superclass(folder, name):
    """Return the training images and labels of a superclass."""
    names = (folder / "coarse_label_names.txt").read_text().split()
    records = np.fromfile(folder / "train.bin", np.uint8).reshape(-1, 3074)
    records = records[records[:, 0] == names.index(name)]
    return np.ascontiguousarray(records[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), records[:, 1]


def take(X, y, per_class):
    """Return so many images of each class, always the same."""
    order = np.random.default_rng(0).permutation(len(y))
    chosen = np.concatenate([order[y[order] == label][:per_class] for label in np.unique(y)])
    return X[chosen], y[chosen]


def cross_validate(X, y, seeds, pipeline):
    """Return the accuracy of each fold, the evaluation of each seed's out-of-fold answers, and seconds."""
    rows = pipeline[:1].fit_transform(X)
    accuracies, evaluations, seconds = [], [], []
    for seed in seeds:
        proba = np.full((len(y), len(np.unique(y))), np.nan)
        predicted = np.empty_like(y)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(rows, y):
            rest = clone(pipeline[1:])
            if "random_state" in rest[-1].get_params():
                rest[-1].set_params(random_state=seed)
            start = time.perf_counter()
            predicted[test] = rest.fit(rows[train], y[train]).predict(rows[test])
            seconds.append(time.perf_counter() - start)
            accuracies.append(np.mean(predicted[test] == y[test]))
            if isinstance(rest[-1], KerasHeadClassifier):
                proba[test] = rest.predict_proba(rows[test])
        evaluations.append(evaluate_classification(y, proba, np.unique(y), predicted))
    return {"accuracies": np.array(accuracies), "evaluations": evaluations, "seconds": np.median(seconds)}


def describe(step, found, above):
    """Return the row of a table."""
    accuracies = found["accuracies"]
    row = {"side": step, "accuracy": f"{accuracies.mean():.3f}", "gain": ""}
    if above is not None:
        gains = accuracies - above["accuracies"]
        row["gain"] = f"{gains.mean():+.3f} ± {gains.std(ddof=1) / np.sqrt(len(gains)):.3f}"
    scores = [each for each in map(score_probabilities, found["evaluations"]) if each is not None]
    for name in ("log_loss", "calibration_error"):
        row[name] = f"{np.mean([getattr(each, name) for each in scores]):.3f}" if scores else ""
    row["wrong_above_0.99"] = f"{np.mean([each.n_sure_and_wrong for each in scores]):.1f}" if scores else ""
    return row | {"seconds_a_fit": f"{found['seconds']:.1f}", "accuracies": accuracies.tolist()}


if __name__ == "__main__":
    main()
