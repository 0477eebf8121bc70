"""What to label next: how many labels `suggest_labels` saves, on fish and on clothing.

Training images play both parts: a fifth is held out to judge, and the labels of the others are revealed as
they are asked for, 50 at first, at random, then 50 after each fit. The recipe's features are computed once;
logistic regression learns from them. No validation or test images are read.
"""

from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark
from _folds import load_both
from bench_recipe import make_recipe
from scipy.stats import t
from sklearn.decomposition import PCA
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, normalize

from fishsk.features import find_frozen_parts
from fishsk.inspection._suggestions import choose_rows
from fishsk.inspection._unfamiliar import find_nearest

N_STEP, N_LABELS = 50, 500
N_COMPONENTS = 500  # that hold nearly all of the features' variance, so that fits are quick
N_RANDOM = 10  # draws of random labels that say what they reach
FIRST_SEED = 100  # others than those by which the method was chosen


def main():
    """Reveal labels by suggestion, by margin alone, by distance alone and at random."""
    bench = Benchmark(__file__, __doc__, repeats=5)
    with TemporaryDirectory() as folder:
        for name, (X, y) in load_both(bench.quick).items():
            step = make_recipe(folder, name)["features"]
            rows = step.transform(X)
            ends = np.cumsum([part.n_features_out for part in find_frozen_parts(step).values()])[:-1]
            unit = normalize(np.hstack([normalize(block) for block in np.split(rows, ends, axis=1)]))
            scaled = StandardScaler().fit_transform(rows)
            few = PCA(min(N_COMPONENTS, *rows.shape), random_state=0).fit_transform(scaled)
            most = 80 if bench.quick else N_LABELS
            try_sides(bench, name, unit, few, y, N_STEP // (5 if bench.quick else 1), most)
            if not bench.quick:
                try_sides(bench, name, unit, few, y, 4 * N_STEP, len(y))
    bench.note(
        "Labels needed: those with which the accuracy is reached that as many random labels as the title "
        "says give on the same held-out images, the mean of 10 draws; between rounds along a curve that "
        "never falls. Intervals are Student's, over the seeds. Margin alone: the least certain images. "
        "Distance alone: the greedy choice of centers."
    )
    bench.write()


def try_sides(bench, name, unit, rows, y, n_step, n_labels):
    """Print how many labels each side needs for what so many random ones reach."""
    found = {side: [] for side in ("suggest_labels", "margin alone", "distance alone", "random")}
    targets = []
    for seed in range(FIRST_SEED, FIRST_SEED + bench.repeats):
        pool, test = train_test_split(np.arange(len(y)), test_size=0.2, stratify=y, random_state=seed)
        n_most = min(n_labels, len(pool))
        rng = np.random.default_rng(seed)
        draws = [
            rng.choice(pool, n_most, replace=False) for _ in range(N_RANDOM if n_most < len(pool) else 1)
        ]
        targets.append(np.mean([judge(rows, y, draw, test)[0] for draw in draws]))
        for side, curves in found.items():
            curves.append(reveal(side, unit, rows, y, pool, test, n_step, n_most, seed))
    table = []
    for side, curves in found.items():
        needed = [count_labels(*curve, target) for curve, target in zip(curves, targets, strict=True)]
        table.append(
            {"side": side}
            | {
                "labels_needed": describe(needed),
                "fewer": describe([1 - n / n_most for n in needed], percent=True),
            }
            | {"accuracy_with_half": describe([np.interp(n_most / 2, *curve) for curve in curves])}
            | {"accuracy_at_the_end": describe([curve[1][-1] for curve in curves])}
        )
    title = f"{len(y)} {name}: labels for the accuracy of {n_most} random ones, {np.mean(targets):.3f}"
    bench.table(f"{title}; {bench.repeats} seeds", table)


def reveal(side, unit, rows, y, pool, test, n_step, n_most, seed):
    """Return the numbers of labels after each round, and the accuracy on the held-out images."""
    rng = np.random.default_rng(seed)
    known = rng.choice(pool, n_step, replace=False)
    counts, accuracies = [], []
    while True:
        accuracy, model = judge(rows, y, known, test)
        counts.append(len(known))
        accuracies.append(accuracy)
        left = np.setdiff1d(pool, known)
        n_more = min(n_step, n_most - len(known))
        if n_more <= 0:
            return counts, accuracies
        proba = np.sort(model.predict_proba(rows[left]), axis=1)
        unsure = 1 - proba[:, -1] + proba[:, -2]
        if side == "random":
            chosen = rng.choice(len(left), n_more, replace=False)
        elif side == "margin alone":
            chosen = np.argsort(-unsure, kind="stable")[:n_more]
        else:
            weights = unsure if side == "suggest_labels" else np.ones(len(left))
            distance = find_nearest(unit[left], unit[known], 1)[0][:, 0]
            chosen, _ = choose_rows(unit[left], weights, n_more, distance)
        known = np.r_[known, left[chosen]]


def judge(rows, y, known, test):
    """Return the accuracy on held-out images, and the model that has learned the known ones."""
    model = LogisticRegression(C=0.003, max_iter=2000).fit(rows[known], y[known])
    return float(model.score(rows[test], y[test])), model


def count_labels(counts, accuracies, target):
    """Return how many labels reach an accuracy; the last number if none does."""
    smooth = IsotonicRegression().fit_transform(counts, accuracies)
    if smooth[-1] < target:
        return counts[-1]
    after = int(np.argmax(smooth >= target))
    if after == 0:
        return counts[0]
    return float(np.interp(target, smooth[after - 1 : after + 1], counts[after - 1 : after + 1]))


def describe(values, *, percent=False):
    """Return a mean with its 95 % interval."""
    mean = np.mean(values)
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    low, high = mean - half, mean + half
    if percent:
        return f"{100 * mean:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
    digits = 0 if mean > 1 else 3
    return f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
