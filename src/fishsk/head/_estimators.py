"""The heads as users have them: each is a class of scikeras, too, whose import loads Keras."""

from __future__ import annotations

from fishsk.head import _classifier, _regressor
from fishsk.head._scikeras import KerasClassifier, KerasRegressor, WithoutWrapper


class KerasHeadClassifier(_classifier.KerasHeadClassifier, KerasClassifier, metaclass=WithoutWrapper):
    __doc__ = _classifier.KerasHeadClassifier.__doc__


class KerasHeadRegressor(_regressor.KerasHeadRegressor, KerasRegressor, metaclass=WithoutWrapper):
    __doc__ = _regressor.KerasHeadRegressor.__doc__
