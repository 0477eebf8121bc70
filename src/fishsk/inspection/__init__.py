"""What a fitted classifier does, and on what: evaluation, near-duplicates, displays."""

from fishsk.inspection._duplicates import find_near_duplicates
from fishsk.inspection._evaluation import Evaluation, accuracy_interval, evaluate
from fishsk.inspection._explanation import Explanation, explain_images
from fishsk.inspection._explanation_display import ExplanationDisplay
from fishsk.inspection._pixels import lay_over
from fishsk.inspection._prediction_grid import PredictionGridDisplay
from fishsk.inspection._settings import find_fitted, find_pixels, fitted_head, name_classes
from fishsk.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "Evaluation",
    "Explanation",
    "ExplanationDisplay",
    "PredictionGridDisplay",
    "TrainingCurveDisplay",
    "accuracy_interval",
    "evaluate",
    "explain_images",
    "find_fitted",
    "find_near_duplicates",
    "find_pixels",
    "fitted_head",
    "lay_over",
    "name_classes",
]
