"""A service that says what it sees in images: a page for people, JSON for programs.

examples:
  python -m fishsk serve fish.fishsk                     then open http://127.0.0.1:8000/
  python -m fishsk serve fish.fishsk --train photos/     also show what is most like the image in photos/
  python -m fishsk serve fish.fishsk --port 0 --open     any free port, in the browser
  curl --data-binary @photo.jpg http://127.0.0.1:8000/predict       ask from a program
  FISHSK_TOKEN=... python -m fishsk serve fish.fishsk --host 0.0.0.0 --workers 4    for other machines
"""

from __future__ import annotations

import argparse
import functools
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk._utils.reading import read_once
from fishsk.cli._arguments import add_model, add_skip_bad, check_probability, list_files
from fishsk.cli._screen import Screen

if TYPE_CHECKING:
    from starlette.applications import Starlette


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--train",
        metavar="FOLDER",
        help="the images that the model was trained on: show those most like an image, and say if none is "
        "(default: show none)",
    )
    parser.add_argument(
        "--min-probability",
        type=float,
        default=0.0,
        metavar="P",
        help='say "unsure" below it (default: always say the class)',
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; others than this machine's own need a token, in the environment variable "
        "FISHSK_TOKEN",
    )
    parser.add_argument("--port", type=int, default=8000, help="0 is any free one")
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that answer, each with a model and its share of the cores",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise ImportError(
            f"serve needs {' and '.join(missing)}. Run: python -m pip install {' '.join(missing)}"
        )
    if arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1. Got {arguments.workers}.")

    from fishsk.serve import TOKEN, check_token, find_address, open_port, run_server, run_workers

    arguments.token = check_token(os.environ.get(TOKEN), arguments.host)
    listening = open_port(arguments.port, arguments.host)
    url = find_address(listening)

    def tell() -> None:
        screen.fact("Page", f"{url} (Ctrl+C stops it)", url=url)
        screen.show_facts()
        if arguments.open:
            import webbrowser

            webbrowser.open(url)

    with listening:
        if arguments.workers == 1:
            app = _make_app(arguments, screen)
            tell()
            run_server(app, listening)
        else:
            run_workers(functools.partial(_make_app, arguments), listening, arguments.workers, tell=tell)


def _make_app(arguments: argparse.Namespace, screen: Screen | None = None) -> Starlette:
    """Return the web application; without a screen, as in a process of its own, it says nothing."""
    if screen is None:
        screen = Screen()
        screen.console.quiet = True
    train = None if arguments.train is None else list_files([arguments.train])[0]

    from fishsk.cli._networks import find_transformers, read_features
    from fishsk.persistence import load_pipeline
    from fishsk.serve import Answers, make_app

    pipeline = load_pipeline(arguments.model)
    check_probability(arguments.min_probability or None, pipeline)
    if train is not None:
        with read_once():
            train = read_features(screen, pipeline, train, skip_bad=arguments.skip_bad).paths
        screen.fact("Training", f"{len(train):,} images in {arguments.train}", n_train=len(train))
    with screen.stage("get ready"):
        answers = Answers(pipeline, train=train, min_probability=arguments.min_probability)
    for transformer in find_transformers(pipeline):
        transformer.set_params(cache=None)  # nothing is kept of what others send
    title = f"What does {Path(arguments.model).name} see?"
    return make_app(answers, title=title, token=arguments.token)
