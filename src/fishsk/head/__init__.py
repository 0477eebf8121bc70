"""Features to classes or numbers: small Keras networks that are estimators of scikit-learn."""

from fishsk.head._architecture import ACTIVATIONS, LOSSES, Architecture
from fishsk.head._classifier import KerasHeadClassifier
from fishsk.head._regressor import KerasHeadRegressor
from fishsk.head._state import restore_architecture

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "Architecture",
    "KerasHeadClassifier",
    "KerasHeadRegressor",
    "restore_architecture",
]
