"""Drift: false alarms of `compare_images` on random halves, and what it finds of changed images.

Training images play all parts. Of each repetition, 300 reference images and the new ones are drawn at random,
and no image is both; then the new ones are made brighter, blurred, or replaced in part by images of a class
that the reference lacks. The features are the recipe's. No validation or test images are read.
"""

from tempfile import TemporaryDirectory

import cv2
import numpy as np
from _common import Benchmark
from _folds import load_both
from bench_recipe import make_recipe
from sklearn.preprocessing import normalize

from fishsk.features import check_images, find_frozen_parts
from fishsk.inspection import accuracy_interval
from fishsk.inspection._drift import run_tests

LEVEL, N_REFERENCE, N_PERMUTATIONS = 0.05, 300, 199
SIZES = (50, 200)  # new images
N_CHANGED = 400  # images that are also seen changed
CHANGES = {
    "5 % brighter": lambda image: _scale(image, 1.05),
    "20 % brighter": lambda image: _scale(image, 1.2),
    "blurred a little (sigma 0.4 % of the width)": lambda image: _blur(image, 0.004),
    "blurred (sigma 1.5 % of the width)": lambda image: _blur(image, 0.015),
}
SHARES = (0.1, 0.3)  # of the new images that are of another class


def main():
    """Count how often drift is found where there is none, and where there is."""
    bench = Benchmark(__file__, __doc__, repeats=400)
    with TemporaryDirectory() as folder:
        for name, (X, y) in load_both(bench.quick).items():
            step = make_recipe(folder, name)["features"]
            rows = find_rows(step, X)
            changed = np.random.default_rng(0).permutation(len(X))[: 40 if bench.quick else N_CHANGED]
            images = check_images(X)
            others = {
                change: find_rows(step, [alter(images[row]) for row in changed.tolist()])
                for change, alter in CHANGES.items()
            }
            sizes = (20,) if bench.quick else SIZES
            bench.table(
                f"{name}: called drift at {LEVEL:.0%}, of {bench.repeats} draws, of changed ones an eighth",
                list_rows(bench, rows, y, changed, others, sizes),
            )
    bench.note(
        f"Each draw compares {N_REFERENCE} reference images with the new ones, by {N_PERMUTATIONS} "
        "permutations. In brackets: 95 % interval (Wilson's). Classifier and kernel: the shares that either "
        "test alone finds."
    )
    bench.write()


def list_rows(bench, rows, y, changed, others, sizes):
    """Return the rows of the table."""
    n_power = max(2, bench.repeats // 8)
    table = []
    for n_new in sizes:
        table.append(count("none (false alarms)", n_new, bench.repeats, lambda rng, n: draw(rng, rows, n)))
        for change, altered in others.items():
            table.append(
                count(change, n_new, n_power, lambda rng, n, a=altered: draw(rng, rows, n, changed, a))
            )
        for share in SHARES:
            words = f"{share:.0%} of a class that the reference lacks"
            table.append(count(words, n_new, n_power, lambda rng, n, s=share: draw_class(rng, rows, y, n, s)))
    return table


def count(change, n_new, n_draws, draw_sides):
    """Return how often drift is found."""
    found = []
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        found.append(run_tests(*draw_sides(rng, n_new), n_permutations=N_PERMUTATIONS, rng=rng))
    alarms = {key: np.array([each[key] <= LEVEL for each in found]) for key in found[0] if "p_value" in key}
    low, high = accuracy_interval(alarms["p_value"])
    return {
        "change": change,
        "new_images": n_new,
        "found": f"{alarms['p_value'].mean():.1%} ({low:.1%} to {high:.1%})",
        "classifier": f"{alarms['classifier_p_value'].mean():.1%}",
        "kernel": f"{alarms['kernel_p_value'].mean():.1%}",
        "AUC": float(np.mean([each["classifier_auc"] for each in found])),
    }


def draw(rng, rows, n_new, changed=None, altered=None):
    """Return reference rows and new ones, which are others, or changed others."""
    n_reference = min(N_REFERENCE, len(rows) - n_new)
    if changed is None:
        order = rng.permutation(len(rows))
        return rows[order[:n_reference]], rows[order[n_reference : n_reference + n_new]]
    places = rng.permutation(len(changed))[:n_new]
    rest = rng.permutation(np.setdiff1d(np.arange(len(rows)), changed[places]))
    return rows[rest[:n_reference]], altered[places]


def draw_class(rng, rows, y, n_new, share):
    """Return reference rows without one class, and new ones of which a share is of that class."""
    label = rng.choice(np.unique(y))
    strange, usual = (rng.permutation(np.flatnonzero(mask)) for mask in (y == label, y != label))
    n_strange = min(round(share * n_new), len(strange))
    n_usual = n_new - n_strange
    return rows[usual[n_usual:][:N_REFERENCE]], rows[np.r_[strange[:n_strange], usual[:n_usual]]]


def find_rows(step, X):
    """Return features as `compare_images` compares them."""
    rows = step.transform(X)
    ends = np.cumsum([part.n_features_out for part in find_frozen_parts(step).values()])[:-1]
    return normalize(np.hstack([normalize(block) for block in np.split(rows, ends, axis=1)]))


def _scale(image, factor):
    return np.clip(np.rint(image * factor), 0, 255).astype(np.uint8)


def _blur(image, share):
    return cv2.GaussianBlur(image, (0, 0), share * image.shape[1])


if __name__ == "__main__":
    main()
