"""The report's recipe, fixed one setting at a time: 5-fold accuracy on the fish training images.

Each fix keeps those above it. All sides meet the same folds with the same seeds, so that they are
compared fold by fold. The test images are not read.
"""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from fishsk import make_fish_pipeline

FIXES = {
    "the report's recipe": {},
    "the weights' own preprocessing": {"features__preprocessing": None},
    "three layers, not only the last": {"features__layers": ["block3_pool", "block4_pool", "block5_pool"]},
    "the image and its mirror image": {"features__views": "mirror"},
}
# On top of all fixes, each alone.
FURTHER = {
    "early stopping": {"head__early_stopping": True},
    "standardized features, weight decay": {"scale": StandardScaler(), "head__l2": 1e-3},
    "a tenth of the hidden units": {"head__hidden_units": 50},
}


def main():
    """Fix the recipe step by step, and let cross-validation judge each step."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    X, y, source = load_fish(100 if bench.quick else None, subset="train")
    settings, rows, further = {}, [], []
    with TemporaryDirectory() as folder:
        cross_validate = partial(cross_validate_all, X, y, range(bench.repeats), folder)
        above = None
        for side, fix in FIXES.items():
            settings |= fix
            accuracies = cross_validate(settings)
            rows.append(describe(side, accuracies, above))
            above = accuracies
        for side, change in FURTHER.items():
            further.append(describe(side, cross_validate(settings | change), above))
    about = f"{len(X)} of {source}, cifar95's weights, 5 folds x {bench.repeats} seeds"
    bench.table(f"Each with those above it: {about}", rows)
    bench.table(f"Each alone, after all fixes: {about}", further)
    bench.note(
        '"Gain" is the mean difference, fold by fold, to the row above it (first table) or to the last fix '
        "(second table), with its standard error. Folds share training images, so that the true error is "
        "somewhat larger."
    )
    bench.write()


def cross_validate_all(X, y, seeds, folder, settings):
    """Return the accuracies of the five folds that each seed draws."""
    accuracies = []
    for seed in seeds:
        pipeline = make_fish_pipeline(
            recipe="report", weights="cifar95", random_state=seed, features__cache=folder, **settings
        )
        cv = StratifiedKFold(5, shuffle=True, random_state=seed)
        accuracies.extend(cross_val_score(pipeline, X, y, cv=cv))
    return np.array(accuracies)


def describe(side, accuracies, reference):
    """Return the row of a table; a reference gives it a gain."""
    row = {
        "side": side,
        "accuracy": f"{accuracies.mean():.3f}",
        "gain": "",
        "accuracies": accuracies.tolist(),
    }
    if reference is not None:
        gains = accuracies - reference
        error = gains.std(ddof=1) / np.sqrt(len(gains))
        row["gain"] = f"{gains.mean():+.3f} ± {error:.3f}"
    return row | {"accuracies": accuracies.tolist()}


if __name__ == "__main__":
    main()
