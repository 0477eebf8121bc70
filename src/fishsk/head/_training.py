"""One compiled Keras network per architecture, trained again and again from the weights that it is given."""

# Only _head imports this module, so that keras still loads with the head alone.
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scikeras._utils import route_params, try_to_convert_strings_to_classes, unflatten_params

_METRICS = ("loss", "accuracy")
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")
_MAX_IDLE_BYTES = 2**29
_idle: dict["Architecture", "Network"] = {}


@dataclass(frozen=True)
class Architecture:
    """What a network is; how it is trained is given to `Network.fit`."""

    n_features: int
    hidden_units: int
    n_classes: int
    dropout: float
    l2: float

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight, in Keras's order."""
        if not self.hidden_units:
            return {"output_kernel": (self.n_features, self.n_classes), "output_bias": (self.n_classes,)}
        return {
            "hidden_kernel": (self.n_features, self.hidden_units),
            "hidden_bias": (self.hidden_units,),
            "output_kernel": (self.hidden_units, self.n_classes),
            "output_bias": (self.n_classes,),
        }

    @property
    def graph(self) -> "Architecture":
        """What the graph depends on: whether there are dropout and a penalty, but not how much."""
        return replace(self, dropout=float(self.dropout > 0), l2=float(self.l2 > 0))

    @property
    def n_bytes(self) -> int:
        """Size of the weights and of Adam's two moments of each."""
        return 3 * 4 * sum(math.prod(shape) for shape in self.shapes.values())

    def initial_weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Draw Glorot-uniform kernels and zero biases, as Keras's Dense does, from `rng` alone."""
        weights = []
        for shape in self.shapes.values():
            if len(shape) == 1:
                weights.append(np.zeros(shape, np.float32))
            else:
                limit = np.float32(np.sqrt(6 / sum(shape)))
                weights.append((2 * rng.random(shape, dtype=np.float32) - 1) * limit)
        return weights

    def build(
        self,
        optimizer: keras.optimizers.Optimizer,
        *,
        dropout: type[keras.layers.Dropout] = keras.layers.Dropout,
        penalty: type[keras.regularizers.L2] = keras.regularizers.L2,
    ) -> keras.Model:
        """Return a compiled Keras model."""

        def dense(units, activation, name):
            return keras.layers.Dense(
                units,
                activation=activation,
                # An unseeded initializer would draw its seed from Python's global `random`.
                kernel_initializer=keras.initializers.GlorotUniform(seed=0),
                kernel_regularizer=penalty(self.l2) if self.l2 else None,
                dtype="float32",  # whatever Keras's global policy is
                name=name,
            )

        layers = [keras.Input((self.n_features,), dtype="float32", name="features")]
        if self.hidden_units:
            layers.append(dense(self.hidden_units, "relu", "hidden"))
        layers.append(dropout(self.dropout, seed=0, dtype="float32", name="dropout"))
        layers.append(dense(self.n_classes, "softmax", "output"))
        model = keras.Sequential(layers, name="head")
        model.compile(
            optimizer=optimizer,
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
        )
        return model


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam with TensorFlow's own kernel, one pass over weight, moments and gradient.

    Keras composes the update of a dozen operations, each of which reads and writes arrays as large as the
    weights; with a kernel of 25,088 x 512 that traffic is most of a training step. The formula is the same.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Update `variable`, a `tf.Variable`, and its moments in place."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(tf.constant(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.constant(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class AdjustableDropout(keras.layers.Dropout):
    """Dropout whose rate can be set once its graph is traced."""

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(rate, **kwargs)
        self._variable = tf.Variable(rate, trainable=False, dtype=tf.float32)

    def adjust(self, rate: float) -> None:
        """Set the rate."""
        self.rate = rate
        self._variable.assign(rate)

    def call(self, inputs, training=False):
        """Drop some of the inputs in training."""
        if not training or not self.rate:
            return inputs
        seed = tf.cast(self.seed_generator.next(), tf.int32)
        return tf.nn.experimental.stateless_dropout(inputs, self._variable.read_value(), seed)


class AdjustableL2(keras.regularizers.L2):
    """L2 penalty whose strength can be set once its graph is traced."""

    def __init__(self, l2: float):
        self.l2 = tf.Variable(l2, trainable=False, dtype=tf.float32)


