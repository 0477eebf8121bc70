"""Arguments that several commands have, and what they mean."""

from __future__ import annotations

import argparse
import difflib
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fishsk._utils.files import expand

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import BaseEstimator
    from sklearn.utils import Bunch

UNSURE = "unsure"  # what is written for an answer that is not probable enough


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
        help="how an image becomes a square: stretched, its middle, or with a border",
    )
    parser.add_argument(
        "--precision",
        choices=["float32", "int8"],
        default="float32",
        help="what the network computes in; int8 is several times as fast on a processor, and needs "
        'pip install "fishsk[int8]"',
    )


def add_training(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the options of commands that train."""
    add_network(parser, several=several)
    parser.add_argument(
        "--recipe",
        choices=["default", "report"],
        default="default",
        help="default is what cross-validation chose for the weights, report the network of the technical "
        "report that fishsk came from",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same bits")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model that a command uses."""
    parser.add_argument("model", help="a file that fit, tune or save_pipeline wrote")


def add_unlabeled(parser: argparse.ArgumentParser) -> None:
    """Add unlabeled images, and the model that looks at them, which may be that of the last fit."""
    parser.add_argument("images", nargs="+", help="files, or folders that are searched for images")
    parser.add_argument(
        "--model", default="model.fishsk", metavar="FILE", help="a file that fit, tune or save_pipeline wrote"
    )


def add_skip_bad(parser: argparse.ArgumentParser) -> None:
    """Add the option to go on without files that cannot be read."""
    parser.add_argument("--skip-bad", action="store_true", help="leave out files that cannot be read")


def add_photos(parser: argparse.ArgumentParser, *, what: str = "images", with_task: bool = False) -> None:
    """Add where labeled images are: a folder of class folders, or a table and its columns."""
    parser.add_argument("photos", help=f"{what}: one folder per class, or a table (CSV) with --target")
    add_columns(
        parser,
        target="the column of a table to learn: numbers, names of classes, or tags separated by semicolons; "
        "given several times, columns of 0 and 1, a tag each (default: a folder needs none)",
    )
    add_skip_bad(parser)
    if with_task:
        parser.add_argument(
            "--task",
            choices=["auto", "classification", "regression", "tags"],
            default="auto",
            help="what the column is for; auto is tags where it is named tags, or where there are several, "
            "and regression where it holds numbers alone",
        )


def add_columns(parser: argparse.ArgumentParser, *, target: str | None = None) -> None:
    """Add the names of a table's columns; with its help text, `target` is the one of what images are."""
    if target is not None:
        parser.add_argument("--target", action="append", metavar="COLUMN", help=target)
    parser.add_argument(
        "--paths", metavar="COLUMN", default="path", help="the column of a table that holds the images' paths"
    )
    parser.add_argument(
        "--boxes",
        nargs=4,
        metavar=("X", "Y", "WIDTH", "HEIGHT"),
        default=("x", "y", "width", "height"),
        help="the columns of a table that hold a box in each image, in pixels or fractions "
        "(default: x y width height, where a table has all four)",
    )


@dataclass(frozen=True)
class Photos:
    """Images with their labels, numbers or tags, and what these are."""

    paths: np.ndarray
    y: np.ndarray  # labels, numbers, or a table of 0 and 1 with a column for each tag
    task: str  # classification, regression or tags
    source: str  # a folder or a table
    target: str | None  # the columns of a table
    rows: np.ndarray | None  # of each image in a table
    left_out: dict[str, str]  # each file of a folder, or row of a table, that is none of the images, and why
    unknown: dict[str, int]  # how many images of each class or tag that the model does not know
    names: list[str]  # of the classes or tags
    n_boxes: int

    @property
    def n_classes(self) -> int:
        """How many classes or tags there are."""
        return len(self.names) if self.task == "tags" else len(set(self.y))

    @property
    def facts(self) -> dict[str, object]:
        """What ``--json`` says of what has no part, or not its full part, in a command's figures."""
        return {"left_out": self.left_out} | ({"unknown_classes": self.unknown} if self.unknown else {})

    def describe(self) -> str:
        """Return how many images there are, of what, and where."""
        from fishsk.inspection import format_number

        if self.task == "regression":
            what = f"{self.target} {format_number(self.y.min())} to {format_number(self.y.max())}"
        else:
            what = f"{self.n_classes} {'tags' if self.task == 'tags' else 'classes'}"
        boxes = f", {self.n_boxes:,} boxes" if self.n_boxes else ""
        return f"{len(self.y):,} in {self.source}, {what}{boxes}"

    def choose(self, chosen: Sequence[int], errors: Mapping[str, str]) -> Photos:
        """Return some of them; `errors` says what is wrong with the files of the others."""
        names = self.paths.tolist() if self.rows is None else [f"row {row}" for row in self.rows]
        named = zip(names, self.paths.tolist(), strict=True)
        y, unknown = self.y[chosen], self.unknown
        if unknown and self.task == "classification":
            unknown = {name: n for name, n in Counter(y.tolist()).items() if name in unknown}
        return replace(
            self,
            paths=self.paths[chosen],
            y=y,
            rows=None if self.rows is None else self.rows[chosen],
            left_out=self.left_out | {name: errors[path] for name, path in named if path in errors},
            unknown=unknown,
        )


def load_photos(source: str, arguments: argparse.Namespace, *, model: BaseEstimator | None = None) -> Photos:
    """Return the images of a folder or a table, with the labels or numbers that a model learns or knows.

    No file is opened: whoever reads them says which are bad. `arguments` hold what `add_photos` and
    `add_skip_bad` added; the task and the classes of a fitted `model` are those of the images.
    """
    from sklearn.base import is_regressor

    from fishsk.datasets import load_image_folder
    from fishsk.inspection import name_tags, predicts_tags

    task, known = vars(arguments).get("task", "auto"), None
    if model is not None:
        task = "tags" if predicts_tags(model) else "regression" if is_regressor(model) else "classification"
        if task != "regression":
            known = name_tags(model, len(model.classes_)) if task == "tags" else model.classes_
    if arguments.target is not None and not expand(source).is_dir():
        data = _load_table(source, arguments, arguments.target, task)
        target, what = ", ".join(arguments.target), f"{source!r}, column {', '.join(arguments.target)!r},"
    elif arguments.target is not None:
        raise ValueError(f"--target is a column of a table. Got the folder {source!r}: pass a CSV file.")
    elif expand(source).is_file():
        raise ValueError(f"{source!r} is a file: pass --target with the column of this table to learn.")
    elif model is not None and task != "classification":
        kind = "tags" if task == "tags" else "numbers"
        raise ValueError(
            f"This model predicts {kind}: pass a table (CSV) and --target COLUMN. Got {source!r}."
        )
    else:
        data = load_image_folder(source, check_files=False)
        data.update(task="classification", rows=None, n_boxes=0)
        target, what = None, f"The folders in {source!r}"
    y, unknown, names = data.target, dict[str, int](), data.target_names
    if data.task == "classification":
        y, unknown = _as_labels(data, known, what)
    elif data.task == "tags":
        names = names if known is None else known
        y, unknown = _as_tags(data, names, what)
    return Photos(
        data.images, y, data.task, source, target, data.rows, data.left_out, unknown, names, data.n_boxes
    )


def _load_table(source: str, arguments: argparse.Namespace, target: list[str] | None, task: str) -> Bunch:
    from fishsk.datasets import load_image_table

    return load_image_table(
        source,
        target=target,
        path_column=arguments.paths,
        box_columns=arguments.boxes,
        task=task,
        on_error="skip" if arguments.skip_bad else "raise",
        check_files=False,
    )


def _as_tags(data: Bunch, tags: list[str], what: str) -> tuple[np.ndarray, dict[str, int]]:
    """Return a column for each of the tags, and how many images each of the others has, which are none."""
    import numpy as np

    columns = dict(zip(data.target_names, data.target.T, strict=True))
    unknown = {
        name: int(column.sum()) for name, column in columns.items() if name not in tags and any(column)
    }
    if unknown:
        listed = "; ".join(f"{name!r}, {count:,} images" for name, count in unknown.items())
        warnings.warn(
            f"{what} hold tags that the model does not know ({listed}). It knows {tags}. They have no part "
            "in its scores.",
            stacklevel=3,
        )
    absent = np.zeros(len(data.target), dtype=np.int64)
    return np.column_stack([columns.get(name, absent) for name in tags]), unknown


def _as_labels(data: Bunch, classes: Iterable[object] | None, what: str) -> tuple[np.ndarray, dict[str, int]]:
    """Return the label of each image, and how many has each class that is none of a model's `classes`."""
    import numpy as np

    from fishsk.datasets import normalize_name

    found = np.asarray(data.target_names)[data.target].tolist()
    if classes is None:
        return np.asarray(found), {}
    labels = {normalize_name(str(label)): label for label in classes}
    unknown = dict(Counter(name for name in found if name not in labels))
    if unknown and not all(isinstance(label, str) for label in classes):
        raise ValueError(f"{what} must be named after the model's classes, {[*labels]}. Got {[*unknown]}.")
    if unknown:
        folded, listed = {label.casefold(): label for label in labels}, []
        for name, count in unknown.items():
            near = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.8)
            hint = f": is it {folded[near[0]]!r}?" if near else ""
            listed.append(f"{name!r}, {count:,} images{hint}")
        warnings.warn(
            f"{what} hold classes that the model does not know ({'; '.join(listed)}). It knows {[*labels]}. "
            "Their images count as wrong, and have no part in scores of probabilities.",
            stacklevel=3,
        )
    return np.asarray([labels.get(name, name) for name in found]), unknown


