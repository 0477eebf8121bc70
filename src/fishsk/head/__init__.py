"""Features to classes: a small Keras network that is a classifier of scikit-learn."""

from fishsk.head._architecture import Architecture
from fishsk.head._classifier import KerasHeadClassifier

__all__ = ["Architecture", "KerasHeadClassifier"]
