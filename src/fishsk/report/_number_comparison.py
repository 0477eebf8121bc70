"""What the page of two regressors shows: which is nearer to the truth, and on which images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fishsk.inspection import NumberComparison, write_number
from fishsk.report._render import render_page

_SECTIONS = {"nearer": "Nearer to the truth", "farther": "Farther from it"}


def render_number_comparison(
    comparison: NumberComparison,
    names: tuple[str, str],
    show: Callable[[int], dict[str, Any]],
    max_images: int,
    **context: Any,
) -> str:
    """Return the page; `show` puts an image into the album, and returns it with its name."""
    groups = [
        {
            "id": kind,
            "title": title,
            "count": len(rows),
            "shown": [show(row) | _describe(comparison, row) for row in rows[:max_images].tolist()],
        }
        for (kind, title), rows in zip(
            _SECTIONS.items(), (comparison.nearer, comparison.farther), strict=True
        )
    ]
    return render_page(
        "numbers_comparison.html",
        sections=_SECTIONS,
        name_a=names[0],
        name_b=names[1],
        whole=comparison,
        verdict=_judge(comparison),
        groups=groups,
        **context,
    )


def _describe(comparison: NumberComparison, row: int) -> dict[str, Any]:
    """Return the true number of an image, and both answers."""
    return {
        "true": write_number(comparison.y_true[row]),
        "answer_a": write_number(comparison.y_pred_a[row]),
        "answer_b": write_number(comparison.y_pred_b[row]),
    }


def _judge(comparison: NumberComparison) -> str:
    """Return in a word what the interval says."""
    low, high = comparison.interval
    if low <= 0 <= high:
        return "unsure"
    return "better" if high < 0 else "worse"
