"""The demo: real fish where they can be had, drawn ones elsewhere, classified and explained."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from fishsk._pipeline import make_fish_pipeline
from fishsk.cli._console import Screen, extract_features, save_figures
from fishsk.datasets import FISH_NAMES, fetch_fish, load_image_folder, make_fish_images
from fishsk.features import resolve_weights
from fishsk.inspection import evaluate
from fishsk.report import write_report
from fishsk.store import cache_info, default_folder

_N_DRAWN = 1500
_PATIENCE = 5.0  # seconds without an answer, after which the demo goes on with drawn fish
_DOWNLOAD_SECONDS = 60.0  # seconds for the whole of CIFAR-100, 161 MB


@dataclass(frozen=True)
class FishData:
    """Training and test images with their class names, and where they come from."""

    source: str
    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    origins: list[str]


def run_demo(
    screen: Screen,
    *,
    data: str | None,
    weights: str | os.PathLike | None,
    recipe: str,
    offline: bool,
    output: Path,
    random_state: int,
    command_line: str,
) -> None:
    """Train, test and explain a fish classifier; write its figures and its report to `output`."""
    with screen.measured("find images"):
        fish = find_fish(data, offline=offline, random_state=random_state)
    n_train, n_test = len(fish.X_train), len(fish.X_test)
    screen.fact("Images", f"{n_train} to train, {n_test} to test: {fish.source}", data=fish.source)
    pipeline = make_fish_pipeline(recipe=recipe, weights=weights, random_state=random_state, verbose=0)
    described = resolve_weights(weights).description
    screen.fact("Weights", described, weights=described)

    known = cache_info(default_folder())["n_rows"]
    extract_features(screen, pipeline, fish.X_train, fish.X_test)
    computed = cache_info(default_folder())["n_rows"] - known
    speed = (n_train + n_test) / screen.seconds["features"]
    screen.fact(
        "Features",
        f"{speed:,.0f} images a second ({computed} of {n_train + n_test} images run through VGG16, "
        "the others were known)",
        images_per_second=speed,
        n_extracted=computed,
    )
    with screen.stage("train"):
        pipeline.fit(fish.X_train, fish.y_train)
    head = pipeline["head"]
    screen.fact("Training", f"{head.n_iter_} epochs, the best one {head.best_epoch_ + 1}")
    with screen.stage("test"):
        evaluation = evaluate(pipeline, fish.X_test, fish.y_test)
    screen.show_evaluation(evaluation, fish.origins)
    with screen.stage("figures"):
        written = save_figures(output, evaluation, fish.X_test, pipeline)
    with screen.stage("report"):
        report = write_report(
            pipeline,
            fish.X_test,
            fish.y_test,
            output / "report.html",
            X_train=fish.X_train,
            y_train=fish.y_train,
            image_names=fish.origins,
            title="Which fish is it?",
            reproduce=command_line,
        )
    screen.show_seconds()
    screen.figures(written)
    screen.fact("Report", f"{report} (open it in a browser)", report=str(report))


def find_fish(data: str | None, *, offline: bool, random_state: int) -> FishData:
    """Return the images that were asked for, else real fish that can be had within seconds, else drawn ones.

    Parameters
    ----------
    data : str or None
        A folder that holds ``cifar-100-binary``, or one folder a class: a quarter is kept for the test.
    offline : bool
        Whether not to try the network.
    random_state : int
        Seeds the drawn fish and the split of a folder.

    Returns
    -------
    FishData
        See there.
    """
    if data is not None and not (Path(data) / "cifar-100-binary").is_dir():
        folder = load_image_folder(data)
        y = np.asarray(folder.target_names)[folder.target]
        return _split(f"the folder {data}", folder.images, y, random_state)
    try:
        return _real_fish(data, offline=offline)
    except OSError as error:
        if data is not None:
            raise
        reason = "--offline was given" if offline else str(error).splitlines()[0]
    X, y = make_fish_images(_N_DRAWN, random_state=random_state)
    source = f"SYNTHETIC fish, drawn by fishsk, for want of real ones ({reason})"
    return _split(source, X, np.asarray(FISH_NAMES)[y], random_state)


def _real_fish(data: str | None, *, offline: bool) -> FishData:
    """Return CIFAR-100's fish; the second request finds what the first has fetched."""
    train, test = (
        fetch_fish(
            subset=subset,
            data_home=data,
            download_if_missing=not offline and data is None,
            timeout=_PATIENCE,
            retries=0,
            max_seconds=_DOWNLOAD_SECONDS,
        )
        for subset in ("train", "test")
    )
    names = np.asarray(train.target_names)
    origins = [f"test image {index}" for index in range(len(test.images))]
    source = f"real fish of CIFAR-100, {train.source}"
    return FishData(source, train.images, names[train.target], test.images, names[test.target], origins)


def _split(source: str, X: Any, y: np.ndarray, random_state: int) -> FishData:
    """Keep a quarter of the images for the test, of every class alike."""
    indices = np.arange(len(X))
    train, test = train_test_split(indices, test_size=0.25, stratify=y, random_state=random_state)
    origins = [str(X[index]) if isinstance(X[index], str) else f"image {index}" for index in test]
    return FishData(source, X[train], y[train], X[test], y[test], origins)
