"""``serve``: a page on this machine that says what it sees in images dropped on it."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk.cli._arguments import add_model, add_skip_bad, list_files

if TYPE_CHECKING:
    from fishsk.cli._screen import Screen

SUMMARY = "a page on this machine that says what it sees in images dropped on it"
EXAMPLES = """\
examples:
  python -m fishsk serve fish.fishsk                     then open http://127.0.0.1:8000/
  python -m fishsk serve fish.fishsk --train photos/     also show what is most like the image in photos/
  python -m fishsk serve fish.fishsk --port 0 --open     any free port, in the browser
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
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
        "--port", type=int, default=8000, help="port on 127.0.0.1; 0 is any free one (default: %(default)s)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    add_skip_bad(parser)


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Serve the page until the process is interrupted."""
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise ImportError(
            f"serve needs {' and '.join(missing)}. Run: python -m pip install {' '.join(missing)}"
        )
    if not 0 <= arguments.min_probability <= 1:
        raise ValueError(f"--min-probability must be in 0 to 1. Got {arguments.min_probability:g}.")
    train = None if arguments.train is None else list_files([arguments.train])[0]

    from fishsk.cli._features import read_features
    from fishsk.persistence import load_pipeline
    from fishsk.serve import Answers, make_app, open_port, run_server

    pipeline = load_pipeline(arguments.model)
    if arguments.min_probability and not hasattr(pipeline, "predict_proba"):
        raise ValueError("--min-probability needs a model that gives probabilities. This one gives none.")
    if train is not None:
        train = read_features(screen, pipeline, train, skip_bad=arguments.skip_bad).paths
        screen.fact("Training", f"{len(train):,} images in {arguments.train}", n_train=len(train))
    listening = open_port(arguments.port)
    with screen.stage("get ready"):
        answers = Answers(pipeline, train=train, min_probability=arguments.min_probability)
    app = make_app(answers, title=f"What does {Path(arguments.model).name} see?")
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    screen.fact("Page", f"{url} (Ctrl+C stops it)", url=url)
    if arguments.open:
        import webbrowser

        webbrowser.open(url)
    run_server(app, listening)
