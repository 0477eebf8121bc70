"""Images run through the frozen networks before the work that commands differ in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.reading import find_reading
from fishsk.cli._arguments import Photos
from fishsk.cli._screen import Screen
from fishsk.datasets import find_errors, tell_faults
from fishsk.features import FrozenFeatures
from fishsk.inspection import find_transformers, run_frozen_steps, split_at_features


class Rows(NamedTuple):
    """Images that can be read, as far as a pipeline's frozen networks have seen them."""

    paths: list[str]
    errors: dict[str, str]  # why others cannot be read
    features: np.ndarray  # by which images are compared
    rest: Any  # the steps that come after the features
    values: Any  # what these take


def read_features(
    screen: Screen, estimator: Any, paths: list[str], *, skip_bad: bool, may_be_none: bool = False
) -> Rows:
    """Run images through the frozen networks; each file is read once, and none is decoded that is known."""
    with _shared(screen, [estimator], paths) as errors:
        features, rest, values = split_at_features(estimator, paths)
    on_error, faults = "skip" if skip_bad else "raise", [errors.get(path) for path in paths]
    kept = tell_faults(
        faults, "images cannot be read", on_error, remedy="--skip-bad", may_be_none=may_be_none
    )
    if len(kept) < len(paths):
        features, values = features[kept], safe_indexing(values, kept)
    bad = {path: errors[path] for path in paths if path in errors}
    return Rows([paths[index] for index in kept], bad, features, rest, values)


def run_networks(
    screen: Screen, photos: Photos, *estimators: Any, skip_bad: bool
) -> tuple[Photos, list[tuple[Any, Any]]]:
    """Run labeled images through the frozen networks of estimators, in one pass over the files.

    Return those that can be read, and of each estimator what learns, and what that takes: see
    `run_frozen_steps`.
    """
    with _shared(screen, estimators, photos.paths.tolist()) as errors:
        found = [run_frozen_steps(each, photos.paths) for each in estimators]
    faults = [errors.get(path) for path in photos.paths.tolist()]
    if photos.rows is not None:
        faults = [fault and f"row {row}: {fault}" for row, fault in zip(photos.rows, faults, strict=True)]
    on_error = "skip" if skip_bad else "raise"
    kept = tell_faults(faults, "images cannot be read", on_error, remedy="--skip-bad")
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
        errors = zip(paths, find_errors([*paths]), strict=True)
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
