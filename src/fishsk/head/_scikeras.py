"""All that touches scikeras 0.13, its last release: what a head is to it, and what it lends.

Inherited: being a `scikeras.wrappers.KerasClassifier`, for programs that ask ``isinstance``, and the way in
which parameters of callbacks are spelt. Nothing else: `scikeras.wrappers.BaseWrapper`, which does the work
of scikeras, is left out of the method resolution order, and what `KerasClassifier` does is overridden. Why:

- ``class KerasClassifier(BaseWrapper, ClassifierMixin)`` has its mixins the wrong way round, so that the
  tags of BaseEstimator win and `sklearn.base.is_classifier` is False. C3 cannot undo that in a subclass.
- BaseWrapper defines `_more_tags` of scikit-learn < 1.6, which `check_estimator` refuses in any base.
- BaseWrapper compiles a model for each fit, takes all of ``__dict__`` for parameters, and seeds global state.

No class of scikeras is changed, so that other estimators of the process are as without fishsk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scikeras._utils import route_params, try_to_convert_strings_to_classes, unflatten_params
from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import ClassifierMixin

__all__ = ["ScikerasClassifier", "route_callbacks"]


class _WithoutWrapper(type):
    """Leave BaseWrapper out of the method resolution order, and put ClassifierMixin first."""

    def mro(cls) -> list[type]:
        order = [base for base in super().mro() if base not in (BaseWrapper, ClassifierMixin)]
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order


class ScikerasClassifier(KerasClassifier, metaclass=_WithoutWrapper):
    """Base of what is a classifier to scikit-learn, and a KerasClassifier to ``isinstance``."""


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
