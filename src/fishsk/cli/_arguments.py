"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fishsk._utils.files import expand

UNSURE = "unsure"  # what is written for an answer that is not probable enough
_TASKS = ("auto", "classification", "regression", "tags")
_BOX = ("x", "y", "width", "height")


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


def add_unlabeled(parser: argparse.ArgumentParser) -> None:
    """Add unlabeled images, and the model that looks at them, which may be that of the last fit."""
    parser.add_argument("images", nargs="+", help="files, or folders that are searched for images")
    parser.add_argument(
        "--model",
        default="model.fishsk",
        metavar="FILE",
        help="a file that fit, tune or save_pipeline wrote (default: %(default)s)",
    )


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add the option to go on without files that cannot be read."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")


def add_photos(parser: argparse.ArgumentParser, *, what: str = "images", with_task: bool = False) -> None:
    """Add where labeled images are: a folder of class folders, or a table and its columns."""
    parser.add_argument("photos", help=f"{what}: one folder per class, or a table (CSV) with --target")
    parser.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="the column of a table to learn: numbers, names of classes, or tags separated by semicolons; "
        "given several times, columns of 0 and 1, a tag each (default: a folder needs none)",
    )
    add_columns(parser)
    if with_task:
        parser.add_argument(
            "--task",
            choices=_TASKS,
            default="auto",
            help="what the column is for; auto is tags where it is named tags, or where there are several, "
            "and regression where it holds numbers alone (default: %(default)s)",
        )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the names of the columns of a table that say where images are."""
    parser.add_argument(
        "--paths",
        metavar="COLUMN",
        default="path",
        help="the column of a table that holds the images' paths (default: %(default)s)",
    )
    parser.add_argument(
        "--boxes",
        nargs=4,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        default=_BOX,
        help="the columns of a table that hold a box in each image, in pixels or fractions "
        "(default: x y width height, where a table has all four)",
    )


@dataclass(frozen=True)
class Photos:
    """Images with their labels, numbers or tags, and what these are.

    Attributes
    ----------
    paths : ndarray of str
        The images.
    y : ndarray
        Their labels or numbers, or a table of 0 and 1, a column for each tag.
    task : {"classification", "regression", "tags"}
        Which of them.
    source : str
        The folder or table.
    target : str or None
        The columns of the table.
    rows : ndarray of int or None
        The row of each image in the table.
    left_out : dict of str to str
        Each file of a folder, or row of a table, that is none of the images, and why.
    strangers : dict of str to int
        Classes or tags that the model does not know, and how many images each has.
    tags : list of str
        The names of the tags.
    n_boxes : int
        How many of the images are boxes.
    """

    paths: Any
    y: Any
    task: str
    source: str
    target: str | None
    rows: Any
    left_out: dict[str, str]
    strangers: dict[str, int]
    tags: list[str] = field(default_factory=list)
    n_boxes: int = 0

    @property
    def n_classes(self) -> int:
        """How many classes or tags there are."""
        return len(self.tags) or len(set(self.y))

    @property
    def unknown(self) -> dict[str, int]:
        """Classes or tags that the model does not know, and how many images each has."""
        if self.tags:
            return self.strangers
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
        n_boxes = f", {self.n_boxes:,} boxes" if self.n_boxes else ""
        kind = "tags" if self.tags else "classes"
        return f"{len(self.y):,} in {self.source}, {self.n_classes} {kind}{n_boxes}"

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
    from fishsk.inspection import name_tags, predicts_tags

    of_regression = model is not None and is_regressor(model)
    of_tags = model is not None and predicts_tags(model)
    classes = None if model is None or of_regression else model.classes_
    if of_tags:
        classes = name_tags(model, len(model.classes_))
    if arguments.target is None or expand(source).is_dir():
        if arguments.target is not None:
            raise ValueError(f"--target is a column of a table. Got the folder {source!r}: pass a CSV file.")
        if expand(source).is_file():
            raise ValueError(f"{source!r} is a file: pass --target with the column of this table to learn.")
        if of_regression or of_tags:
            kind = "tags" if of_tags else "numbers"
            raise ValueError(
                f"This model predicts {kind}: pass a table (CSV) and --target COLUMN. Got {source!r}."
            )
        data = load_image_folder(source, check_files=False)
        y, strangers = _as_labels(data, classes, f"The folders in {source!r}")
        return Photos(data.images, y, "classification", source, None, None, data.left_out, strangers)
    task = vars(arguments).get("task", "auto")
    if model is not None:
        task = "tags" if of_tags else "regression" if of_regression else "classification"
    return _load_table(source, arguments, task, classes)


def _load_table(source: str, arguments: argparse.Namespace, task: str, classes: Any) -> Photos:
    from fishsk.datasets import load_image_table

    data = load_image_table(
        source,
        target=arguments.target if len(arguments.target) > 1 else arguments.target[0],
        path_column=arguments.paths,
        box_columns=arguments.boxes,
        task=task,
        on_error="skip" if arguments.skip_bad else "raise",
        check_files=False,
    )
    y, strangers, tags = data.target, dict[str, int](), list[str]()
    target = ", ".join(arguments.target)
    if data.task == "classification":
        y, strangers = _as_labels(data, classes, f"{source!r}, column {target!r},")
    elif data.task == "tags":
        tags = data.target_names if classes is None else classes
        y, strangers = _as_tags(data, tags, f"{source!r}, column {target!r},")
    return Photos(
        data.images, y, data.task, source, target, data.rows, data.left_out, strangers, tags, data.n_boxes
    )


def _as_tags(data: Any, tags: list[str], what: str) -> tuple[Any, dict[str, int]]:
    """Return a column for each of the tags, and how many images each of the others has, which are none."""
    import numpy as np

    columns = dict(zip(data.target_names, data.target.T, strict=True))
    unknown = {name: int(column.sum()) for name, column in columns.items() if name not in tags}
    if unknown := {name: count for name, count in unknown.items() if count}:
        warnings.warn(
            f"{what} hold tags that the model does not know "
            f"({'; '.join(f'{name!r}, {count:,} images' for name, count in unknown.items())}). It knows "
            f"{tags}. They have no part in its scores.",
            stacklevel=3,
        )
    absent = np.zeros(len(data.target), dtype=np.int64)
    return np.column_stack([columns.get(name, absent) for name in tags]), unknown


def _as_labels(data: Any, classes: Any, what: str) -> tuple[Any, dict[str, int]]:
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
        return np.asarray(found), {}
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
    return np.asarray([labels.get(name, name) for name in found]), unknown


def _ask(name: str, labels: Iterable[str]) -> str:
    """Return a question after a class of almost the same name."""
    folded = {label.casefold(): label for label in labels}
    near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.8)
    return f": is it {folded[near[0]]!r}?" if near else ""


def list_files(
    names: Sequence[str], arguments: argparse.Namespace | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return files as they are, the images of folders in sorted order, and what was left out, with why.

    With `arguments`, which hold what `add_columns` added, a name that ends in ``.csv`` is a table of images.
    """
    from fishsk.datasets import find_images, load_image_table, warn_of_left_out
    from fishsk.features import IMAGE_SUFFIXES

    found: list[str] = []
    left_out: dict[str, str] = {}
    for name in names:
        if arguments is not None and name.lower().endswith(".csv"):
            data = load_image_table(
                name,
                target=None,
                path_column=arguments.paths,
                box_columns=arguments.boxes,
                on_error="skip" if arguments.skip_bad else "raise",
                check_files=False,
            )
            found += data.images.tolist()
            left_out |= data.left_out
        elif not expand(name).is_dir():
            found.append(name)
        else:
            inside = list(find_images(expand(name), left_out))
            if not inside:
                raise ValueError(f"{name!r} must hold images ({', '.join(IMAGE_SUFFIXES)}). It holds none.")
            found += inside
    warn_of_left_out(left_out)
    return found, left_out


def find_good(
    paths: Sequence[str],
    errors: Mapping[str, str],
    *,
    skip_bad: bool,
    rows: Any = None,
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


def check_probability(least: float | None, classes: Any) -> None:
    """Check that answers can be withheld below a probability."""
    if least is None:
        return
    if not 0 <= least <= 1:
        raise ValueError(f"--min-probability must be in 0 to 1. Got {least:g}.")
    if classes is None:
        raise ValueError("--min-probability needs a model that gives probabilities. This one gives none.")
    if UNSURE in map(str, classes):
        raise ValueError(
            f"--min-probability writes {UNSURE!r}, which is a class of this model. Rename that class."
        )
