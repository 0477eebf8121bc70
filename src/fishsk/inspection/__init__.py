"""What a fitted classifier does, and on what: evaluation, near-duplicates, displays."""

from fishsk.inspection._comparison import Comparison, compare_pipelines
from fishsk.inspection._data_issues import DataIssue, DataIssues, find_data_issues
from fishsk.inspection._duplicates import find_near_duplicates
from fishsk.inspection._evaluation import Evaluation, accuracy_interval, evaluate
from fishsk.inspection._label_issues import LabelIssues, find_label_issues, name_images, rank_label_issues
from fishsk.inspection._learning_forecast import LearningForecastDisplay, measure_learning
from fishsk.inspection._prediction_grid import PredictionGridDisplay
from fishsk.inspection._settings import find_fitted, find_pixels, fitted_head, name_classes
from fishsk.inspection._similar_images import SimilarImagesDisplay
from fishsk.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "Comparison",
    "DataIssue",
    "DataIssues",
    "Evaluation",
    "LabelIssues",
    "LearningForecastDisplay",
    "PredictionGridDisplay",
    "SimilarImagesDisplay",
    "TrainingCurveDisplay",
    "accuracy_interval",
    "compare_pipelines",
    "evaluate",
    "find_data_issues",
    "find_fitted",
    "find_label_issues",
    "find_near_duplicates",
    "find_pixels",
    "fitted_head",
    "measure_learning",
    "name_classes",
    "name_images",
    "rank_label_issues",
]
