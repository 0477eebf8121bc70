"""Features to classes or numbers: Keras networks that are estimators of scikit-learn."""

from fishsk.head._architecture import ACTIVATIONS, LOSSES, Architecture
from fishsk.head._classifier import KerasHeadClassifier
from fishsk.head._configuration import check_configuration
from fishsk.head._own import is_own
from fishsk.head._regressor import KerasHeadRegressor
from fishsk.head._state import restore_architecture

HEADS = (KerasHeadClassifier, KerasHeadRegressor)

__all__ = [
    "ACTIVATIONS",
    "HEADS",
    "LOSSES",
    "Architecture",
    "KerasHeadClassifier",
    "KerasHeadRegressor",
    "check_configuration",
    "is_own",
    "restore_architecture",
]
