"""Frozen deep image features as a first-class citizen of scikit-learn."""

import importlib
import os
from typing import Any

__version__ = "0.1.0"

# TensorFlow reads it at its import. With oneDNN a row's bits are the same in every batch and for any number
# of threads, with Eigen they are not; TensorFlow itself switches it on only for processors with AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_MODULES = {
    "KerasHeadClassifier": "_head",
    "OptunaSearchCV": "_search",
    "PredictionGridDisplay": "_prediction_grid",
    "TrainingCurveDisplay": "_training_curve",
    "VGG16FeatureTransformer": "_vgg16",
    "default_search_space": "_search",
    "export_keras": "_persistence",
    "load_pipeline": "_persistence",
    "make_fish_pipeline": "_pipeline",
    "save_pipeline": "_persistence",
    "write_report": "_report",
}
__all__ = sorted([*_MODULES, "datasets"])


def __getattr__(name: str) -> Any:
    """Import a public name at its first use, so that ``import fishsk`` loads nothing heavy."""
    if name == "datasets":
        return importlib.import_module("fishsk.datasets")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"fishsk.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
