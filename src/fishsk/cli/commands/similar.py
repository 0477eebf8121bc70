"""``similar``: find the images of a folder that are most like one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk._utils.files import expand
from fishsk.cli._arguments import add_network, add_skip_bad, list_files

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "find the images of a folder that are most like one"
EXAMPLES = """\
examples:
  python -m fishsk similar photo.jpg photos/ --top 12
  python -m fishsk similar photo.jpg photos/ --model fish.fishsk     by the features of that model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("image", help="the image to compare with")
    parser.add_argument("folder", help="where to look, at any depth; a single image will do, too")
    parser.add_argument("--top", type=int, default=12, help="how many images to find (default: %(default)s)")
    add_network(parser)
    parser.add_argument(
        "--model",
        metavar="FILE",
        help="a saved model, whose features are used (default: those of the weights)",
    )
    parser.add_argument(
        "--output",
        default="similar.png",
        metavar="FILE",
        help="the picture to write, a CSV file of the same name goes beside it; or the CSV file alone "
        "(default: %(default)s)",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Find the images most like one, print them, and write them as a picture and as CSV."""
    from fishsk.cli._targets import PICTURES, TABLES, prepare_file, write_or_keep, write_table

    if arguments.top < 1:
        raise ValueError(f"--top must be at least 1. Got {arguments.top}.")
    target = prepare_file(arguments.output, (*PICTURES, *TABLES))
    table = prepare_file(target.with_suffix(".csv"), TABLES)
    image = arguments.image
    if not expand(image).is_file():
        raise ValueError(f"The image to compare with must be a file. Got {image!r}.")
    paths, left_out = list_files([arguments.folder])

    from sklearn.dummy import DummyClassifier

    from fishsk.cli._features import read_features
    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.inspection import SimilarImagesDisplay
    from fishsk.persistence import load_pipeline

    if arguments.model is None:
        pipeline = make_pipeline(arguments, paths, head=DummyClassifier())  # unlike the default, no Keras
        transformer = pipeline["features"]
    else:
        pipeline = transformer = load_pipeline(arguments.model)
    show_networks(screen, transformer)
    read_features(screen, pipeline, [image], skip_bad=False)
    rows = read_features(screen, pipeline, paths, skip_bad=arguments.skip_bad)
    paths, left_out = rows.paths, left_out | rows.errors
    screen.fact("Images", f"{len(paths):,} in {arguments.folder}", n_images=len(paths), left_out=left_out)
    display = SimilarImagesDisplay.from_estimator(
        transformer, image, paths, labels=[_name(path) for path in paths], n_images=arguments.top
    )
    if not len(display.indices):
        raise ValueError(f"{arguments.folder!r} must hold other images than the one to compare with.")
    found = [
        {"rank": rank, "path": paths[row], "distance": round(float(distance), 6)}
        for rank, (row, distance) in enumerate(zip(display.indices, display.distances, strict=True), 1)
    ]
    screen.facts |= {"image": image, "similar": found}
    screen.table(
        [(row["rank"], f"{row['distance']:.3f}", row["path"]) for row in found],
        header=("rank", "distance", "image"),
        right=[0, 1],
    )
    if target != table:
        write_or_keep(target, lambda path: display.figure_.savefig(path, dpi=150))
        screen.figures([target])
    write_or_keep(table, lambda path: write_table(path, found))
    screen.fact("Table", str(table), table=table)


def _name(path: str) -> str:
    """Return the end of a path: the folder, which is the class in a folder of classes, and the file."""
    return "/".join(part if len(part) <= 16 else f"{part[:7]}…{part[-8:]}" for part in Path(path).parts[-2:])
