"""The loop over epochs, whatever a step of training is: hooks, order of rows, validation, history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fishsk._compat.keras import forget_model, take_initial_epoch
from fishsk.head._callbacks import watch_test_batches, watch_train_batches

_TEST_BATCH = 1024


class Loop:
    """Base of what trains a Keras `model` over rows: a subclass knows its steps and what they measure."""

    model: keras.Model

    def fit(
        self,
        data: Any,
        train: np.ndarray,
        validation: np.ndarray | None,
        *,
        epochs: range,
        batch_size: int,
        seed: int,
        callbacks: Iterable[keras.callbacks.Callback],
        verbose: int,
        shuffle: bool = True,
        validation_batch_size: int = _TEST_BATCH,
        validation_freq: Any = 1,
        logs_rate: bool = True,
    ) -> dict[str, list[float]]:
        """Train on the rows `train` of `data`, arrays or nests of them, and return the history.

        The randomness of an epoch (order of rows, views, dropout) follows from `seed` and the epoch's number
        alone. An epoch trains on one view of each row.
        """
        tensors = keras.tree.map_structure(tf.constant, data)
        model = self.model
        history: dict[str, list[float]] = {}
        model.stop_training = False
        callbacks = list(callbacks)
        hooks = keras.callbacks.CallbackList(
            callbacks,
            add_progbar=verbose > 0,
            model=model,
            verbose=verbose,
            epochs=epochs.stop,
            steps=-(-len(train) // batch_size),
        )
        try:
            hooks.on_train_begin()
            for epoch in range(max(epochs.start, take_initial_epoch(model)), epochs.stop):
                hooks.on_epoch_begin(epoch)
                rng = np.random.default_rng((seed, 1 + epoch))
                self._begin_epoch(rng)
                order = self._draw_order(train, rng, shuffle=shuffle)
                logs = self._run_epoch(tensors, order, batch_size, hooks)
                if validation is not None and _is_due(epoch, validation_freq):
                    measured = self._run_test(tensors, validation, validation_batch_size, hooks)
                    logs |= {f"val_{name}": value for name, value in measured.items()}
                if logs_rate:
                    logs["learning_rate"] = float(model.optimizer.learning_rate)
                for name, value in logs.items():
                    history.setdefault(name, []).append(value)
                hooks.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
            hooks.on_train_end()
        finally:
            # The model outlives this fit: a callback that kept it would drag it into clones and pickles.
            for callback in callbacks:
                forget_model(callback)
        return history

    def _run_epoch(
        self, tensors: Any, rows: np.ndarray, batch_size: int, hooks: keras.callbacks.CallbackList
    ) -> dict[str, float]:
        """Train on rows in their order; the bits are the same whether callbacks look at batches or not."""
        self._reset_logs()
        if not watch_train_batches(hooks.callbacks):
            self._train_rows(tensors, rows, batch_size)
            return self._get_logs()
        for index, start in enumerate(range(0, len(rows), batch_size)):
            hooks.on_train_batch_begin(index)
            self._train_rows(tensors, rows[start : start + batch_size], batch_size)
            hooks.on_train_batch_end(index, self._get_logs())
        return self._get_logs()

    def _run_test(
        self, tensors: Any, rows: np.ndarray, batch_size: int, hooks: keras.callbacks.CallbackList
    ) -> dict[str, float]:
        hooks.on_test_begin()
        self._reset_logs()
        watched = watch_test_batches(hooks.callbacks)
        step = batch_size if watched else len(rows)
        for index, start in enumerate(range(0, len(rows), step)):
            if watched:
                hooks.on_test_batch_begin(index)
            self._test_rows(tensors, rows[start : start + step], batch_size)
            if watched:
                hooks.on_test_batch_end(index, self._get_logs())
        logs = self._get_logs()
        hooks.on_test_end(logs)
        return logs

    def _draw_order(self, train: np.ndarray, rng: np.random.Generator, *, shuffle: bool) -> np.ndarray:
        """Return the rows of an epoch in the order in which they train."""
        return train[rng.permutation(len(train))] if shuffle else train

    def _begin_epoch(self, rng: np.random.Generator) -> None:
        """Seed what is random inside the network."""
        raise NotImplementedError

    def _train_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        """Take a step with each batch of `rows`."""
        raise NotImplementedError

    def _test_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        """Measure each batch of `rows`."""
        raise NotImplementedError

    def _reset_logs(self) -> None:
        """Forget what was measured."""
        raise NotImplementedError

    def _get_logs(self) -> dict[str, float]:
        """Return what was measured since `_reset_logs`."""
        raise NotImplementedError


def _is_due(epoch: int, validation_freq: Any) -> bool:
    """Return whether an epoch ends with validation, by a number or by epochs counted from 1, as in Keras."""
    if isinstance(validation_freq, int):
        return (epoch + 1) % validation_freq == 0
    return epoch + 1 in validation_freq
