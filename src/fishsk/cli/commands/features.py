"""Write what frozen networks see in images as a Parquet file.

examples:
  python -m fishsk features photos/ --output features.parquet
  python -m fishsk features photos/ --labels                     the folders are classes: a column label
  python -m fishsk features photos.csv --target species          a table: of paths, boxes and labels
  python -m fishsk features photos/ --backbone EfficientNetV2B0 --workers 2
  python -m fishsk features photos/ --scheduler tcp://10.0.0.1:8786

The columns are path, label (where there is one) and features, a list of the same length in each row. A run
that was cut goes on where it stopped; until it is done, its parts lie in features.parquet.parts.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from typing import TYPE_CHECKING

from fishsk._utils.files import expand
from fishsk.cli._arguments import add_columns, add_network, add_skip_bad, list_files, load_photos
from fishsk.cli._cluster import compute, open_cluster
from fishsk.cli._screen import Screen
from fishsk.cli._targets import FRAMES, prepare_file

if TYPE_CHECKING:
    import numpy as np
    from sklearn.base import BaseEstimator

_N_PART = 512  # images of a part: seconds of work, 22 MB of the recipe's features


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", help="a folder that is searched for images, or a table of them (.csv)")
    parser.add_argument("--output", default="features.parquet", metavar="FILE", help="the file to write")
    labels = parser.add_mutually_exclusive_group()
    labels.add_argument("--labels", action="store_true", help="the folders are classes, one each")
    labels.add_argument(
        "--target",
        action="append",
        metavar="COLUMN",
        help="the column of a table to write as label: numbers, classes or tags",
    )
    add_columns(parser)
    add_network(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes of this machine, by Dask, which share its cores (default: this process, all cores)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster, such as tcp://10.0.0.1:8786, whose workers see the images under the same paths",
    )
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    target = prepare_file(arguments.output, FRAMES)
    labels: list[object] | None = None
    if arguments.labels or arguments.target:
        photos = load_photos(arguments.photos, arguments)
        paths, left_out, labels = photos.paths.tolist(), photos.left_out, photos.y.tolist()
        if photos.task == "tags":
            labels = [[tag for tag, has in zip(photos.names, row, strict=True) if has] for row in photos.y]
    else:
        paths, left_out = list_files([arguments.photos], arguments)

    from sklearn.dummy import DummyClassifier
    from sklearn.utils import gen_batches

    from fishsk._utils.progress import ProgressBar
    from fishsk.cli._networks import make_pipeline, show_networks
    from fishsk.cli._parquet import Parts
    from fishsk.features import describe_parts, find_frozen_parts

    step = make_pipeline(arguments, paths, head=DummyClassifier())["features"]
    show_networks(screen, step)
    described = describe_parts(step)
    parts, chunks = Parts(target), [*gen_batches(len(paths), _N_PART)]
    keys = [_find_key(described, paths[chunk], labels and labels[chunk]) for chunk in chunks]
    known = [parts.read(number, key) for number, key in enumerate(keys)]
    missing = [paths[chunk] for chunk, errors in zip(chunks, known, strict=True) if errors is None]
    n_known = len(paths) - sum(map(len, missing))
    where = f", {n_known:,} of a run before" if n_known else ""
    screen.fact(
        "Images", f"{len(paths):,} in {arguments.photos}{where}", n_images=len(paths), n_known=n_known
    )
    with (
        screen.measured("features"),
        open_cluster(arguments) as client,
        ProgressBar("features", len(paths), unit="images", shown=True) as bar,
    ):
        found = compute(client, extract, missing, step)
        for number, (chunk, errors) in enumerate(zip(chunks, known, strict=True)):
            features = None
            if errors is None:
                features, errors = next(found)
            if errors and not arguments.skip_bad:
                listed = "\n".join(errors.values())
                raise ValueError(
                    f"{len(errors)} images cannot be read:\n{listed}\nFix or remove them, or pass --skip-bad "
                    "to go on without them. What was done is kept: run the same command again."
                )
            if features is not None:
                good = [at for at, path in enumerate(paths[chunk]) if path not in errors]
                columns = {"path": [paths[chunk][at] for at in good]}
                if labels is not None:
                    columns["label"] = [labels[chunk][at] for at in good]
                parts.write(number, columns, features[good], keys[number], errors)
            left_out |= errors
            bar.advance(len(paths[chunk]))
    with screen.stage("join"):
        n_rows = parts.join(len(chunks), {"networks": described})
    n_features = sum(part.n_features_out for part in find_frozen_parts(step).values())
    screen.fact(
        "Features",
        f"{target}: {n_rows:,} rows of {n_features:,}",
        features=target,
        n_rows=n_rows,
        n_features=n_features,
        left_out=left_out,
    )
    screen.show_seconds()


def extract(paths: list[str], step: BaseEstimator) -> tuple[np.ndarray, dict[str, str]]:
    """Return the features of files, in any process, and why some cannot be read, whose rows are 0."""
    import numpy as np

    from fishsk._utils.reading import read_once
    from fishsk.features import find_frozen_parts

    with read_once() as reading, reading.share([*find_frozen_parts(step).values()]):
        return np.asarray(step.transform(paths)), dict(reading.errors)


def _find_key(described: dict[str, dict], paths: list[str], labels: list[object] | None) -> str:
    """Return what tells a part of the same networks, files and labels from others."""
    from fishsk.features import split_box

    digest = hashlib.sha256(repr((described, labels)).encode())
    for path in paths:
        file = expand(split_box(path)[0])
        digest.update(os.fsencode(path))
        if file.exists():
            digest.update(repr((file.stat().st_size, file.stat().st_mtime_ns)).encode())
    return digest.hexdigest()
