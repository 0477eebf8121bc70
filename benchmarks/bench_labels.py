"""Wrong labels: what find_label_issues finds where 5 % of the fish training images got another label.

Labels are moved to another class by seeds. Both judges of out-of-fold probabilities, the default head and
SVC, meet the same labels. The test images are not read.
"""

from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from sklearn.svm import SVC

from fishsk import find_label_issues, make_fish_pipeline

SHARE = 0.05
N_FIRST = 100  # how many images somebody would look at


def main():
    """Swap labels, look for them, and count."""
    bench = Benchmark(__file__, __doc__, repeats=3)
    X, y, source = load_fish(300 if bench.quick else None, subset="train")
    n_first = min(N_FIRST, len(X) // 20)
    rows = []
    with TemporaryDirectory() as folder:
        for side, head in {"default head": None, "SVC": SVC(C=3)}.items():
            pipeline = make_fish_pipeline(
                head=head, weights="cifar95", random_state=0, features__cache=folder
            )
            pipeline["features"].transform(X)
            found = [measure(pipeline, X, y, seed, n_first) for seed in range(bench.repeats)]
            rows.append({"side": side} | {name: describe([run[name] for run in found]) for name in found[0]})
    bench.table(
        f"{source}, {round(SHARE * len(X))} of {len(X)} labels swapped, {bench.repeats} seeds, mean (range)",
        rows,
    )
    bench.note(
        f'"Precision" is the share of swapped labels among the first {n_first} images listed, "recall" the '
        'share of the swapped labels that the frame holds at all, "listed" its length. "By chance" is the '
        "precision of images drawn at random. Some of CIFAR-100's own labels are wrong as well, which this "
        "counts as false alarms."
    )
    bench.write()


def measure(pipeline, X, y, seed, n_first):
    """Return what is found of the labels that a seed swaps."""
    noisy, swapped = swap_labels(y, seed)
    issues = find_label_issues(pipeline, X, noisy)
    is_swapped = np.isin(issues.index, swapped)
    return {
        "precision": is_swapped[:n_first].mean(),
        "recall": is_swapped.sum() / len(swapped),
        "listed": len(issues),
        "by_chance": len(swapped) / len(y),
    }


def swap_labels(y, seed):
    """Return labels of which some are those of another class, drawn evenly, and which they are."""
    rng = np.random.default_rng(seed)
    classes = np.unique(y)
    swapped = rng.choice(len(y), round(SHARE * len(y)), replace=False)
    noisy = np.searchsorted(classes, y)
    noisy[swapped] = (noisy[swapped] + rng.integers(1, len(classes), len(swapped))) % len(classes)
    return classes[noisy], swapped


def describe(values):
    """Return the mean and the extremes."""
    places = 0 if np.mean(values) > 2 else 2
    low, mean, high = (f"{value:.{places}f}" for value in (min(values), np.mean(values), max(values)))
    return mean if low == high else f"{mean} ({low} to {high})"


if __name__ == "__main__":
    main()
