"""The frozen networks of a command: made as options ask for, named, and run over images before other work."""

from __future__ import annotations

import argparse
import contextlib
import os
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from fishsk import features
from fishsk._compat.sklearn import safe_indexing
from fishsk._pipeline import make_fish_pipeline
from fishsk._utils.files import expand
from fishsk.cli._arguments import Photos
from fishsk.cli._screen import Screen
from fishsk.datasets import tell_faults
from fishsk.inspection import find_transformers, go_past_bad, run_frozen_steps, split_at_features

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_N_MEASURED = 100  # images whose sides tell those of all
_SMALL_BYTES = 2**17  # which no file of a small image has


def make_pipeline(arguments: argparse.Namespace, images: np.ndarray | list[str], **params: Any) -> Pipeline:
    """Return the pipeline that options ask for, with the recipe's networks where they name none.

    `arguments` hold what `add_network` or `add_training` added; other parameters win over them. Small
    `images` are enlarged for the recipe's networks to the size that pays best.
    """
    options = vars(arguments)
    recipe, weights = options.get("recipe", "default"), arguments.weights
    is_old = weights is not None or recipe == "report"
    names = list(arguments.backbone or (["vgg16"] if is_old else features.BACKBONES))
    if weights is None:
        names = ["vgg16.cifar95" if name.lower() == "vgg16" else name for name in names]
        weights = "imagenet"
    given = {
        "recipe": recipe,
        "random_state": options.get("seed"),
        "backbone": names if len(names) > 1 else names[0],
        "weights": None if weights.lower() == "none" else weights,
        "features__resize": arguments.resize,
    }
    if arguments.precision != "float32":
        given["features__precision"] = arguments.precision
    pipeline = make_fish_pipeline(**given | params)
    unsized = [
        each
        for each in find_transformers(pipeline)
        if each.network_name in features.BACKBONES and each.image_size is None
    ]
    if unsized and _are_small(images):
        for transformer in unsized:
            transformer.set_params(image_size=features.SIZE_FOR_SMALL)
    return pipeline


def of_task(photos: Photos) -> dict[str, Any]:
    """Return the parameters of `make_fish_pipeline` that what is to be learned asks for."""
    if photos.task == "tags":
        return {"head__tags": [*photos.names], "head__threshold": "f1"}
    return {"task": photos.task}


def list_candidates(pipelines: Sequence[Pipeline]) -> list[BaseEstimator]:
    """Return the features to try: of each network the recipe's, and those of its last two sizes of maps."""
    candidates = []
    for pipeline in pipelines:
        step = pipeline["features"]
        candidates.append(step)
        stages = {}
        for name, part in features.find_frozen_parts(step).items():
            if part.layers is None and part.is_keras:  # the recipe names none
                shapes = part.list_layers().items()
                last = {shape[:2]: layer for layer, shape in shapes if len(shape) == 3 and "pad" not in layer}
                if len(last) > 1:
                    stages[f"{name}__layers".removeprefix("__")] = list(last.values())[-2:]
        if stages:
            candidates.append(clone(step).set_params(**stages))
    return candidates


def show_networks(screen: Screen, *estimators: BaseEstimator) -> None:
    """Print which frozen networks estimators hold, the size of their images, and whence their weights."""
    lines = dict.fromkeys(each.describe_network() for part in estimators for each in find_transformers(part))
    screen.fact("Network", f"\n{'':13}".join(lines), networks=[*lines])


def _are_small(images: np.ndarray | list[str]) -> bool:
    """Return whether the longer sides of most of some images are short."""
    sides = []
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        for image in images[:: max(1, len(images) // _N_MEASURED)]:
            with contextlib.suppress(Exception):  # almost anything; who reads the pixels says what is wrong
                if isinstance(image, np.ndarray):
                    sides.append(max(image.shape[:2]))
                elif features.split_box(image)[1] is None and os.path.getsize(expand(image)) > _SMALL_BYTES:
                    sides.append(np.inf)  # and nothing is read, which would be kept until it is decoded
                else:
                    sides.append(max(features.read_sides(image)))
    return bool(sides) and float(np.median(sides)) <= features.SMALL_SIDE


class Rows(NamedTuple):
    """Images that can be read, as far as a pipeline's frozen networks have seen them."""

    paths: list[str]
    errors: dict[str, str]  # why others cannot be read
    features: np.ndarray  # by which images are compared
    rest: BaseEstimator  # the steps that come after the features
    values: object  # what these take


def read_features(
    screen: Screen, estimator: BaseEstimator, paths: list[str], *, skip_bad: bool, may_be_none: bool = False
) -> Rows:
    """Run images through the frozen networks; each file is read once, and none is decoded that is known."""
    with screen.measured("features"), shown_progress(estimator), go_past_bad([estimator], paths) as errors:
        rows, rest, values = split_at_features(estimator, paths)
    on_error, faults = "skip" if skip_bad else "raise", [errors.get(path) for path in paths]
    kept = tell_faults(
        faults, "images cannot be read", on_error, remedy="--skip-bad", may_be_none=may_be_none
    )
    if len(kept) < len(paths):
        rows, values = rows[kept], safe_indexing(values, kept)
    bad = {path: errors[path] for path in paths if path in errors}
    return Rows([paths[index] for index in kept], bad, rows, rest, values)


def run_networks(
    screen: Screen, photos: Photos, *estimators: BaseEstimator, skip_bad: bool
) -> tuple[Photos, list[tuple[BaseEstimator, ArrayLike]]]:
    """Run labeled images through the frozen networks of estimators, in one pass over the files.

    Return those that can be read, and of each estimator what learns, and what that takes: see
    `run_frozen_steps`.
    """
    paths = photos.paths.tolist()
    with screen.measured("features"), shown_progress(*estimators), go_past_bad(estimators, paths) as errors:
        found = [run_frozen_steps(each, photos.paths) for each in estimators]
    faults = [errors.get(path) for path in paths]
    if photos.rows is not None:
        faults = [fault and f"row {row}: {fault}" for row, fault in zip(photos.rows, faults, strict=True)]
    on_error = "skip" if skip_bad else "raise"
    kept = tell_faults(faults, "images cannot be read", on_error, remedy="--skip-bad")
    if len(kept) < len(paths):
        found = [(learner, safe_indexing(rows, kept)) for learner, rows in found]
    return photos.choose(kept, errors), found


@contextlib.contextmanager
def shown_progress(*estimators: BaseEstimator) -> Iterator[None]:
    """Let the frozen networks of estimators show progress bars."""
    before = [(each, each.verbose) for estimator in estimators for each in find_transformers(estimator)]
    try:
        for each, _ in before:
            each.set_params(verbose=1)
        yield
    finally:
        for each, verbose in before:
            each.set_params(verbose=verbose)
