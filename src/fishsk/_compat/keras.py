"""Private names of Keras 3.15."""

from __future__ import annotations

import keras
from keras.src.models.functional import Functional

__all__ = ["Functional", "forget_model", "take_initial_epoch"]


def forget_model(callback: keras.callbacks.Callback) -> None:
    """Take the model away from a callback; `set_model`, the public way, does more in some callbacks."""
    callback._model = None


def take_initial_epoch(model: keras.Model) -> int:
    """Return the epoch in which BackupAndRestore wants `model` to go on, 0 unless it does; once."""
    epoch, model._initial_epoch = model._initial_epoch or 0, None
    return epoch
