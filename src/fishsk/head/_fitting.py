"""How a head fits, whichever network it has: checked data, a part that validates, callbacks, training."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import train_test_split

from fishsk._compat.keras import forget_model
from fishsk.head._callbacks import EpochTasks, make_callbacks, watches_predictions
from fishsk.head._own import count_steps, find_training, is_own
from fishsk.head._own_head import resolve_batch_size

_LR_PATIENCE = 3  # epochs without a better loss, before the learning rate is lowered


class FittingMixin:
    """The part of a head that fits: what it needs of a head, `KerasHead` describes."""

    def _fit(self: Any, X: Any, y: Any, sample_weight: Any, keywords: Mapping[str, Any]) -> None:
        training = find_training(self, keywords)
        warm = self.warm_start and self.__sklearn_is_fitted__()
        own = self._is_own(warm=warm)
        data, weight = self._take_data(X, y, sample_weight, own=own, reset=not warm)
        start = self._start(data, own=own, warm=warm)
        rows_X, y = data
        rows, n_rows = np.flatnonzero(weight), len(weight)
        (X, targets), weight = self._encode_all(data, weight, training, start, own=own)
        if training["validation_data"] is not None:
            train, validation = rows, np.arange(n_rows, len(weight))
            self._strata(targets, rows, own=own)
        else:
            strata = self._strata(targets, rows, own=own)
            train, validation = self._split(rows, strata, start.seed, training["validation_split"])
        train = count_steps(train, training["batch_size"], training["steps_per_epoch"])
        if validation is not None:
            size = training["validation_batch_size"] or training["batch_size"]
            validation = count_steps(validation, size, training["validation_steps"])

        context = self._init_callback_context(max_subtasks=training["epochs"])
        # Copied only if a callback of scikit-learn asks for them.
        task = {"estimator": self, "X": cache(lambda: rows_X[train]), "y": cache(lambda: y[train])}
        if sample_weight is not None:
            task["metadata"] = cache(lambda: {"sample_weight": np.asarray(sample_weight)[train]})
        context.call_on_fit_task_begin(**task)

        callbacks = self._steering_callbacks("loss" if validation is None else "val_loss", start)
        if hasattr(self, "_skl_callbacks"):
            callbacks.append(EpochTasks(context, task, start))
        callbacks += self._make_callbacks("fit", training)
        train_network = self._train_own if own else self._train
        train_network(
            start,
            (X, targets),
            weight,
            train,
            validation,
            training,
            callbacks,
            logs_rate=self.lr_factor < 1 or not own,
        )
        self._temperature = 1.0
        if validation is not None and not own:
            logits = self._architecture.logits(self._weights, X[validation])
            self._calibrate(logits, targets[validation], weight[validation])
        context.call_on_fit_task_end(**task, reconstruction_attributes={})

    def _fit_an_epoch(
        self: Any, X: Any, y: Any, sample_weight: Any, keywords: Mapping[str, Any], classes: Any = None
    ) -> None:
        """Train for one epoch; Adam's moments and the randomness go on where they were."""
        for name in ("epochs", "initial_epoch"):
            if name in keywords:
                raise TypeError(
                    f"Invalid argument: partial_fit takes no {name}, since it trains for one epoch, the "
                    f"next. Got {keywords[name]}."
                )
        training = find_training(self, keywords) | {"epochs": 1, "keeps_optimizer": True}
        first = not self.__sklearn_is_fitted__()
        own = self._is_own(warm=not first)
        data, weight = self._take_data(X, y, sample_weight, own=own, reset=first, classes=classes)
        start = self._start(data, own=own, warm=not first, keeps_optimizer=True, classes=classes)
        (X, targets), weight = self._encode_all(data, weight, training, start, own=own)
        callbacks = self._make_callbacks("fit", training)
        train_network = self._train_own if own else self._train
        train_network(
            start, (X, targets), weight, np.flatnonzero(weight), None, training, callbacks, logs_rate=not own
        )

    def _initialize(self: Any, X: Any, y: Any) -> None:
        """Take over the weights that training would start from."""
        self._validate_params()
        own = self._is_own(warm=False)
        data, _ = self._take_data(X, y, None, own=own, reset=True)
        start = self._start(data, own=own, warm=False)
        if own:
            self._take_over_own(start)
        else:
            self._take_over(start.architecture, start.weights, start.seed)
        self._temperature = 1.0

    def _is_own(self: Any, *, warm: bool) -> bool:
        """Return whether Keras's own steps must train, and not the built-in network's."""
        own = is_own(self)
        if warm and own != (self._own is not None):
            raise ValueError(
                "model, optimizer, loss and metrics must be those of the network to go on with, built-in or "
                "of one's own. A fit with warm_start=False builds a new network."
            )
        return own

    def _take_data(
        self: Any, X: Any, y: Any, sample_weight: Any, *, own: bool, reset: bool, classes: Any = None
    ) -> Any:
        """Return checked rows and targets, and the weight of each row."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        if own:
            X, y = self._validate_own(X, y, reset=reset)
            return (X, y), self._weigh_own(X, y, sample_weight)
        X, y = self._validate(X, y, reset=reset)
        if reset:
            self._learn_targets(y, classes)
        return (X, y), self._row_weights(X, y, sample_weight)

    def _start(
        self: Any, data: Any, *, own: bool, warm: bool, keeps_optimizer: bool = False, classes: Any = None
    ) -> Any:
        """Return what training starts from: a new network, or the one that is there."""
        if own:
            return self._own if warm else self._build_own(data, classes)
        if not warm:
            return self._start_afresh()
        return self._go_on(self._optimizer_state if keeps_optimizer else None)

    def _encode_all(
        self: Any, data: Any, weight: Any, training: dict[str, Any], start: Any, *, own: bool
    ) -> Any:
        """Return rows, targets and weights as the network takes them, with `validation_data` at their end."""

        def encode(X: Any, y: Any) -> Any:
            return self._encode_own(X, y, start) if own else (X, self._encode(y))

        X, targets = encode(*data)
        for name in ("batch_size", "validation_batch_size"):
            default = None if name == "validation_batch_size" else 32
            training[name] = resolve_batch_size(training[name], X, default)
        by_code = training.get("class_weight")
        if by_code is not None:
            codes = np.asarray(targets).reshape(len(weight), -1)
            codes = codes.argmax(axis=1) if codes.shape[1] > 1 else codes[:, 0]
            weight = weight * np.array([by_code.get(int(code), 1.0) for code in codes])
        if training["validation_data"] is None:
            return (X, targets), weight
        X_part, y_part, *weights = training["validation_data"]
        part, part_weight = self._take_data(X_part, y_part, *(weights or [None]), own=own, reset=False)
        both = ((X, targets), encode(*part))
        joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *both)
        return joined, np.concatenate([weight, part_weight])

    def _make_callbacks(
        self: Any, destination: str, training: Mapping[str, Any]
    ) -> list[keras.callbacks.Callback]:
        """Return the callbacks that were given for all, for this destination, and to the method itself."""
        params = self.get_params()
        found = make_callbacks(self.callbacks, params)
        prefix = f"{destination}__"
        routed = {
            name.removeprefix(prefix): value for name, value in params.items() if name.startswith(prefix)
        }
        return (
            found
            + make_callbacks(routed.get("callbacks"), routed)
            + list(training.get("extra_callbacks") or [])
        )

    @contextmanager
    def _predicting(self: Any, keywords: Mapping[str, Any]) -> Iterator[keras.callbacks.CallbackList]:
        """Let callbacks see a prediction begin and end."""
        unknown = sorted(keywords.keys() - {"batch_size", "callbacks", "steps", "verbose"})
        if unknown:
            raise TypeError(
                f"Keywords of predictions are batch_size, callbacks, steps and verbose. Got {unknown}."
            )
        callbacks = self._make_callbacks("predict", {"extra_callbacks": keywords.get("callbacks")})
        watching = [callback for callback in callbacks if watches_predictions(callback)]
        hooks = keras.callbacks.CallbackList(watching, model=self.model_ if watching else None)
        try:
            hooks.on_predict_begin()
            yield hooks
            hooks.on_predict_end()
        finally:
            for callback in callbacks:
                forget_model(callback)

    def _steering_callbacks(self: Any, monitor: str, start: Any) -> list[keras.callbacks.Callback]:
        """Return the callbacks that `lr_factor` and `early_stopping` ask for; a schedule steers itself."""
        callbacks: list[keras.callbacks.Callback] = []
        if self.lr_factor < 1 and getattr(start, "rate", 0) is not None:
            callbacks.append(
                keras.callbacks.ReduceLROnPlateau(monitor, factor=self.lr_factor, patience=_LR_PATIENCE)
            )
        if self.early_stopping:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    monitor, patience=self.early_stopping_patience, restore_best_weights=True
                )
            )
        return callbacks

    @property
    def _is_calibrated(self: Any) -> bool:
        """Whether logits are divided by a temperature; they are not where they mean no probabilities."""
        return False

    def _calibrate(self: Any, logits: Any, targets: Any, weight: Any) -> None:
        """Set the temperature of a head that is calibrated."""

    def _split(self: Any, rows: Any, strata: Any, seed: Any, validation_split: float = 0) -> Any:
        """Return the rows that train, and those that validate or None."""
        fraction = validation_split or self.validation_fraction
        if not fraction:
            return rows, None
        n_validation = int(np.ceil(fraction * len(rows)))
        counts = [len(rows)] if strata is None else np.unique(strata, return_counts=True)[1]
        if min(counts) < 2 or min(n_validation, len(rows) - n_validation) < len(counts):
            classes = f"all {len(counts)} classes (the smallest has {min(counts)} rows)"
            warnings.warn(
                f"A validation part of validation_fraction={fraction} of {len(rows)} rows, "
                f"and the rest, cannot each hold {'a row' if strata is None else classes}. All rows train, "
                "and the training loss is monitored. Pass validation_fraction=0 to silence this warning.",
                UserWarning,
                stacklevel=6,
            )
            return rows, None
        return train_test_split(rows, test_size=n_validation, stratify=strata, random_state=seed)
