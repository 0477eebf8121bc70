"""Stamp estimators in files with the version of fishsk, as scikit-learn stamps its own."""

from __future__ import annotations

import warnings
from typing import Any

from fishsk._version import __version__


class StampedMixin:
    """Mixin that warns where one version of fishsk reads what another has written.

    It stands before `sklearn.base.BaseEstimator` among the bases.
    """

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return state | {"_fishsk_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        written, current = state.pop("_fishsk_version", "an unknown version"), __version__
        if written != current:
            warnings.warn(
                f"This {type(self).__name__} was written by fishsk {written}, and is read by {current}: it "
                "may not work, or give other results. Fit it again, or read it with the version that wrote "
                "it.",
                UserWarning,
                stacklevel=2,
            )
        super().__setstate__(state)  # type: ignore[misc]
