"""Images run through the frozen networks before the work that commands differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.reading import find_reading
from fishsk.cli._arguments import Photos, find_good
from fishsk.cli._screen import Screen
from fishsk.datasets import find_errors
from fishsk.features import FrozenFeatures
from fishsk.inspection import find_transformers, run_frozen_steps, split_at_features


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


def read_features(
    screen: Screen, estimator: Any, paths: list[str], *, skip_bad: bool, may_be_none: bool = False
) -> Rows:
    """Run images through the frozen networks; each file is read once, and none is decoded that is known.

    Raises
    ------
    ValueError
        If files cannot be read and `skip_bad` is False, or none can and `may_be_none` is False.
    """
    with _shared(screen, [estimator], paths) as errors:
        features, rest, values = split_at_features(estimator, paths)
    kept = find_good(paths, errors, skip_bad=skip_bad, may_be_none=may_be_none)
    bad = {path: errors[path] for path in paths if path in errors}
    if bad:
        features, values = features[kept], safe_indexing(values, kept)
    return Rows([paths[index] for index in kept], bad, features, rest, values)


def run_networks(
    screen: Screen, photos: Photos, *estimators: Any, skip_bad: bool
) -> tuple[Photos, list[tuple[Any, Any]]]:
    """Run labeled images through the frozen networks of estimators, in one pass over the files.

    Returns
    -------
    photos : Photos
        Those that can be read.
    learners : list of (estimator, array-like)
        Of each estimator what learns, and what that takes: see `run_frozen_steps`.

    Raises
    ------
    ValueError
        If files cannot be read and `skip_bad` is False, or none can.
    """
    with _shared(screen, estimators, photos.paths) as errors:
        found = [run_frozen_steps(each, photos.paths) for each in estimators]
    kept = find_good(photos.paths.tolist(), errors, skip_bad=skip_bad, rows=photos.rows)
    if len(kept) < len(photos.paths):
        found = [(learner, safe_indexing(rows, kept)) for learner, rows in found]
    return photos.choose(kept, errors), found


@contextmanager
def _shared(screen: Screen, estimators: Sequence[Any], paths: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Let the frozen networks of estimators go over files together; yield why some cannot be read."""
    transformers = [each for estimator in estimators for each in find_transformers(estimator)]
    reading = find_reading()
    assert reading is not None  # `main` opened it
    if not transformers:  # whatever reads the files stops at the first that is bad
        errors = zip(paths, find_errors(list(paths)), strict=True)
        reading.errors |= {path: error for path, error in errors if error is not None}
    with screen.measured("features"), shown_progress(transformers), reading.share(transformers):
        yield reading.errors


@contextmanager
def shown_progress(transformers: Sequence[FrozenFeatures]) -> Iterator[None]:
    """Let transformers show progress bars."""
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
    transformers = [each for each in find_transformers(estimator) if each.cache is not None]
    with (
        screen.measured("features"),
        shown_progress(transformers),
        FrozenFeatures.count_images() as count,
    ):
        for transformer in transformers:
            for X in images:
                transformer.transform(X)
    return count.n_extracted
