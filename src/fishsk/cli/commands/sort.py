"""Copy or link images into a folder for each class.

examples:
  python -m fishsk sort unlabeled/ --model fish.fishsk --output sorted/
  python -m fishsk sort unlabeled/ --output sorted/ --min-probability 0.95     more of them in sorted/unsure
  python -m fishsk sort unlabeled/ --output sorted/ --link                     takes no space

sorted.csv, beside the folder, tells of each image where it went, its class and its probability. The images
themselves are left alone, and nothing is overwritten: of two with one name, the second gets a number. Run
again, it goes on where it was stopped: what stands in the table is done, also where you moved the copy.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import filecmp
import itertools
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from fishsk._utils.files import expand, sweep, write_atomically
from fishsk.cli._arguments import UNSURE, add_skip_bad, add_unlabeled, check_probability, list_files
from fishsk.cli._screen import Screen
from fishsk.cli._targets import prepare_folder, to_csv, write_table

_COLUMNS = ("path", "file", "predicted", "probability")
# Characters that Windows allows in no name, and its names of devices, with any ending.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST = 60  # letters of a folder's name, of at most 4 bytes each: systems allow 255


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_unlabeled(parser)
    parser.add_argument("--output", default="sorted", metavar="DIR", help="the folder to fill")
    parser.add_argument(
        "--min-probability",
        type=float,
        default=0.8,
        metavar="P",
        help='images of a less probable class go to the folder "unsure"',
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--copy", dest="link", action="store_false", default=False, help="copy images (the default)"
    )
    how.add_argument(
        "--link",
        action="store_true",
        help="make hard links: another name for the same file, on the same disk (default: copy)",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    output = prepare_folder(arguments.output)
    table = output.with_name(f"{output.name}.csv")
    for name in arguments.images:
        source = expand(name)
        if source.is_dir() and output.resolve().is_relative_to(source.resolve()):
            raise ValueError(f"--output must not lie in a folder of images to sort. Got {str(output)!r}.")
    paths, left_out = list_files(arguments.images)
    done = _read_table(table)
    todo = [path for path in paths if os.path.abspath(expand(path)) not in done]
    n_before = len(paths) - len(todo)

    from fishsk._utils.progress import ProgressBar
    from fishsk.cli._networks import read_features
    from fishsk.inspection import check_classifier, check_one_target, find_confidence
    from fishsk.persistence import load_pipeline

    pipeline = load_pipeline(arguments.model)
    check_classifier(pipeline)
    check_probability(arguments.min_probability, pipeline)
    folders = _name_folders([*map(str, pipeline.classes_)])
    counts: Counter[str] = Counter()
    if todo:
        new = read_features(screen, pipeline, todo, skip_bad=arguments.skip_bad, may_be_none=bool(done))
        left_out |= new.errors
        todo = new.paths
    if todo:
        predicted = check_one_target(new.rest.predict(new.values), "The prediction")
        probability = find_confidence(predicted, new.rest.predict_proba(new.values), pipeline.classes_)
        taken = {row["file"] for row in done.values()}
        for folder in output.iterdir():
            sweep(folder)
        # A row that was cut when the last run was stopped goes; each new one is written after its file.
        write_table(table, _COLUMNS, [row.values() for row in done.values()])
        with (
            open(table, "a", encoding="utf-8", errors="surrogateescape", newline="") as file,
            ProgressBar("Sort", len(new.paths), unit="images") as bar,
        ):
            for path, label, share in zip(new.paths, map(str, predicted), probability.tolist(), strict=True):
                name = UNSURE if share < arguments.min_probability else folders[label]
                placed = _place(expand(path), output / name, output.parent, taken, link=arguments.link)
                file.write(to_csv([(os.path.abspath(expand(path)), placed, label, share)]))
                file.flush()
                counts[name] += 1
                bar.advance(1)
    screen.fact(
        "Images",
        f"{counts.total():,} sorted" + (f", {n_before:,} were before" if done else ""),
        n_sorted=counts.total(),
        n_before=n_before,
        left_out=left_out,
    )
    screen.fact(
        "Folders", ", ".join(f"{name} {count}" for name, count in counts.most_common()), counts=counts
    )
    screen.fact("Table", str(table), table=table, folder=output)


def _name_folders(labels: Sequence[str]) -> dict[str, str]:
    """Return the folder of each class: its name, less what systems do not allow, none twice."""
    folders, taken = {}, {UNSURE}
    for label in labels:
        name = _FORBIDDEN.sub("_", label).strip().rstrip(".")[:_LONGEST].rstrip(". ")
        if not name or name.startswith(".") or _DEVICES.fullmatch(name):
            name = f"_{name}"
        folders[label] = next(each for each in _number(name) if each.casefold() not in taken)
        taken.add(folders[label].casefold())
    return folders


def _number(name: str) -> Iterator[str]:
    """Yield a file's name, and then the same with numbers before its ending."""
    stem, ending = os.path.splitext(name)
    yield name
    yield from (f"{stem}_{count}{ending}" for count in itertools.count(2))


def _place(source: Path, folder: Path, root: Path, taken: set[str], *, link: bool) -> str:
    """Copy or link a file into a folder, under a name of its own; return that, from `root` on.

    What a run that was stopped has put there, and not yet told, is taken over: it is the same file.
    """
    folder.mkdir(exist_ok=True)
    for name in _number(source.name):
        target = folder / name
        placed = target.relative_to(root).as_posix()
        if placed in taken:
            continue
        with contextlib.suppress(FileExistsError):  # another process was faster
            if link:
                os.link(source, target)
            elif not target.exists():
                with open(source, "rb") as file:
                    write_atomically(target, iter(lambda: file.read(2**20), b""), overwrite=False)
                shutil.copystat(source, target)
        if filecmp.cmp(source, target, shallow=False):
            break
    taken.add(placed)
    return placed


def _read_table(path: Path) -> dict[str, dict[str, str]]:
    """Return the rows of an earlier run by their paths; a last one that was cut is left out."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ValueError(
                f"{str(path)!r} must be a table that sort wrote, with the columns {', '.join(_COLUMNS)}. Got "
                f"{reader.fieldnames}. Move it, or name another --output."
            )
        return {row["path"]: row for row in reader if re.fullmatch(r"[01]\.\d{6}", row["probability"] or "")}