class Network:
    """A compiled model and the two graphs that run it over rows, a whole epoch in one call.

    Keras's `Model.fit` returns to Python after each batch, shuffles by TensorFlow's global seed, and a new
    model is traced anew. Here the steps are Keras's own `train_step` and `test_step`, but the loop over
    batches is part of the graph, the order of rows is given, and whatever a fit leaves behind is
    overwritten by the next.
    """

    def __init__(self, architecture: Architecture):
        self.model = architecture.build(
            FusedAdam(name="adam"), dropout=AdjustableDropout, penalty=AdjustableL2
        )
        self.model.optimizer.build(self.model.trainable_variables)
        self._train = self._over_rows(self.model.train_step, architecture.n_features)
        self._test = self._over_rows(self.model.test_step, architecture.n_features)

    def _over_rows(self, step: Callable, n_features: int) -> Callable:
        step = tf.autograph.experimental.do_not_convert(step)

        # Sizes are left open in the signature, so that it fits all data and every batch size.
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, n_features), tf.float32),
                tf.TensorSpec((None,), tf.int64),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None,), tf.int64),
                tf.TensorSpec((), tf.int64),
            ]
        )
        def run(X, y, weight, rows, batch_size):
            for start in tf.range(0, tf.size(rows, out_type=tf.int64), batch_size):
                batch = rows[start : start + batch_size]
                step((tf.gather(X, batch), tf.gather(y, batch), tf.gather(weight, batch)))
            metrics = self.model.get_metrics_result()
            self.model.reset_metrics()
            return metrics

        return run.get_concrete_function()  # calls trace nothing, so TensorFlow has nothing to warn of

    def reset(
        self,
        architecture: Architecture,
        weights: list[np.ndarray],
        learning_rate: float,
        optimizer_state: list[np.ndarray] | None,
    ) -> None:
        """Make the network equal to a new one of an architecture with this graph, with these weights."""
        for layer in self.model.layers:
            if isinstance(layer, AdjustableDropout):
                layer.adjust(architecture.dropout)
            elif layer.kernel_regularizer is not None:
                layer.kernel_regularizer.l2.assign(architecture.l2)
        self.model.set_weights(weights)
        optimizer = self.model.optimizer
        for index, variable in enumerate(optimizer.variables):
            variable.assign(optimizer_state[index] if optimizer_state else np.zeros(variable.shape))
        optimizer.learning_rate.assign(learning_rate)

    def optimizer_state(self) -> list[np.ndarray]:
        """Return what `reset` needs to go on as if training had not been interrupted."""
        return [variable.numpy() for variable in self.model.optimizer.variables]

    def fit(
        self,
        data: tuple[np.ndarray, np.ndarray, np.ndarray],
        train: np.ndarray,
        validation: np.ndarray | None,
        *,
        epochs: range,
        batch_size: int,
        seed: int,
        callbacks: Iterable[keras.callbacks.Callback],
        verbose: int,
    ) -> dict[str, list[float]]:
        """Train on the rows `train` of `data` (X, y, weight) and return the history.

        The randomness of an epoch (order of rows, dropout) follows from `seed` and the epoch's number alone.
        """
        tensors = [tf.constant(part) for part in data]
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
        # Unless a callback looks at single batches, an epoch is one chunk; the bits are the same either way.
        batchwise = any(map(_looks_at_batches, hooks.callbacks))
        chunk = batch_size if batchwise else len(train)
        try:
            hooks.on_train_begin()
            for epoch in epochs:
                hooks.on_epoch_begin(epoch)
                rng = np.random.default_rng((seed, 1 + epoch))
                self._seed_dropout(int(rng.integers(2**31)))
                order = train[rng.permutation(len(train))]
                totals = np.zeros(2)
                for index, start in enumerate(range(0, len(order), chunk)):
                    rows = order[start : start + chunk]
                    if batchwise:
                        hooks.on_train_batch_begin(index)
                    metrics = self._train(*tensors, rows, batch_size)
                    totals += len(rows) * np.array([float(metrics[name]) for name in _METRICS])
                    logs = dict(zip(_METRICS, (totals / (start + len(rows))).tolist(), strict=True))
                    if batchwise:
                        hooks.on_train_batch_end(index, logs)
                if validation is not None:
                    metrics = self._test(*tensors, validation, 1024)
                    logs |= {f"val_{name}": float(metrics[name]) for name in _METRICS}
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
                callback._model = None
        return history

    def _seed_dropout(self, seed: int) -> None:
        layer = self.model.get_layer("dropout")
        if layer.rate:
            layer.seed_generator.state.assign([seed, 0])


