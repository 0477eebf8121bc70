"""Heat maps on drawn fish whose place is known: how much of their weight lies on the fish, their cost.

The pixels of a fish are those that change when it is left out of the drawing. A row's "gain" is how many
times as dense the weight for the predicted class is on the fish as over the whole image: 1 is what a map
without any knowledge has. "Peak on fish" is the share of maps whose strongest place is on it. "Correlation"
is that of a map with the one for a head with shuffled weights (J. Adebayo et al., "Sanity Checks for Saliency
Maps", 2018): near 1 for a map that follows the image alone.
"""

import copy
from tempfile import mkdtemp
from unittest import mock

import numpy as np
from _common import Benchmark, timed
from scipy.stats import spearmanr
from sklearn.svm import SVC

import fishsk.datasets._synthetic as synthetic
from fishsk import make_fish_pipeline
from fishsk.datasets import make_fish_images
from fishsk.inspection import explain_images


def main():
    """Measure both methods, and a map that is the image itself."""
    bench = Benchmark(__file__, __doc__, repeats=1)
    n_train, n_test = (200, 10) if bench.quick else (2500, 100)
    X_train, y_train = make_fish_images(n_train, random_state=0)
    X, y, places = draw_with_place(n_test, 1)
    cache = {"features__cache": mkdtemp()}
    keras = make_fish_pipeline(weights="cifar95", random_state=0, **cache).fit(X_train, y_train)
    svc = make_fish_pipeline(weights="cifar95", head=SVC(), **cache).fit(X_train, y_train)
    sides = {
        "integrated gradients, Keras head": (keras, "integrated_gradients"),
        "occlusion, Keras head": (keras, "occlusion"),
        "occlusion, SVC": (svc, "occlusion"),
    }
    rows = []
    for name, (pipeline, method) in sides.items():
        pipeline.predict(X)
        found, seconds = timed(explain_images, pipeline, X, method=method)
        correlation = ""
        if pipeline is keras:
            targets = pipeline.predict(X)
            others = explain_images(shuffle_head(pipeline), X, method=method, target=targets)
            pairs = zip(found.maps, others.maps, strict=True)
            correlation = float(np.nanmean([spearmanr(a.ravel(), b.ravel())[0] for a, b in pairs]))
        accuracy = float((pipeline.predict(X) == y).mean())
        rows.append(
            {"map": name, **weigh(found.maps, places), "correlation": correlation}
            | {"seconds_an_image": seconds / len(X), "accuracy": accuracy}
        )
    targets = keras.predict(X)
    steps = []
    for n_steps in (4, 8, 16, 32):
        found, seconds = timed(explain_images, keras, X, target=targets, n_steps=n_steps)
        steps.append({"steps": n_steps, **weigh(found.maps, places), "seconds_an_image": seconds / len(X)})
    plain = [np.abs(image - image.mean(axis=(0, 1))).sum(axis=2) for image in X]
    rows.append({"map": "how far a pixel's color is from the mean, no classifier", **weigh(plain, places)})
    bench.table(f"{n_test} drawn fish, which fill {places.mean():.0%} of their images", rows)
    bench.table("Integrated gradients by the number of steps", steps)
    bench.write()


def draw_with_place(n_samples, random_state):
    """Return drawn fish, their labels, and which of their pixels show the fish."""
    options = {"random_state": random_state}
    X, y = make_fish_images(n_samples, **options)
    add_fish = synthetic._add_fish
    with mock.patch.object(synthetic, "_add_fish", lambda canvas, *rest: add_fish(canvas.copy(), *rest)):
        empty, _ = make_fish_images(n_samples, **options)
    return X, y, np.abs(X.astype(int) - empty).max(axis=3) > 12


def shuffle_head(pipeline):
    """Return a pipeline whose head has the same weights in another order."""
    rng = np.random.default_rng(0)
    shuffled = copy.deepcopy(pipeline)
    network = shuffled[-1]._network
    network.weights = [rng.permutation(array.ravel()).reshape(array.shape) for array in network.weights]
    return shuffled


def weigh(maps, places):
    """Return the gain of the weight on the fish, and the share of maps that are strongest there."""
    positive = [np.maximum(heat, 0) for heat in maps]
    shares = [
        (heat * place).sum() / max(heat.sum(), 1e-9) / place.mean()
        for heat, place in zip(positive, places, strict=True)
    ]
    peaks = [place.flat[heat.argmax()] for heat, place in zip(positive, places, strict=True)]
    return {"gain": float(np.mean(shares)), "peak_on_fish": float(np.mean(peaks))}


if __name__ == "__main__":
    main()
