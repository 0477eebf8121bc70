"""Pictures of the report: images and figures as data URIs, the pipeline's diagram as HTML."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from sklearn.utils import estimator_html_repr

from fishsk._utils.axes import palette
from fishsk.features import resize_image
from fishsk.inspection import Evaluation, TrainingCurveDisplay, fitted_head, score_probabilities

_LONGEST_SIDE = 128  # pixels of an image in the file
_LOSSLESS_SIDE = 64  # pixels, up to which lossless WebP takes no more than 2 KB
_QUALITY = 75  # of larger ones, which then take 3 KB
_LOSSLESS = 101  # OpenCV's word for it
_N_BINS = 10
_PER_BIN = 20  # images, or else fewer bins
_GROUNDS = {"light": ("default", "#ffffff"), "dark": ("dark_background", "#11171d")}  # as in report.css


def encode_image(image: np.ndarray, longest_side: int = _LONGEST_SIDE) -> dict[str, Any]:
    """Return an image, made smaller if it is large, as a data URI with its width and height."""
    height, width = image.shape[:2]
    scale = min(1, longest_side / max(height, width))
    height, width = max(1, round(scale * height)), max(1, round(scale * width))
    pixels = np.clip(np.rint(resize_image(image, (height, width))), 0, 255).astype(np.uint8)
    quality = _LOSSLESS if max(height, width) <= _LOSSLESS_SIDE else _QUALITY
    content = cv2.imencode(".webp", pixels[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes()
    return {
        "uri": f"data:image/webp;base64,{base64.b64encode(content).decode()}",
        "width": width,
        "height": height,
    }


def draw_training(estimator: Any) -> dict[str, Any] | None:
    """Return the training curves as SVG, or None if the estimator keeps no history."""
    try:
        head = fitted_head(estimator)
    except TypeError:
        return None
    if not isinstance(head.history_, dict) or "loss" not in head.history_:  # that of another library
        return None
    figures = draw_figure(lambda: TrainingCurveDisplay.from_estimator(head).figure_)
    epochs = {"best": getattr(head, "best_epoch_", None), "overfit": getattr(head, "overfit_epoch_", None)}
    counted = {name: None if epoch is None else epoch + 1 for name, epoch in epochs.items()}
    return figures | counted | {"n_epochs": len(head.history_["loss"])}


def draw_calibration(evaluation: Evaluation) -> dict[str, Any] | None:
    """Return scikit-learn's calibration display of the predicted classes, or None without probabilities."""
    from sklearn.calibration import CalibrationDisplay, calibration_curve

    confidence = evaluation.confidence
    if np.isnan(confidence).any():
        return None
    right = evaluation.y_true == evaluation.y_pred
    n_bins = max(1, min(_N_BINS, len(right) // _PER_BIN))
    shares, means = calibration_curve(right, confidence, pos_label=True, n_bins=n_bins, strategy="quantile")

    def draw() -> Any:
        import matplotlib.pyplot as plt

        axes = plt.figure(figsize=(5.4, 4.8), layout="constrained").add_subplot()
        # scikit-learn draws the diagonal in black, on a dark ground as well.
        axes.plot([0, 1], [0, 1], ":", color=plt.rcParams["text.color"], label="Perfectly calibrated")
        display = CalibrationDisplay(shares, means, confidence, estimator_name="Predicted class")
        display.plot(ax=axes, ref_line=False, color=palette(axes)[0])
        axes.set(xlabel="Probability of the predicted class", ylabel="Share that is right")
        return axes.figure

    bins = [{"mean": float(mean), "share": float(share)} for mean, share in zip(means, shares, strict=True)]
    facts = {"bins": bins, "mean": float(confidence.mean()), "verdict": _judge(evaluation)}
    return draw_figure(draw) | facts | {"scores": score_probabilities(evaluation)}


def _judge(evaluation: Evaluation) -> str:
    """Return in words how the mean probability stands to the interval of the accuracy."""
    mean = evaluation.confidence.mean()
    low, high = evaluation.interval
    if low <= mean <= high:
        return "well calibrated on average"
    return "overconfident" if mean > high else "underconfident"


def draw_diagram(estimator: Any) -> str:
    """Return scikit-learn's diagram of an estimator as HTML without scripts and the buttons they serve.

    scikit-learn escapes what users put into it, so that these tags are its own.
    """
    return re.sub(r"<(script|button)\b.*?</\1>", "", estimator_html_repr(estimator), flags=re.DOTALL)


def draw_figure(make_figure: Callable[[], Any]) -> dict[str, Any]:
    """Return a figure as SVG in two data URIs, on a light and on a dark ground."""
    import matplotlib.pyplot as plt

    uris = {}
    for ground, (style, color) in _GROUNDS.items():
        # The same figure is the same file, and its text needs no font of the reader's.
        settings = {
            "figure.facecolor": color,
            "axes.facecolor": color,
            "svg.hashsalt": "fishsk",
            "svg.fonttype": "path",
        }
        with plt.style.context(["default", style, settings]):
            figure = make_figure()
            file = io.BytesIO()
            figure.savefig(file, format="svg", metadata={"Date": None})
            plt.close(figure)
        uris[ground] = f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"
    return uris
