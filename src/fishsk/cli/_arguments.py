"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_TASKS = ("auto", "classification", "regression")


def add_network(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options of commands that make features without a model; `several` networks are a list."""
    networks = (
        "vgg16, EfficientNetLite0, another name of KerasFeatureTransformer such as EfficientNetV2B0, or a "
        ".keras file"
    )
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
    parser.add_argument(
        "--precision",
        choices=["float32", "int8"],
        default="float32",
        help="what the network computes in; int8 is several times as fast on a processor, and needs "
        'pip install "fishsk[int8]" (default: %(default)s)',
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


def add_photos(parser: argparse.ArgumentParser, *, what: str = "images", with_task: bool = False) -> None:
    """Add where labeled images are: a folder of class folders, or a table and its columns."""
    parser.add_argument("photos", help=f"{what}: one folder per class, or a table (CSV) with --target")
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="the column of a table to learn, numbers or names of classes (default: a folder needs none)",
    )
    parser.add_argument(
        "--paths",
        metavar="COLUMN",
        default="path",
        help="the column of a table that holds the images' paths (default: %(default)s)",
    )
    if with_task:
        parser.add_argument(
            "--task",
            choices=_TASKS,
            default="auto",
            help="what the column is for; auto is regression where it holds numbers alone "
            "(default: %(default)s)",
        )


class Photos(NamedTuple):
    """Images with their labels or numbers, and what these are."""

    paths: Any
    y: Any
    task: str
    words: str

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(set(self.y))


def load_photos(source: str, arguments: argparse.Namespace, *, model: Any = None) -> Photos:
    """Return the images of a folder or a table, with the labels or numbers that a model learns or knows.

    Parameters
    ----------
    source : str
        A folder of one folder per class, or a table.
    arguments : argparse.Namespace
        Holds what `add_photos` and `add_skip_bad` added.
    model : estimator, default=None
        A fitted model; its task and its classes are those of the images.

    Raises
    ------
    OSError
        If there is no such folder or table.
    ValueError
        If the source does not suit the model, or holds images or rows that cannot be used.
    """
    from sklearn.base import is_regressor

    of_numbers = model is not None and is_regressor(model)
    classes = None if model is None or of_numbers else model.classes_
    if arguments.target is None or Path(source).is_dir():
        if arguments.target is not None:
            raise ValueError(f"--target is a column of a table. Got the folder {source!r}: pass a CSV file.")
        if Path(source).is_file():
            raise ValueError(f"{source!r} is a file: pass --target with the column of this table to learn.")
        if of_numbers:
            raise ValueError(
                f"This model predicts numbers: pass a table (CSV) and --target COLUMN. Got {source!r}."
            )
        paths, y = load_folder(source, skip_bad=arguments.skip_bad, classes=classes)
        return Photos(paths, y, "classification", f"{len(paths):,} of {len(set(y))} classes in {source}")
    task = vars(arguments).get("task", "auto")
    if model is not None:
        task = "regression" if of_numbers else "classification"
    return _load_table(source, arguments, task, classes)


def _load_table(source: str, arguments: argparse.Namespace, task: str, classes: Any) -> Photos:
    import numpy as np

    from fishsk.datasets import load_image_table
    from fishsk.inspection import write_number

    data = load_image_table(
        source,
        target=arguments.target,
        path_column=arguments.paths,
        task=task,
        on_error="skip" if arguments.skip_bad else "raise",
    )
    found = f"{len(data.images):,} in {source}"
    if data.task == "regression":
        low, high = write_number(data.target.min()), write_number(data.target.max())
        return Photos(data.images, data.target, data.task, f"{found}, {arguments.target} {low} to {high}")
    y = np.asarray(_as_labels(data.target_names, classes, f"{source!r}, column {arguments.target!r},"))
    return Photos(data.images, y[data.target], data.task, f"{found}, {len(y)} classes")


def parse_network(arguments: argparse.Namespace, backbone: str | None = None) -> dict[str, Any]:
    """Return what `add_network` added as `make_fish_pipeline` takes it; `backbone` is one of several."""
    name = arguments.backbone if backbone is None else backbone
    weights = arguments.weights
    if weights is None:
        weights = "cifar95" if name.lower() == "vgg16" else "imagenet"
    return {
        "backbone": name,
        "weights": None if weights.lower() == "none" else weights,
        "features__precision": arguments.precision,
    }


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
    names = np.asarray(_as_labels(data.target_names, classes, f"The folders in {folder!r}"))
    return data.images, names[data.target]


def _as_labels(names: list[str], classes: Any, what: str) -> list[Any]:
    """Return the labels of a model that names stand for; the names themselves where its labels are text."""
    if classes is None or all(isinstance(label, str) for label in classes):
        return list(names)
    labels = {str(label): label for label in classes}
    if unknown := [name for name in names if name not in labels]:
        raise ValueError(f"{what} must be named after the model's classes, {list(labels)}. Got {unknown}.")
    return [labels[name] for name in names]


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
