"""Learning curves fitted on halves of the fish training images, and the accuracy measured on all of them.

Each half is drawn by a seed. Its power law predicts the accuracy that cross-validation then measures on all
images. Three classifiers are judged; the test images are not read.
"""

from tempfile import TemporaryDirectory

import numpy as np
from _common import Benchmark, load_fish
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.svm import SVC

from fishsk import LearningForecastDisplay, make_fish_pipeline
from fishsk.inspection import measure_learning

N_FOLDS = 5
HEADS = {
    "SVC": SVC(C=3),
    "logistic regression": LogisticRegression(C=3e-4, max_iter=500),
    "default head": None,
}


def main():
    """Predict the accuracy on all images from halves, and measure it."""
    bench = Benchmark(__file__, __doc__, repeats=10)
    X, y, source = load_fish(300 if bench.quick else None, subset="train")
    rows = []
    with TemporaryDirectory() as folder:
        for side, head in HEADS.items():
            pipeline = make_fish_pipeline(
                head=head, weights="cifar95", random_state=0, features__cache=folder
            )
            features = pipeline["features"].transform(X)
            measured = cross_val_score(pipeline[1:], features, y, cv=N_FOLDS).mean()
            n_trained = round(len(y) * (1 - 1 / N_FOLDS))
            found = [
                predict_from_half(pipeline[1:], features, y, n_trained, seed) for seed in range(bench.repeats)
            ]
            rows.append({"side": side, "measured_on_all": f"{measured:.3f}"} | summarize(found, measured))
    bench.table(
        f"{bench.repeats} halves of {len(X)} images, {source}: accuracy with {n_trained} training images",
        rows,
    )
    bench.note(
        '"Predicted" is the mean over the halves, with the lowest and the highest; "interval" the mean 95 % '
        'interval; "inside" how many of the intervals hold what was measured. "On the half" is what '
        "cross-validation measures on the halves themselves."
    )
    bench.write()


def predict_from_half(learner, features, y, n_trained, seed):
    """Return what a half says of itself, and of all: accuracy, low and high."""
    half, _ = train_test_split(np.arange(len(y)), train_size=0.5, stratify=y, random_state=seed)
    found = measure_learning(learner, features[half], y[half], cv=N_FOLDS, random_state=seed)
    return found["test_scores"][-1].mean(), *LearningForecastDisplay(**found).predict(n_trained)


def summarize(found, measured):
    """Return how predictions of halves stand to what was measured on all."""
    own, accuracy, low, high = np.transpose(found)
    inside = np.sum((low <= measured) & (measured <= high))
    return {
        "on_the_half": f"{own.mean():.3f}",
        "predicted": f"{accuracy.mean():.3f} ({accuracy.min():.3f} to {accuracy.max():.3f})",
        "interval": f"{low.mean():.3f} to {high.mean():.3f}",
        "inside": f"{inside} of {len(found)}",
    }


if __name__ == "__main__":
    main()
