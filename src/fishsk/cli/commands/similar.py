"""Find the images of a folder that are most like one.

examples:
  python -m fishsk similar photo.jpg photos/ --top 12
  python -m fishsk similar photo.jpg photos/ --model fish.fishsk     by the features of that model
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fishsk._utils.files import expand
from fishsk.cli._arguments import add_network, add_skip_bad, list_files
from fishsk.cli._screen import Screen
from fishsk.cli._targets import PICTURES, TABLES, prepare_file, write_or_keep, write_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", help="the image to compare with")
    parser.add_argument("folder", help="where to look, at any depth; a single image will do, too")
    parser.add_argument("--top", type=int, default=12, help="how many images to find")
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
        help="the picture to write, a CSV file of the same name goes beside it; or the CSV file alone",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    if arguments.top < 1:
        raise ValueError(f"--top must be at least 1. Got {arguments.top}.")
    target = prepare_file(arguments.output, (*PICTURES, *TABLES))
    table = prepare_file(target.with_suffix(".csv"), TABLES)
    image = arguments.image
    if not expand(image).is_file():
        raise ValueError(f"The image to compare with must be a file. Got {image!r}.")
    paths, left_out = list_files([arguments.folder])

    from sklearn.dummy import DummyClassifier

    from fishsk.cli._networks import make_pipeline, read_features, show_networks
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
    left_out |= rows.errors
    n_images = len(rows.paths)
    screen.fact("Images", f"{n_images:,} in {arguments.folder}", n_images=n_images, left_out=left_out)
    # The end of a path: the folder, which is the class in a folder of classes, and the file.
    ends = [Path(path).parts[-2:] for path in rows.paths]
    labels = [
        "/".join(part if len(part) <= 16 else f"{part[:7]}…{part[-8:]}" for part in parts) for parts in ends
    ]
    display = SimilarImagesDisplay.from_estimator(
        transformer, image, rows.paths, labels=labels, n_images=arguments.top
    )
    if not len(display.indices):
        raise ValueError(f"{arguments.folder!r} must hold other images than the one to compare with.")
    keys = ("rank", "path", "distance")
    found = [
        (rank, rows.paths[row], round(float(distance), 6))
        for rank, (row, distance) in enumerate(zip(display.indices, display.distances, strict=True), 1)
    ]
    screen.facts |= {"image": image, "similar": [dict(zip(keys, row, strict=True)) for row in found]}
    screen.table(
        [(rank, f"{distance:.3f}", path) for rank, path, distance in found],
        header=("rank", "distance", "image"),
        right=[0, 1],
    )
    if target != table:
        write_or_keep(screen, "Figures", target, lambda path: display.figure_.savefig(path, dpi=150))
        screen.facts["figures"] = [target]
    write_or_keep(screen, "Table", table, lambda path: write_table(path, keys, found))
