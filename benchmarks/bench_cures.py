"""The report's recipe, mended one setting at a time: 5-fold accuracy on the fish training images.

Each side keeps the settings of the sides above it. All meet the same folds with the same seeds, so that a side
is compared with the one above it fold by fold. The test images are not read.
"""

from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from fishsk import make_fish_pipeline

CURES = {
    "the report's recipe": {},
    "the weights' own preprocessing": {"features__preprocessing": None},
    "three layers, not only the last": {"features__layers": ["block3_pool", "block4_pool", "block5_pool"]},
    "the image and its mirror image": {"features__mirror": True},
    "standardized features": {"scale": StandardScaler()},
    "weight decay": {"head__l2": 1e-3},
}


def main():
    """Mend the recipe step by step, and let cross-validation judge each step."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    X, y, source = load_fish(100 if bench.quick else None, subset="train")
    rows, above, settings = [], None, {}
    with TemporaryDirectory() as folder:
        for side, cure in CURES.items():
            settings |= cure
            accuracies = np.concatenate([cross_validate(X, y, seed, folder, settings) for seed in range(bench.repeats)])
            gains = None if above is None else accuracies - above
            rows.append(
                {
                    "side": side,
                    "accuracy": f"{accuracies.mean():.3f}",
                    "gain": "" if gains is None else f"{gains.mean():+.3f} ± {standard_error(gains):.3f}",
                    "accuracies": accuracies.tolist(),
                }
            )
            above = accuracies
    bench.table(f"{len(X)} of {source}, cifar95's weights, 5 folds x {bench.repeats} seeds", rows)
    bench.note(
        '"Gain" is the mean difference to the row above, fold by fold, with its standard error. Folds share '
        "training images, so that the true error is somewhat larger."
    )
    bench.write()


def cross_validate(X, y, seed, folder, settings):
    """Return the accuracies of the five folds that a seed draws."""
    pipeline = make_fish_pipeline(
        recipe="report", weights="cifar95", random_state=seed, features__cache=folder, **settings
    )
    return cross_val_score(pipeline, X, y, cv=StratifiedKFold(5, shuffle=True, random_state=seed))


def standard_error(values):
    """Return the standard error of the values' mean."""
    return values.std(ddof=1) / np.sqrt(len(values))


if __name__ == "__main__":
    main()
