"""Callbacks of Keras and of scikit-learn, as a head's training calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras

from fishsk._compat.keras import forget_model
from fishsk.head._keywords import route
from fishsk.head._scikeras import instantiate

if TYPE_CHECKING:
    from fishsk.head._base import KerasHead

_OLD_HOOKS = ("on_batch_begin", "on_batch_end")
_PREDICT_HOOKS = ("on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end")


def make_callbacks(head: KerasHead, destination: str, extra: Any) -> list[keras.callbacks.Callback]:
    """Return a head's callbacks for all, those for "fit" or "predict", and `extra` ones of a call.

    Names (of `keras.callbacks`) and classes are instantiated, with parameters spelled as in scikeras:
    ``callbacks__patience``, ``callbacks__0__patience`` or ``callbacks__key__patience``. With
    ``callbacks=None`` they are not used.
    """
    params = head.get_params()
    routed = route(params, destination)
    made = [
        instantiate("callbacks", given, of, _find_class)
        for given, of in ((head.callbacks, params), (routed.get("callbacks"), routed))
        if given is not None
    ]
    found = keras.tree.flatten([list(each.values()) if isinstance(each, Mapping) else each for each in made])
    for callback in found:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "callbacks must be Keras callbacks (names, classes, instances, or a list or dict of them). "
                f"Got {callback!r}. Give scikit-learn's own callbacks to set_callbacks."
            )
    return found + list(extra or [])


def _find_class(name: str) -> type[keras.callbacks.Callback]:
    found = getattr(keras.callbacks, name, None)
    if not inspect.isclass(found) or not issubclass(found, keras.callbacks.Callback):
        raise ValueError(f"callbacks must be names of keras.callbacks, as 'EarlyStopping'. Got {name!r}.")
    return found


@contextmanager
def watch_prediction(head: KerasHead, extra: Any) -> Iterator[keras.callbacks.CallbackList]:
    """Let the callbacks that look at predictions see one begin and end."""
    callbacks = make_callbacks(head, "predict", extra)
    watching = [callback for callback in callbacks if _overrides(callback, _PREDICT_HOOKS)]
    hooks = keras.callbacks.CallbackList(watching, model=head.model_ if watching else None)
    try:
        hooks.on_predict_begin()
        yield hooks
        hooks.on_predict_end()
    finally:
        for callback in callbacks:
            forget_model(callback)


def skip_without(monitor: str, callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
    """Let a callback pass over epochs that do not measure what it looks at, without Keras's warning."""
    look = callback.on_epoch_end
    callback.on_epoch_end = lambda epoch, logs=None: look(epoch, logs) if monitor in (logs or {}) else None
    return callback


def looks_at_batches(callbacks: Iterable[keras.callbacks.Callback], what: str) -> bool:
    """Return whether a callback looks at single batches of "train" or "test"."""
    hooks = [f"on_{what}_batch_begin", f"on_{what}_batch_end"]
    return any(
        callback.verbose == 1 and what == "train"
        if isinstance(callback, keras.callbacks.ProgbarLogger)
        else _overrides(callback, [*hooks, *(_OLD_HOOKS if what == "train" else [])])
        for callback in callbacks
    )


def _overrides(callback: keras.callbacks.Callback, hooks: Iterable[str]) -> bool:
    # LambdaCallback overrides hooks on the instance, where they are plain functions.
    base = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook) for hook in hooks
    )


class EpochTasks(keras.callbacks.Callback):
    """Show each epoch to scikit-learn's callbacks, as a task inside the task `context` of the fit."""

    def __init__(
        self,
        context: Any,
        task: Mapping[str, Any],
        reconstruct: Callable[[keras.Model], dict[str, Any]],
    ) -> None:
        super().__init__()
        self._context = context
        # What makes a head that predicts of the model in training.
        self._task = {**task, "reconstruction_attributes": lambda: reconstruct(self.model)}

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the epoch's task."""
        self._epoch = self._context.subcontext(task_name="epoch").call_on_fit_task_begin(**self._task)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """End the epoch's task, and training if a callback asks for it."""
        if self._epoch.call_on_fit_task_end(**self._task):
            self.model.stop_training = True
