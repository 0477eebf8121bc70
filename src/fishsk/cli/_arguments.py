"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_network(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options of commands that make features without a model; `several` networks are a list."""
    networks = "vgg16, a name of keras.applications such as EfficientNetV2B0, or a .keras file"
    parser.add_argument(
        "--backbone",
        default=["vgg16"] if several else "vgg16",
        nargs="+" if several else None,
        metavar="NAME",
        help=f"the frozen network{'s to try' if several else ''}: {networks} (default: vgg16)",
    )
    parser.add_argument(
        "--weights",
        help="cifar95 (of vgg16), imagenet, none, or a file (default: cifar95 of vgg16, imagenet of others)",
    )


def add_training(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options of commands that train."""
    add_network(parser, several=several)
    parser.add_argument(
        "--recipe",
        choices=["default", "report"],
        default="default",
        help="default is what cross-validation chose for the weights, report the network of the technical "
        "report that fishsk came from (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same bits (default: %(default)s)"
    )


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that a command uses."""
    parser.add_argument("model", help="a file that fit, tune or save_pipeline wrote")


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add the option to go on without files that cannot be read."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")


def parse_network(arguments: argparse.Namespace, backbone: str | None = None) -> dict[str, Any]:
    """Return network and weights as `make_fish_pipeline` takes them; `backbone` is one of several."""
    name = arguments.backbone if backbone is None else backbone
    weights = arguments.weights
    if weights is None:
        weights = "cifar95" if name.lower() == "vgg16" else "imagenet"
    return {"backbone": name, "weights": None if weights.lower() == "none" else weights}


def load_folder(folder: str, *, skip_bad: bool, classes: Any = None) -> tuple[Any, Any]:
    """Return the paths and the labels of the images in a folder of one folder per class.

    Parameters
    ----------
    folder : str
        The folder.
    skip_bad : bool
        Whether to leave out files that cannot be read.
    classes : array-like, default=None
        The labels of a model, which the folders are named after; None takes the names as labels.

    Returns
    -------
    paths : ndarray of str
        One path per image.
    y : ndarray
        One label per image.
    """
    import numpy as np

    from fishsk.datasets import load_image_folder

    data = load_image_folder(folder, on_error="skip" if skip_bad else "raise")
    names = np.asarray(data.target_names)
    if classes is not None and not all(isinstance(label, str) for label in classes):
        labels = {str(label): label for label in classes}
        if unknown := [name for name in data.target_names if name not in labels]:
            raise ValueError(
                f"The folders in {folder!r} must be named after the model's classes, {list(labels)}. "
                f"Got {unknown}."
            )
        names = np.asarray([labels[name] for name in data.target_names])
    return data.images, names[data.target]


def list_images(names: Sequence[str], *, skip_bad: bool) -> list[str]:
    """Return files as they are, and the images of folders in sorted order."""
    from fishsk.datasets import find_errors, find_images, warn_of_links
    from fishsk.features import IMAGE_SUFFIXES

    found: list[str] = []
    links: list[str] = []
    for name in names:
        if not Path(name).is_dir():
            found.append(name)
            continue
        inside = list(find_images(name, links))
        if not inside:
            raise ValueError(f"{name!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). It holds none.")
        found += inside
    warn_of_links(links)
    errors = find_errors(found)
    bad = [error for error in errors if error is not None]
    report = "\n".join([f"{len(bad)} of {len(found)} images cannot be read:", *bad])
    if bad and (not skip_bad or len(bad) == len(found)):
        raise ValueError(f"{report}\nMend or remove them, or pass --skip-bad to go on without them.")
    if bad:
        warnings.warn(f"{report}\nThey are left out.", stacklevel=2)
    return [path for path, error in zip(found, errors, strict=True) if error is None]
