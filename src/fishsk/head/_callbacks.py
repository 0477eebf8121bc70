"""Callbacks of Keras and of scikit-learn, as a head's training calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

import keras

from fishsk._compat.keras import forget_model
from fishsk.head._keywords import route
from fishsk.head._scikeras import instantiate

if TYPE_CHECKING:
    from sklearn.callback import CallbackContext

    from fishsk.head._base import KerasHead

_Outputs = TypeVar("_Outputs")

_OLD_HOOKS = ("on_batch_begin", "on_batch_end")
_PREDICT_HOOKS = ("on_predict_begin", "on_predict_end", "on_predict_batch_begin", "on_predict_batch_end")


def make_callbacks(
    head: KerasHead, destination: str, extra: Iterable[keras.callbacks.Callback] | None
) -> list[keras.callbacks.Callback]:
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


def watch_prediction(
    head: KerasHead, extra: Iterable[keras.callbacks.Callback] | None, predict: Callable[[], _Outputs]
) -> _Outputs:
    """Return what `predict` returns, which the callbacks that look at predictions see as one batch."""
    callbacks = make_callbacks(head, "predict", extra)
    watching = [callback for callback in callbacks if _overrides(callback, _PREDICT_HOOKS)]
    hooks = keras.callbacks.CallbackList(watching, model=head.model_ if watching else None)
    try:
        hooks.on_predict_begin()
        hooks.on_predict_batch_begin(0)
        outputs = predict()
        hooks.on_predict_batch_end(0, {"outputs": outputs})
        hooks.on_predict_end()
        return outputs
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
    hooks = [f"on_{what}_batch_begin", f"on_{what}_batch_end", *(_OLD_HOOKS if what == "train" else [])]
    return any(
        callback.verbose == 1 and what == "train"
        if isinstance(callback, keras.callbacks.ProgbarLogger)
        else _overrides(callback, hooks)
        for callback in callbacks
    )


def _overrides(callback: keras.callbacks.Callback, hooks: Iterable[str]) -> bool:
    # LambdaCallback overrides hooks on the instance, where they are plain functions.
    base = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook) for hook in hooks
    )


def show_epochs(
    context: CallbackContext,
    task: Mapping[str, object],
    reconstruct: Callable[[keras.Model], dict[str, object]],
) -> keras.callbacks.Callback:
    """Return what shows each epoch to scikit-learn's callbacks, as a task in the `context` of the fit.

    `reconstruct` makes the attributes of a head that predicts of the model in training.
    """
    callback, begun = keras.callbacks.LambdaCallback(), []
    shown = {**task, "reconstruction_attributes": lambda: reconstruct(callback.model)}

    def begin(epoch: int, logs: object = None) -> None:
        begun.append(context.subcontext(task_name="epoch").call_on_fit_task_begin(**shown))

    def end(epoch: int, logs: object = None) -> None:
        if begun.pop().call_on_fit_task_end(**shown):
            callback.model.stop_training = True

    callback.on_epoch_begin, callback.on_epoch_end = begin, end
    return callback
