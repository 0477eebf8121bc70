"""Features to classes or numbers: Keras networks that are estimators of scikit-learn.

Heads predict without Keras. `KerasHeadClassifier` and `KerasHeadRegressor`, as users have them, are classes
of scikeras, too: Keras is imported when they are asked for. A head that is read from a file in a process
without Keras has the class of the same name without scikeras's, and fits, clones and predicts as any.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from fishsk._utils.versions import check_tensorflow
from fishsk.head import _classifier, _regressor
from fishsk.head._base import KerasHead
from fishsk.head._dense import ACTIVATIONS, OUTPUTS, Architecture, DenseNetwork
from fishsk.head._keywords import find_builder
from fishsk.head._state import check_configuration, restore_architecture

__all__ = [
    "ACTIVATIONS",
    "OUTPUTS",
    "Architecture",
    "DenseNetwork",
    "KerasHead",
    "KerasHeadClassifier",
    "KerasHeadRegressor",
    "check_configuration",
    "find_builder",
    "find_heads",
    "restore_architecture",
]


def find_heads() -> dict[str, type[KerasHead]]:
    """Return the classes of heads by their names: those of scikeras, where this process has imported it."""
    if "scikeras.wrappers" in sys.modules:
        return {name: __getattr__(name) for name in ("KerasHeadClassifier", "KerasHeadRegressor")}
    return {each.__name__: each for each in (_classifier.KerasHeadClassifier, _regressor.KerasHeadRegressor)}


def __getattr__(name: str) -> Any:
    """Import the heads as users have them, which need Keras, at their first use."""
    is_head = name in ("KerasHeadClassifier", "KerasHeadRegressor")
    if is_head or name == "_fitting":
        check_tensorflow()
    if not is_head:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("fishsk.head._estimators"), name)
