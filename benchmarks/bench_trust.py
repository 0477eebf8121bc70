"""When not to trust an answer: what a least probability leaves, what is found of images without fish.

The pipeline is the default recipe with the weights that ship, trained on the training fish. Coverage and
false alarms are measured on the test fish, once; what is found, on test images of CIFAR-100's 95 classes that
are no fish (with FISHSK_DATA), on drawn fish, on scikit-learn's digits, and on noise.
"""

import os
from pathlib import Path

import numpy as np
from _common import Benchmark, load_fish
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from fishsk import find_unfamiliar, make_fish_pipeline
from fishsk.datasets import make_fish_images
from fishsk.inspection import answer_above, evaluate

_FISH = 1  # CIFAR-100's coarse label
_FALSE_ALARMS = 0.05


def main():
    """Measure both on test images."""
    bench = Benchmark(__file__, __doc__, repeats=1)
    X_train, y_train, source = load_fish(300 if bench.quick else None, subset="train")
    X, y, _ = load_fish(100 if bench.quick else None, subset="test")
    pipeline = make_fish_pipeline(weights="cifar95", random_state=0, features__cache=None).fit(
        X_train, y_train
    )
    evaluation = evaluate(pipeline, X, y)
    rows = []
    for probability in (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        answers = answer_above(evaluation, probability)
        low, high = answers.interval
        rows.append(
            {
                "least_probability": probability,
                "images_answered": answers.coverage,
                "accuracy": answers.accuracy,
            }
            | {"lowest": low, "highest": high}
        )
    bench.table(f"Accuracy against coverage, {source}", rows)

    known = find_unfamiliar(pipeline, X, X_train, false_alarms=_FALSE_ALARMS)
    confidence = pipeline.predict_proba(X).max(axis=1)
    least = np.quantile(confidence, known.is_unfamiliar.mean())  # with as many false alarms
    rows = [
        {"images": "test fish (false alarms)", "number": len(X), "flagged": float(known.is_unfamiliar.mean())}
        | {"flagged_by_probability": float((confidence < least).mean())}
    ]
    for name, images in find_strangers(bench.quick).items():
        found = find_unfamiliar(pipeline, images, X_train, false_alarms=_FALSE_ALARMS)
        proba = pipeline.predict_proba(images).max(axis=1)
        is_stranger = np.repeat([0, 1], [len(X), len(images)])
        rows.append(
            {
                "images": name,
                "number": len(images),
                "flagged": float(found.is_unfamiliar.mean()),
                "flagged_by_probability": float((proba < least).mean()),
                "AUC_of_distance": roc_auc_score(is_stranger, np.r_[known.distance, found.distance]),
                "AUC_of_probability": roc_auc_score(is_stranger, -np.r_[confidence, proba]),
            }
        )
    bench.table(f"Images unlike the training fish, at false_alarms={_FALSE_ALARMS}", rows)
    bench.note(
        "Flagged by probability: those whose predicted class is less probable than that of the same share of "
        "the test fish. The weights were trained on training images of the 95 classes, not on these."
    )
    bench.write()


def find_strangers(quick):
    """Return images that are no photographs of fish, by name."""
    n_images = 50 if quick else 500
    strangers = {}
    path = Path(os.environ.get("FISHSK_DATA", ""), "cifar-100-binary", "test.bin")
    if path.is_file():
        records = np.fromfile(path, dtype=np.uint8).reshape(-1, 3074)
        planes = records[records[:, 0] != _FISH, 2:].reshape(-1, 3, 32, 32)
        strangers["95 classes that are no fish"] = np.ascontiguousarray(np.moveaxis(planes, 1, -1))
    strangers["drawn fish"] = make_fish_images(n_images, random_state=0)[0]
    digits = load_digits().images[:n_images] * (255 / 16)
    strangers["handwritten digits"] = np.kron(digits, np.ones((4, 4))).astype(np.uint8)
    noise = np.random.RandomState(0).randint(256, size=(n_images, 32, 32, 3))
    strangers["noise"] = noise.astype(np.uint8)
    return {name: images[:200] if quick else images for name, images in strangers.items()}


if __name__ == "__main__":
    main()
