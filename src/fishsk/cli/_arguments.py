"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fishsk._utils.files import expand

_TASKS = ("auto", "classification", "regression")


def add_network(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options of commands that make features without a model.

    With `several`, each ``--backbone`` takes networks that are tried instead of each other.
    """
    networks = (
        "the frozen network: vgg16, EfficientNetLite0, a name of keras.applications, a .keras or .onnx file; "
        "a name may carry its weights, as vgg16.cifar95; given twice, both stand side by side"
    )
    parser.add_argument(
        "--backbone",
        action="append",
        nargs="+" if several else None,
        metavar="NAME",
        help=f"{networks}{'; several names after one are tried' if several else ''} "
        "(default: EfficientNetLite0 and vgg16.cifar95, side by side)",
    )
    parser.add_argument(
        "--weights",
        help="of networks that carry none: cifar95 (of vgg16, which it then is where no other is named), "
        "imagenet, none, or a file (default: cifar95 of vgg16, imagenet of others)",
    )
    parser.add_argument(
        "--resize",
        choices=["stretch", "crop", "pad"],
        default="stretch",
        help="how an image becomes a square: stretched, its middle, or with a border (default: %(default)s)",
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


@dataclass(frozen=True)
class Photos:
    """Images with their labels or numbers, and what these are.

    Attributes
    ----------
    paths : ndarray of str
        The images.
    y : ndarray
        Their labels or numbers.
    task : {"classification", "regression"}
        Which of them.
    source : str
        The folder or table.
    target : str or None
        The column of the table.
    rows : ndarray of int or None
        The row of each image in the table.
    left_out : dict of str to str
        Each file of a folder, or row of a table, that is none of the images, and why.
    strangers : list of str
        Classes that the model does not know.
    """

    paths: Any
    y: Any
    task: str
    source: str
    target: str | None
    rows: Any
    left_out: dict[str, str]
    strangers: list[str]

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(set(self.y))

    @property
    def unknown(self) -> dict[str, int]:
        """Classes that the model does not know, and how many images each has."""
        counts = Counter(self.y.tolist() if self.strangers else ())
        return {name: counts[name] for name in self.strangers if counts[name]}

    @property
    def facts(self) -> dict[str, Any]:
        """What ``--json`` says of what has no part, or not its full part, in a command's figures."""
        return {"left_out": self.left_out} | ({"unknown_classes": self.unknown} if self.unknown else {})

    def describe(self) -> str:
        """Return how many images there are, of what, and where."""
        if self.task == "regression":
            from fishsk.inspection import format_number

            low, high = format_number(self.y.min()), format_number(self.y.max())
            return f"{len(self.y):,} in {self.source}, {self.target} {low} to {high}"
        if self.target is None:
            return f"{len(self.y):,} of {self.n_classes} classes in {self.source}"
        return f"{len(self.y):,} in {self.source}, {self.n_classes} classes"

    def choose(self, chosen: Sequence[int], errors: Mapping[str, str]) -> Photos:
        """Return some of them; `errors` says what is wrong with the files of the others."""
        names = self.paths if self.rows is None else [f"row {row}" for row in self.rows]
        left_out = {
            str(name): errors[path]
            for name, path in zip(names, self.paths.tolist(), strict=True)
            if path in errors
        }
        return replace(
            self,
            paths=self.paths[chosen],
            y=self.y[chosen],
            rows=None if self.rows is None else self.rows[chosen],
            left_out=self.left_out | left_out,
        )


def load_photos(source: str, arguments: argparse.Namespace, *, model: Any = None) -> Photos:
    """Return the images of a folder or a table, with the labels or numbers that a model learns or knows.

    No file is opened: whoever reads them says which are bad.

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
        If the source does not suit the model, or holds rows that cannot be used.
    """
    from sklearn.base import is_regressor

    from fishsk.datasets import load_image_folder

    of_regression = model is not None and is_regressor(model)
    classes = None if model is None or of_regression else model.classes_
    if arguments.target is None or expand(source).is_dir():
        if arguments.target is not None:
            raise ValueError(f"--target is a column of a table. Got the folder {source!r}: pass a CSV file.")
        if expand(source).is_file():
            raise ValueError(f"{source!r} is a file: pass --target with the column of this table to learn.")
        if of_regression:
            raise ValueError(
                f"This model predicts numbers: pass a table (CSV) and --target COLUMN. Got {source!r}."
            )
        data = load_image_folder(source, check_files=False)
        y, strangers = _as_labels(data, classes, f"The folders in {source!r}")
        return Photos(data.images, y, "classification", source, None, None, data.left_out, strangers)
    task = vars(arguments).get("task", "auto")
    if model is not None:
        task = "regression" if of_regression else "classification"
    return _load_table(source, arguments, task, classes)


def _load_table(source: str, arguments: argparse.Namespace, task: str, classes: Any) -> Photos:
    from fishsk.datasets import load_image_table

    data = load_image_table(
        source,
        target=arguments.target,
        path_column=arguments.paths,
        task=task,
        on_error="skip" if arguments.skip_bad else "raise",
        check_files=False,
    )
    y, strangers = data.target, list[str]()
    if data.task == "classification":
        y, strangers = _as_labels(data, classes, f"{source!r}, column {arguments.target!r},")
    return Photos(data.images, y, data.task, source, arguments.target, data.rows, data.left_out, strangers)


def _as_labels(data: Any, classes: Any, what: str) -> tuple[Any, list[str]]:
    """Return the label of each image, and the classes that a model does not know.

    Parameters
    ----------
    data : Bunch
        What `load_image_folder` or `load_image_table` returned.
    classes : array-like
        The labels of a model; None takes the names of the classes as labels.
    what : str
        What has these names, for errors.
    """
    import numpy as np

    from fishsk.datasets import normalize_name

    found = np.asarray(data.target_names)[data.target].tolist()
    if classes is None:
        return np.asarray(found), []
    labels = {normalize_name(str(label)): label for label in classes}
    unknown = dict(Counter(name for name in found if name not in labels))
    if unknown and not all(isinstance(label, str) for label in classes):
        raise ValueError(
            f"{what} must be named after the model's classes, {list(labels)}. Got {list(unknown)}."
        )
    if unknown:
        listed = "; ".join(
            f"{name!r}, {count:,} images{_ask(name, labels)}" for name, count in unknown.items()
        )
        warnings.warn(
            f"{what} hold classes that the model does not know ({listed}). It knows {list(labels)}. Their "
            "images count as wrong, and have no part in scores of probabilities.",
            stacklevel=3,
        )
    return np.asarray([labels.get(name, name) for name in found]), list(unknown)


def _ask(name: str, labels: Iterable[str]) -> str:
    """Return a question after a class of almost the same name."""
    folded = {label.casefold(): label for label in labels}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.8)
    return f": is it {folded[near[0]]!r}?" if near else ""


def list_files(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return files as they are, the images of folders in sorted order, and what was left out, with why."""
    from fishsk.datasets import find_images, warn_of_left_out
    from fishsk.features import IMAGE_SUFFIXES

    found: list[str] = []
    left_out: dict[str, str] = {}
    for name in names:
        if not expand(name).is_dir():
            found.append(name)
            continue
        inside = list(find_images(expand(name), left_out))
        if not inside:
            raise ValueError(f"{name!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). It holds none.")
        found += inside
    warn_of_left_out(left_out)
    return found, left_out


def find_good(paths: Sequence[str], errors: Mapping[str, str], *, skip_bad: bool) -> list[int]:
    """Return which files can be read; raise if none can, or if all are wanted."""
    bad = [errors[path] for path in paths if path in errors]
    report = "\n".join([f"{len(bad)} of {len(paths)} images cannot be read:", *bad])
    if bad and (not skip_bad or len(bad) == len(paths)):
        raise ValueError(f"{report}\nMend or remove them, or pass --skip-bad to go on without them.")
    if bad:
        warnings.warn(f"{report}\nThey are left out.", stacklevel=3)
    return [index for index, path in enumerate(paths) if path not in errors]
