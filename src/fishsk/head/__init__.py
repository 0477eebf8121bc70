"""Features to classes or numbers: Keras networks that are estimators of scikit-learn.

Heads predict without Keras. `KerasHeadClassifier` and `KerasHeadRegressor`, as users have them, are classes
of scikeras, too: Keras is imported when they are asked for. A head that is read from a file in a process
without Keras has the class of the same name without scikeras's, and fits, clones and predicts as any.
"""

from __future__ import annotations

import importlib
from typing import Any

from fishsk._utils.versions import check_tensorflow
from fishsk.head._base import KerasHead
from fishsk.head._files import DATA_TYPES, complete, from_data, to_data

__all__ = [
    "DATA_TYPES",
    "KerasHead",
    "KerasHeadClassifier",
    "KerasHeadRegressor",
    "complete",
    "from_data",
    "to_data",
]


def __getattr__(name: str) -> Any:
    """Import the heads as users have them, which need Keras, at their first use."""
    is_head = name in ("KerasHeadClassifier", "KerasHeadRegressor")
    if is_head or name == "_fitting":
        check_tensorflow()
    if not is_head:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("fishsk.head._estimators"), name)
