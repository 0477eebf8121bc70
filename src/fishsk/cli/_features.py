"""Images run through the frozen networks before the work that commands differ in."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.reading import find_reading
from fishsk.cli._arguments import Photos
from fishsk.cli._screen import Screen
from fishsk.datasets import find_errors
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
    kept = _find_good(paths, errors, skip_bad=skip_bad, may_be_none=may_be_none)
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
    kept = _find_good(photos.paths.tolist(), errors, skip_bad=skip_bad, rows=photos.rows)
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


def _find_good(
    paths: Sequence[str],
    errors: Mapping[str, str],
    *,
    skip_bad: bool,
    rows: np.ndarray | None = None,
    may_be_none: bool = False,
) -> list[int]:
    """Return which images can be read; raise if all are wanted, or if none can be and some must.

    `rows` are those of a table, by which the bad ones are named.
    """
    names = [""] * len(paths) if rows is None else [f"row {row}: " for row in rows]
    bad = [f"{name}{errors[path]}" for name, path in zip(names, paths, strict=True) if path in errors]
    report = "\n".join([f"{len(bad)} of {len(paths)} images cannot be read:", *bad])
    if bad and (not skip_bad or (len(bad) == len(paths) and not may_be_none)):
        raise ValueError(f"{report}\nFix or remove them, or pass --skip-bad to go on without them.")
    if bad:
        warnings.warn(f"{report}\nThey are left out.", stacklevel=3)
    return [index for index, path in enumerate(paths) if path not in errors]