@contextmanager
def borrow_network(architecture: Architecture) -> Iterator[Network]:
    """Lend a network with the graph of `architecture` that no other fit is using: an idle one, or a new one.

    Idle networks are kept, one of each graph, up to half a gigabyte of them; TensorFlow never gives back the
    some megabytes of a graph. One whose fit has failed is not used again.
    """
    graph = architecture.graph
    network = _idle.pop(graph, None) or Network(graph)
    yield network
    _idle[graph] = network
    while len(_idle) > 1 and sum(kept.n_bytes for kept in list(_idle)) > _MAX_IDLE_BYTES:
        _idle.pop(next(iter(_idle)), None)


def make_callbacks(callbacks: Any, params: Mapping[str, Any]) -> list[keras.callbacks.Callback]:
    """Return the callbacks that names, classes and instances stand for; parameters are routed as in scikeras.

    Parameters
    ----------
    callbacks : str, type, keras.callbacks.Callback, or a list, tuple or dict of them, or None
        Names are those of `keras.callbacks`. Classes and names are instantiated.
    params : mapping
        Parameters spelt ``callbacks__patience``, ``callbacks__0__patience`` or ``callbacks__key__patience``.
    """
    routed = route_params(params, destination="callbacks", pass_filter=set())
    if callbacks is None and not routed:
        return []
    made = unflatten_params(
        items=try_to_convert_strings_to_classes(callbacks, _callback_class), params=routed
    )
    flat = keras.tree.flatten(list(made.values()) if isinstance(made, Mapping) else made)
    for callback in flat:
        if not isinstance(callback, keras.callbacks.Callback):
            raise TypeError(
                "callbacks must be Keras callbacks (names, classes, instances, or a list or dict of them). "
                f"Got {callback!r}. Give scikit-learn's own callbacks to set_callbacks."
            )
    return flat


def _callback_class(name: str) -> type[keras.callbacks.Callback]:
    known = {
        key: value
        for key, value in vars(keras.callbacks).items()
        if inspect.isclass(value) and issubclass(value, keras.callbacks.Callback)
    }
    if name not in known:
        raise ValueError(f"callbacks must be names of keras.callbacks, {sorted(known)}. Got {name!r}.")
    return known[name]


def _looks_at_batches(callback: keras.callbacks.Callback) -> bool:
    if isinstance(callback, keras.callbacks.ProgbarLogger):
        return callback.verbose == 1
    base = keras.callbacks.Callback
    # LambdaCallback overrides hooks on the instance, where they are plain functions.
    return any(
        getattr(getattr(callback, hook), "__func__", None) is not getattr(base, hook) for hook in _BATCH_HOOKS
    )


def join_histories(old: dict[str, list[float]], new: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return `old` followed by `new`, with NaN where one of them lacks a name."""
    n_old, n_new = (max(map(len, history.values()), default=0) for history in (old, new))
    return {
        name: old.get(name, [np.nan] * n_old) + new.get(name, [np.nan] * n_new)
        for name in dict.fromkeys([*old, *new])
    }


def find_turn(history: dict[str, list[float]]) -> tuple[int, int | None]:
    """Return the epoch of the lowest validation loss, and the first epoch of overfitting or None.

    Validation turned if it has not come back to its minimum for three epochs or more, if it is worse by
    more than 1 % on their average, and if the training loss went on falling meanwhile.
    """
    losses = np.nan_to_num(history.get("val_loss", history["loss"]), nan=np.inf)
    best = int(losses.argmin())
    later = losses[best + 1 :]
    turned = (
        "val_loss" in history
        and len(later) >= 3
        and later.mean() > 1.01 * losses[best]
        and history["loss"][-1] < history["loss"][best]
    )
    return best, best + 1 if turned else None
