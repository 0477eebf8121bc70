"""Images run through the frozen networks before the work that commands differ in."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from fishsk.cli._screen import Screen
from fishsk.features import FrozenFeatures, find_frozen_parts


def find_transformers(estimator: Any) -> list[FrozenFeatures]:
    """Return the transformers of an estimator that take the images as they come, whatever their names are."""
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return find_transformers(steps[0]) if steps else []
    return list(find_frozen_parts(estimator).values())


def extract_features(screen: Screen, estimator: Any, *images: Any) -> int:
    """Run images through the frozen network under a progress bar; what follows finds them in the cache.

    Parameters
    ----------
    screen : Screen
        Measures the stage.
    estimator : estimator
        It may hold any number of transformers; those that keep no cache are left for what follows.
    *images : array-like of images
        One or more sets of images.

    Returns
    -------
    int
        How many images ran through the network; the others were known.
    """
    with screen.measured("features"), FrozenFeatures.count_images() as count:
        for transformer in find_transformers(estimator):
            if transformer.cache is None:
                continue
            verbose = transformer.verbose
            transformer.set_params(verbose=1)
            for X in images:
                transformer.transform(X)
            transformer.set_params(verbose=verbose)
    return count.n_extracted
