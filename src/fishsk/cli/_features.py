"""Images run through the frozen networks before the work that commands differ in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from fishsk._compat.sklearn import safe_indexing
from fishsk.cli._arguments import leave_out
from fishsk.cli._screen import Screen
from fishsk.features import FrozenFeatures, find_frozen_parts, read_once
from fishsk.inspection import split_at_features


def find_transformers(estimator: Any) -> list[FrozenFeatures]:
    """Return the transformers of an estimator that take the images as they come, whatever their names are."""
    if isinstance(estimator, Pipeline):
        steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
        return find_transformers(steps[0]) if steps else []
    return list(find_frozen_parts(estimator).values())


class Rows(NamedTuple):
    """Images that can be read, as far as a pipeline's frozen networks have seen them.

    Attributes
    ----------
    paths : list of str
        Their files.
    errors : dict of str to str
        Why others cannot be read.
    features : ndarray of shape (n_images, n_features)
        By which images are compared.
    rest : estimator
        The steps that come after the features.
    values : array-like
        What `rest` takes.
    """

    paths: list[str]
    errors: dict[str, str]
    features: np.ndarray
    rest: Any
    values: Any


def read_features(screen: Screen, estimator: Any, paths: list[str], *, skip_bad: bool) -> Rows:
    """Run images through the frozen networks; each file is read once, and none is decoded that is known.

    Raises
    ------
    ValueError
        If files cannot be read and `skip_bad` is False, or none can.
    """
    with screen.measured("features"), shown_progress(estimator), read_once() as reading:
        features, rest, values = split_at_features(estimator, paths)
    kept = leave_out(paths, reading.errors, skip_bad=skip_bad)
    if len(kept) < len(paths):
        chosen = [index for index, path in enumerate(paths) if path not in reading.errors]
        features, values = features[chosen], safe_indexing(values, chosen)
    return Rows(kept, reading.errors, features, rest, values)


@contextmanager
def shown_progress(estimator: Any) -> Iterator[None]:
    """Let an estimator's transformers show progress bars."""
    transformers = find_transformers(estimator)
    before = [transformer.verbose for transformer in transformers]
    try:
        for transformer in transformers:
            transformer.set_params(verbose=1)
        yield
    finally:
        for transformer, verbose in zip(transformers, before, strict=True):
            transformer.set_params(verbose=verbose)


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
