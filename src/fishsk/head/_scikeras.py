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

import inspect
from collections.abc import Mapping
from typing import Any

import keras
from scikeras._utils import (
    get_loss_class_function_or_string,
    get_metric_class,
    get_optimizer_class,
    route_params,
    try_to_convert_strings_to_classes,
    unflatten_params,
)
from scikeras.utils import metric_name
from scikeras.wrappers import KerasClassifier, KerasRegressor

__all__ = [
    "KerasClassifier",
    "KerasRegressor",
    "WithoutWrapper",
    "metric_name",
    "route_callbacks",
    "route_compilation",
    "route_params",
]

_CLASS_FINDERS = {
    "optimizer": get_optimizer_class,
    "loss": get_loss_class_function_or_string,
    "metrics": get_metric_class,
}


class WithoutWrapper(type):
    """Metaclass of ``class Head(Own, KerasClassifier)``: Own's classes come first, BaseWrapper is left out.

    An instance of Own itself is one of Head, too: it is what is read from a file where there is no Keras.
    """

    def mro(cls) -> list[type]:
        own, *rest = cls.__bases__
        if rest not in ([KerasClassifier], [KerasRegressor]):
            return super().mro()  # of a user's subclass
        return [cls, *own.__mro__[:-1], *rest, object]

    def __instancecheck__(cls, instance: Any) -> bool:
        return super().__instancecheck__(instance) or (
            cls.__bases__[-1] in (KerasClassifier, KerasRegressor) and type(instance) is cls.__bases__[0]
        )


def route_compilation(given: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of `keras.Model.compile`: names and classes in `given` made by what is routed to them.

    Parameters
    ----------
    given : mapping
        ``"optimizer"``, ``"loss"`` and ``"metrics"`` as a user gave them.
    params : mapping
        All parameters, among them such as ``optimizer__learning_rate`` and ``compile__loss_weights``.
    """
    routed = route_params(params, destination="compile", pass_filter=set())
    known = inspect.signature(keras.Model.compile).parameters
    if unknown := sorted(routed.keys() - known.keys()):
        raise TypeError(f"Parameters of compile must be among {sorted(known)}. Got compile__{unknown[0]}.")
    arguments = dict(given) | routed
    for name, find_class in _CLASS_FINDERS.items():
        arguments[name] = _instantiate(name, arguments[name], params, find_class)
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
    return _instantiate("callbacks", callbacks, params, find_class)


def _instantiate(name: str, items: Any, params: Mapping[str, Any], find_class: Any) -> Any:
    """Return `items` with names and classes called with what is routed to them.

    Raises
    ------
    TypeError
        If a parameter is routed to nothing that takes parameters.
    """
    items = try_to_convert_strings_to_classes(items, find_class)
    routed = route_params(params, destination=name, pass_filter=set())
    for key in routed:
        if not _takes_parameters(items, key.partition("__")[0]):
            raise TypeError(
                f"{name}__{key} must be a parameter of a name or class in {name}, which is {items!r}: "
                "instances have their own."
            )
    return unflatten_params(items=items, params=routed)


def _takes_parameters(items: Any, key: str) -> bool:
    """Return whether something in `items`, or what has the key or index `key` there, is to be called."""
    if not isinstance(items, Mapping | list | tuple):
        return inspect.isclass(items)
    named = dict(items) if isinstance(items, Mapping) else {str(i): part for i, part in enumerate(items)}
    if key in named:
        return inspect.isclass(named[key]) or isinstance(named[key], Mapping | list | tuple)
    return any(_accepts(part, key) for part in named.values())


def _accepts(part: Any, key: str) -> bool:
    """Return whether a class, or one in a nest of them, has a parameter of this name."""
    if isinstance(part, Mapping | list | tuple):
        return _takes_parameters(part, key)
    if not inspect.isclass(part):
        return False
    parameters = inspect.signature(part).parameters
    return key in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())
