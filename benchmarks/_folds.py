"""Pipelines judged in folds of the training images: accuracy, log loss, and gains with their errors."""

import time
from pathlib import Path

import numpy as np
from _common import load_fish
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from fishsk.datasets import load_image_folder
from fishsk.inspection import score_probabilities
from fishsk.inspection._classification import evaluate_classification

PHOTOGRAPHS = Path(__file__).parents[2] / "shared" / "clothing"


def load_photographs(folder, n_per_class=None):
    """Return the paths and labels of a folder of class folders, or of so many photographs of each class."""
    data = load_image_folder(folder)
    order = np.random.RandomState(0).permutation(len(data.target))
    chosen = [order[data.target[order] == label][:n_per_class] for label in range(len(data.target_names))]
    return data.images[np.concatenate(chosen)], data.target[np.concatenate(chosen)]


def load_both(quick):
    """Return images and labels of the training fish and, where they lie, of photographs of clothing."""
    X, y, _ = load_fish(100 if quick else None, subset="train")
    found = {"fish": (X, y)}
    if (PHOTOGRAPHS / "train").is_dir():
        found["clothing"] = load_photographs(PHOTOGRAPHS / "train", 10 if quick else None)
    return found


def cross_validate(X, y, seeds, pipeline):
    """Return the accuracy of each fold, the evaluation of each seed's out-of-fold answers, and seconds."""
    return judge_rows(pipeline[:1].fit_transform(X), y, seeds, pipeline[1:])


def judge_rows(rows, y, seeds, rest):
    """Return what `cross_validate` does of rows of features and what learns from them."""
    accuracies, evaluations, seconds = [], [], []
    for seed in seeds:
        proba = np.full((len(y), len(np.unique(y))), np.nan)
        predicted = np.empty_like(y)
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(rows, y):
            fitted = clone(rest)
            seeded = [name for name in fitted.get_params() if name.endswith("random_state")]
            fitted.set_params(**dict.fromkeys(seeded, seed))
            start = time.perf_counter()
            predicted[test] = fitted.fit(rows[train], y[train]).predict(rows[test])
            seconds.append(time.perf_counter() - start)
            accuracies.append(np.mean(predicted[test] == y[test]))
            if has_proba := hasattr(fitted, "predict_proba"):
                proba[test] = fitted.predict_proba(rows[test])
        evaluations.append(evaluate_classification(y, proba if has_proba else None, np.unique(y), predicted))
    scores = [each for each in map(score_probabilities, evaluations) if each is not None]
    return {
        "accuracies": np.array(accuracies),
        "log_loss": np.mean([each.log_loss for each in scores]) if scores else np.nan,
        "calibration_error": np.mean([each.calibration_error for each in scores]) if scores else np.nan,
        "seconds": np.median(seconds),
    }


def describe(found, above=None):
    """Return the columns of a table: scores, and the gain of accuracy, fold by fold, over another."""
    accuracies = found["accuracies"]
    gain = ""
    if above is not None:
        gains = accuracies - above["accuracies"]
        gain = f"{gains.mean():+.3f} ± {gains.std(ddof=1) / np.sqrt(len(gains)):.3f}"
    row = {"accuracy": f"{accuracies.mean():.3f}", "gain": gain}
    for name in ("log_loss", "calibration_error"):
        row[name] = "" if np.isnan(found[name]) else f"{found[name]:.3f}"
    return row | {"seconds_a_fit": f"{found['seconds']:.1f}"}