def list_files(
    names: Sequence[str], arguments: argparse.Namespace | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return files as they are, the images of folders in sorted order, and what was left out, with why.

    With `arguments`, which hold what `add_columns` added, a name that ends in ``.csv`` is a table of images.
    """
    from fishsk.datasets import find_images, warn_of_left_out
    from fishsk.features import IMAGE_SUFFIXES

    found: list[str] = []
    left_out: dict[str, str] = {}
    for name in names:
        if arguments is not None and name.lower().endswith(".csv"):
            data = _load_table(name, arguments, None, "auto")
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


def check_probability(least: float | None, model: BaseEstimator) -> None:
    """Check that answers of a model can be withheld below a probability."""
    if least is None:
        return
    if not 0 <= least <= 1:
        raise ValueError(f"--min-probability must be in 0 to 1. Got {least:g}.")

    from fishsk.inspection import predicts_tags

    if predicts_tags(model):
        raise ValueError("--min-probability is of classes: this model predicts tags, each with a threshold.")
    if not hasattr(model, "predict_proba"):
        raise ValueError("--min-probability needs a model that gives probabilities. This one gives none.")
    if UNSURE in map(str, model.classes_):
        raise ValueError(
            f"--min-probability writes {UNSURE!r}, which is a class of this model. Rename that class."
        )
