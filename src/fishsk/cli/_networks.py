"""The frozen networks that the options of a command ask for, or else the recipe's: made, and named."""

from __future__ import annotations

import argparse
import contextlib
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from fishsk import features
from fishsk._pipeline import make_fish_pipeline
from fishsk._utils.files import expand
from fishsk.cli._arguments import Photos
from fishsk.cli._screen import Screen
from fishsk.inspection import find_transformers

_N_MEASURED = 100  # images whose sides tell those of all
_SMALL_BYTES = 2**17  # which no file of a small image has


def make_pipeline(
    arguments: argparse.Namespace, images: Any, *, backbones: Sequence[str] | None = None, **params: Any
) -> Pipeline:
    """Return the pipeline that options ask for, with the recipe's networks where they name none.

    `arguments` hold what `add_network` or `add_training` added; `backbones` are networks in the place of
    theirs, and other parameters win over them. Small `images` are enlarged for the recipe's networks to the
    size that pays best.
    """
    options = vars(arguments)
    recipe, weights = options.get("recipe", "default"), arguments.weights
    is_old = weights is not None or recipe == "report"
    names = list(backbones or arguments.backbone or (["vgg16"] if is_old else features.BACKBONES))
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
        return {"head__tags": [*photos.tags], "head__threshold": "f1"}
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


def show_networks(screen: Screen, *estimators: Any) -> None:
    """Print which frozen networks estimators hold, the size of their images, and whence their weights."""
    lines = dict.fromkeys(each.describe_network() for part in estimators for each in find_transformers(part))
    screen.fact("Network", f"\n{'':13}".join(lines), networks=[*lines])


def _are_small(images: Any) -> bool:
    """Return whether the longer sides of most of some images are short."""
    sides = []
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        for image in images[:: max(1, len(images) // _N_MEASURED)]:
            with contextlib.suppress(Exception):  # almost anything; who reads the pixels says what is wrong
                if isinstance(image, np.ndarray):
                    sides.append(max(image.shape[:2]))
                elif features.split_box(image)[1] is None and os.path.getsize(expand(image)) > _SMALL_BYTES:
                    sides.append(np.inf)
                else:
                    sides.append(max(features.read_sides(image)))
    return bool(sides) and float(np.median(sides)) <= features.SMALL_SIDE
