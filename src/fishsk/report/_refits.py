"""What the report learns by training clones in folds: a learning curve, and labels that are likely wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from fishsk.features import Images
from fishsk.inspection import LearningForecastDisplay, measure_learning, name_images, rank_label_issues
from fishsk.report._album import ImageSet
from fishsk.report._figures import draw_figure

_N_LABELS = 24
_MORE = (1, 3)  # times the present number of images per class


def gather_forecast(estimator: Any, X: Any, y: np.ndarray, cv: Any) -> dict[str, Any]:
    """Return the learning curve as SVG, and what more training images would bring as rows."""
    display = LearningForecastDisplay(**measure_learning(estimator, X, y, cv=cv, random_state=0))
    n_classes = len(np.unique(y))
    rows = []
    for more in (0, *(times * max(1, round(len(y) / n_classes)) for times in _MORE)):
        accuracy, *interval = display.predict(display.n_samples + more * n_classes)
        gain, *gain_interval = display.predict_gain(more * n_classes)
        rows.append(
            {
                "more": more,
                "accuracy": accuracy,
                "interval": interval,
                "gain": gain,
                "gain_interval": gain_interval,
            }
        )
    drawn = draw_figure(lambda: display.plot().figure_)
    return drawn | {"rows": rows, "n_train": len(y), "n_folds": check_cv(cv, y).get_n_splits()}


def gather_labels(
    estimator: Any,
    train: ImageSet,
    cv: Any,
    add_image: Callable[[str, Images, int], dict[str, Any]],
    names: dict[Any, str],
) -> dict[str, Any]:
    """Return the training images whose label is likely wrong, the worst first, with their pictures."""
    X, images, y = train
    found = rank_label_issues(estimator, X, y, cv=cv)
    worst = slice(_N_LABELS)
    given, likely = (
        [names.get(label, str(label)) for label in each[worst].tolist()]
        for each in (found.given, found.likely)
    )
    shown = [
        {
            "image": add_image("train", images, row),
            "name": name,
            "given": given[place],
            "likely": likely[place],
            "score": f"{found.score[place]:.3f}",
        }
        for place, (row, name) in enumerate(
            zip(found.rows[worst].tolist(), name_images(X, found.rows[worst]), strict=True)
        )
    ]
    return {
        "shown": shown,
        "count": len(found.rows),
        "n_train": len(y),
        "n_folds": check_cv(cv, y).get_n_splits(),
    }
