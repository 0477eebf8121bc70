"""The heads as users have them, whose import loads Keras: what they are to scikeras 0.13, its last release.

Inherited: being a `scikeras.wrappers.KerasClassifier` or a `KerasRegressor`, for programs that ask
``isinstance``. Nothing else but how parameters are routed (`_scikeras`): what does the work,
`scikeras.wrappers.BaseWrapper`, is left out of the method resolution order, and what the two classes do is
overridden. Why:

- ``class KerasClassifier(BaseWrapper, ClassifierMixin)`` has its mixins the wrong way round, so that the
  tags of BaseEstimator win and `sklearn.base.is_classifier` is False. C3 cannot undo that in a subclass.
- BaseWrapper defines `_more_tags` of scikit-learn < 1.6, which `check_estimator` refuses in any base.
- BaseWrapper compiles a model for each fit, takes all of ``__dict__`` for parameters, and seeds global state.

No class of scikeras is changed, so that other estimators of the process are as without fishsk.
"""

from __future__ import annotations

from scikeras.wrappers import KerasClassifier, KerasRegressor

from fishsk.head import _classifier, _regressor


class _WithoutWrapper(type):
    """Metaclass of ``class Head(Plain, KerasClassifier)``: Plain's bases come first, BaseWrapper is left out.

    An instance of Plain itself is one of Head, too: it is what is read from a file where there is no Keras.
    """

    def mro(cls) -> list[type]:
        plain, *rest = cls.__bases__
        if rest not in ([KerasClassifier], [KerasRegressor]):
            return super().mro()  # of a user's subclass
        return [cls, *plain.__mro__[:-1], *rest, object]

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or (
            cls.__bases__[-1] in (KerasClassifier, KerasRegressor) and type(instance) is cls.__bases__[0]
        )


class KerasHeadClassifier(_classifier.KerasHeadClassifier, KerasClassifier, metaclass=_WithoutWrapper):
    __doc__ = _classifier.KerasHeadClassifier.__doc__


class KerasHeadRegressor(_regressor.KerasHeadRegressor, KerasRegressor, metaclass=_WithoutWrapper):
    __doc__ = _regressor.KerasHeadRegressor.__doc__
