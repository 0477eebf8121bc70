"""Inspection of fitted estimators and of data sets: scores, explanations, faults, displays.

It returns arrays and frames and draws figures; pages and files are the work of ``report``.
"""

from fishsk.inspection._classification import (
    ClassificationEvaluation,
    LabelScores,
    accuracy_interval,
    check_one_target,
    find_confidence,
    score_probabilities,
)
from fishsk.inspection._comparison import (
    ClassificationComparison,
    PairedDifference,
    RegressionComparison,
    compare_pipelines,
)
from fishsk.inspection._coverage import AccuracyCoverageDisplay, Answers, answer_above, gather_coverage
from fishsk.inspection._data_issues import DataIssue, DataIssues, find_data_issues
from fishsk.inspection._drift import ImageDrift, compare_images, measure_drift
from fishsk.inspection._duplicates import NearDuplicates, find_near_duplicates
from fishsk.inspection._estimators import (
    check_classifier,
    find_features,
    find_fitted,
    find_pixels,
    find_setting,
    find_transformers,
    fitted_head,
    go_past_bad,
    name_classes,
    run_frozen_steps,
    split_at_features,
)
from fishsk.inspection._evaluation import Evaluation, evaluate
from fishsk.inspection._explanation import Explainer, Explanation, explain_images
from fishsk.inspection._explanation_display import ExplanationDisplay
from fishsk.inspection._feature_map import FeatureMapDisplay, lay_out, style_of_class
from fishsk.inspection._gradients import find_target_scale
from fishsk.inspection._label_issues import find_label_issues, rank_label_issues
from fishsk.inspection._learning_forecast import LearningForecastDisplay, measure_learning
from fishsk.inspection._pixels import lay_over, make_thumbnail
from fishsk.inspection._prediction_grid import PredictionGridDisplay
from fishsk.inspection._regression import (
    N_POINTS,
    RegressionEvaluation,
    draw_prediction_errors,
    format_number,
    score_regression,
)
from fishsk.inspection._similar_images import SimilarImagesDisplay
from fishsk.inspection._suggestions import LabelSuggestions, rank_suggestions, suggest_labels
from fishsk.inspection._tags import (
    TagsEvaluation,
    draw_tags,
    is_of_tags,
    join_tags,
    name_tags,
    predict_tag_proba,
    predicts_tags,
)
from fishsk.inspection._training_curve import TrainingCurveDisplay
from fishsk.inspection._unfamiliar import FamiliarRows, UnfamiliarImages, find_unfamiliar
