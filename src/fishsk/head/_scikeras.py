"""All that touches scikeras 0.13, its last release: what a head is to it, and what it lends.

Inherited: being a `scikeras.wrappers.KerasClassifier` or a `KerasRegressor`, for programs that ask
``isinstance``, and the way in which routed parameters are spelt. Nothing else: what does the work,
`scikeras.wrappers.BaseWrapper`, is left out of the method resolution order, and what the two classes do is
overridden. Why:

- ``class KerasClassifier(BaseWrapper, ClassifierMixin)`` has its mixins the wrong way round, so that the
  tags of BaseEstimator win and `sklearn.base.is_classifier` is False. C3 cannot undo that in a subclass.
- BaseWrapper defines `_more_tags` of scikit-learn < 1.6, which `check_estimator` refuses in any base.
- BaseWrapper compiles a model for each fit, takes all of ``__dict__`` for parameters, and seeds global state.

No class of scikeras is changed, so that other estimators of the process are as without fishsk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scikeras._utils import (
    get_loss_class_function_or_string,
    get_metric_class,
    get_optimizer_class,
    route_params,
    try_to_convert_strings_to_classes,
    unflatten_params,
)
from scikeras.utils import metric_name
from scikeras.wrappers import BaseWrapper, KerasClassifier, KerasRegressor
from sklearn.base import ClassifierMixin, RegressorMixin

__all__ = [
    "ScikerasClassifier",
    "ScikerasRegressor",
    "find_build_method",
    "metric_name",
    "route_callbacks",
    "route_compilation",
    "route_params",
]

_BUILD_METHOD = "_keras_build_fn"  # as scikeras's documentation asks subclasses to name it
_MIXINS = {KerasClassifier: ClassifierMixin, KerasRegressor: RegressorMixin}
_CLASS_FINDERS = {
    "optimizer": get_optimizer_class,
    "loss": get_loss_class_function_or_string,
    "metrics": get_metric_class,
}


class _WithoutWrapper(type):
    """Leave BaseWrapper out of the method resolution order, and put scikit-learn's mixin first."""

    def mro(cls) -> list[type]:
        order = [base for base in super().mro() if base not in (BaseWrapper, *_MIXINS.values())]
        for base, mixin in _MIXINS.items():
            if base in order:
                order.insert(order.index(base), mixin)
        return order


class ScikerasClassifier(KerasClassifier, metaclass=_WithoutWrapper):
    """Base of what is a classifier to scikit-learn, and a KerasClassifier to ``isinstance``."""


class ScikerasRegressor(KerasRegressor, metaclass=_WithoutWrapper):
    """Base of what is a regressor to scikit-learn, and a KerasRegressor to ``isinstance``."""


def find_build_method(head: Any) -> Any:
    """Return the method by which a subclass builds its network, or None."""
    return getattr(head, _BUILD_METHOD, None)


def route_compilation(given: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of `keras.Model.compile`: names and classes in `given` made by what is routed to them.

    Parameters
    ----------
    given : mapping
        ``"optimizer"``, ``"loss"`` and ``"metrics"`` as a user gave them.
    params : mapping
        All parameters, among them such as ``optimizer__learning_rate`` and ``compile__loss_weights``.
    """
    arguments = dict(given) | route_params(params, destination="compile", pass_filter=set())
    for name, find_class in _CLASS_FINDERS.items():
        arguments[name] = unflatten_params(
            items=try_to_convert_strings_to_classes(arguments[name], find_class),
            params=route_params(params, destination=name, pass_filter=set()),
        )
    return arguments


def route_callbacks(callbacks: Any, params: Mapping[str, Any], find_class: Any) -> Any:
    """Return `callbacks` with names and classes instantiated by the `params` that are routed to them.

    Parameters
    ----------
    callbacks : str, type, keras.callbacks.Callback, or a list, tuple or dict of them
        What a user gave.
    params : mapping
        Parameters spelt ``callbacks__patience``, ``callbacks__0__patience`` or ``callbacks__key__patience``.
    find_class : callable
        Maps a name to a class.
    """
    return unflatten_params(
        items=try_to_convert_strings_to_classes(callbacks, find_class),
        params=route_params(params, destination="callbacks", pass_filter=set()),
    )
