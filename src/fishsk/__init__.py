"""Frozen deep image features as a first-class citizen of scikit-learn."""

from __future__ import annotations

import importlib
import os
from typing import Any

from fishsk._version import __version__ as __version__

# TensorFlow reads it at its import. With oneDNN a row's bits are the same in every batch and for any number
# of threads, with Eigen they are not; TensorFlow itself switches it on only for processors with AVX-512.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_MODULES = {
    "AccuracyCoverageDisplay": "inspection",
    "ExplanationDisplay": "inspection",
    "FeatureMapDisplay": "inspection",
    "KerasFeatureTransformer": "features",
    "KerasHeadClassifier": "head",
    "KerasHeadRegressor": "head",
    "LearningForecastDisplay": "inspection",
    "OnnxFeatureTransformer": "features",
    "OptunaSearchCV": "search",
    "PredictionGridDisplay": "inspection",
    "SimilarImagesDisplay": "inspection",
    "TrainingCurveDisplay": "inspection",
    "VGG16FeatureTransformer": "features",
    "compare_images": "inspection",
    "compare_pipelines": "inspection",
    "default_search_space": "search",
    "export_model": "persistence",
    "find_unfamiliar": "inspection",
    "find_data_issues": "inspection",
    "find_label_issues": "inspection",
    "load_pipeline": "persistence",
    "make_fish_pipeline": "_pipeline",
    "save_pipeline": "persistence",
    "suggest_labels": "inspection",
    "write_comparison": "report",
    "write_data_issues": "report",
    "write_drift": "report",
    "write_model_card": "report",
    "write_report": "report",
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
