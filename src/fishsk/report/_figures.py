"""Pictures of a page: images and figures as data URIs, the pipeline's diagram as HTML."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image
from sklearn.utils import estimator_html_repr

from fishsk._utils.axes import PALETTE_ON_DARK, PALETTE_ON_LIGHT
from fishsk.features import Images
from fishsk.inspection import LabelScores, TrainingCurveDisplay, fitted_head, make_thumbnail

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from sklearn.base import BaseEstimator

Show: TypeAlias = Callable[[int], dict[str, Any]]  # what is shown of a test image, by its place
_LONGEST_SIDE = 128  # pixels of an image in the file
_LOSSLESS_SIDE = 64  # pixels, up to which lossless WebP takes no more than 2 KB
_QUALITY = 75  # of larger ones, which then take 3 KB
_N_SAMPLES = 8  # of each class or tag
_DARK_GROUND = "#11171d"  # as in report.css
_ON_LIGHT = {"#ffffff": "#000000", _DARK_GROUND: "#ffffff"} | dict(  # of each color on the dark ground
    zip(map(str.lower, PALETTE_ON_DARK), map(str.lower, PALETTE_ON_LIGHT), strict=True)
)


def encode_image(image: np.ndarray, longest_side: int = _LONGEST_SIDE) -> dict[str, object]:
    """Return an image, made smaller if it is large, as a data URI with its width and height."""
    pixels = make_thumbnail(image, longest_side)
    height, width = pixels.shape[:2]
    is_small = max(height, width) <= _LOSSLESS_SIDE
    file = io.BytesIO()
    # Lossless, method 0 takes a tenth of the time of OpenCV's, and 5 % more bytes.
    Image.fromarray(pixels).save(
        file, "WEBP", lossless=is_small, quality=_QUALITY, method=0 if is_small else 4
    )
    return {
        "uri": f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}",
        "width": width,
        "height": height,
    }


class Album:
    """Images of a page, each kept once however often it is shown.

    Attributes
    ----------
    images : dict of str to dict
        Each image's data URI, width and height, by its id in the page.
    """

    def __init__(self, longest_side: int = _LONGEST_SIDE) -> None:
        self.images: dict[str, dict[str, object]] = {}
        self._longest_side = longest_side

    def add(self, kind: str, images: Images | Mapping[int, np.ndarray], index: int) -> dict[str, object]:
        """Return the id of an image in the page, with its data URI, width and height."""
        key = f"{kind}-{index}"
        if key not in self.images:
            self.images[key] = encode_image(images[index], self._longest_side)
        return {"id": key} | self.images[key]


def draw_training(estimator: BaseEstimator) -> dict[str, object] | None:
    """Return the training curves as SVG, or None if the estimator keeps no history."""
    try:
        head = fitted_head(estimator)
    except TypeError:
        return None
    if not isinstance(head.history_, dict) or "loss" not in head.history_:  # that of another library
        return None
    figures = draw_figure(lambda: TrainingCurveDisplay.from_estimator(head).figure_)
    best, overfit = (getattr(head, name, None) for name in ("best_epoch_", "overfit_epoch_"))
    return figures | {
        "best": None if best is None else best + 1,
        "overfit": None if overfit is None else overfit + 1,
        "n_epochs": len(head.history_["loss"]),
        "is_validated": "val_loss" in head.history_,
    }


def draw_diagram(estimator: BaseEstimator) -> Markup:
    """Return scikit-learn's diagram of an estimator as HTML without scripts and the buttons they serve.

    scikit-learn escapes what users put into it, so that these tags are its own.
    """
    from markupsafe import Markup

    text = re.sub(r"<(script|button)\b.*?</\1>", "", estimator_html_repr(estimator), flags=re.DOTALL)
    return Markup(text)


def draw_figure(make_figure: Callable[[], Figure]) -> dict[str, object]:
    """Return a figure as SVG in two data URIs, on a light and on a dark ground; it is drawn once.

    On the dark ground, because matplotlib leaves out black, SVG's own color, which could not be replaced.
    """
    import matplotlib.pyplot as plt

    # The same figure is the same file, and its text needs no font of the reader's.
    settings = {
        "figure.facecolor": _DARK_GROUND,
        "axes.facecolor": _DARK_GROUND,
        "svg.hashsalt": "fishsk",
        "svg.fonttype": "path",
    }
    with plt.style.context(["default", "dark_background", settings]):
        figure = make_figure()
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        plt.close(figure)
    dark = file.getvalue()
    light = re.sub(r"#[0-9a-f]{6}\b", lambda found: _ON_LIGHT.get(found[0], found[0]), dark)
    return {
        ground: f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
        for ground, svg in (("light", light), ("dark", dark))
    }


def gather_scores(
    scores: Sequence[LabelScores], names: Sequence[str], has: np.ndarray, had: np.ndarray | None, show: Show
) -> list[dict[str, object]]:
    """Return the scores and a sample of images of each class or tag, None where a score is not a number.

    `has` and `had` are masks of the test and the training images that have each, (n_labels, n_images).
    """
    rows = []
    for at, (score, members) in enumerate(zip(scores, map(np.flatnonzero, has), strict=True)):
        chosen = members[np.linspace(0, len(members) - 1, min(_N_SAMPLES, len(members))).astype(int)]
        samples = [show(index) for index in chosen]
        row = {name: know(value) for name, value in vars(score).items()} | {"name": names[at]}
        rows.append(row | {"n_train": None if had is None else int(np.sum(had[at])), "samples": samples})
    return rows


def know(value: object) -> object:
    """Return a value, or None where it is not a number."""
    return None if isinstance(value, float) and np.isnan(value) else value
