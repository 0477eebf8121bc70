"""The trainer of every network: Keras's own steps, an epoch of them in one graph, which fits share."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fishsk._compat.keras import find_unsafe, forget_model, take_initial_epoch
from fishsk.head._building import preserved_random
from fishsk.head._callbacks import looks_at_batches

Logs = dict[str, float]

_MAX_KEPT = 8  # trainers of a process that wait for the next fit
_MAX_KEPT_BYTES = 2**29
_kept: list[tuple[str, Trainer]] = []  # by what their graphs depend on; the last one is the last used
_lock = threading.Lock()


class Trainer:
    """A compiled model and the two graphs that take its `train_step` and `test_step` with batches of rows.

    Keras's `Model.fit` returns to Python after each batch, shuffles by TensorFlow's global seed, and a new
    model is traced anew. Both steps are Keras's public ones, so that a subclass of `keras.Model` may change
    them. But the loop over batches is part of the graph, the order of rows is given, and whatever draws
    numbers inside the model is seeded anew for each epoch.

    The data, (X, y) or (X, y, sample_weight), tell types and shapes. Where a trainer `is_shared`, models that
    differ by numbers alone will train here: rates of dropout and strengths of penalties are then variables of
    the graph, as Keras's learning rate is.
    """

    def __init__(self, model: keras.Model, data: Any, *, is_shared: bool) -> None:
        self.model = model
        first = keras.tree.map_structure(lambda part: tf.constant(part[:1]), data)
        model.test_step(first)  # makes what Keras makes at the first use: weights, losses, metrics
        model.reset_metrics()
        model.optimizer.build(model.trainable_variables)
        self._generators = [each for each in model.variables if each.name == "seed_generator_state"]
        self._penalized = [each for each in model.trainable_variables if each.regularizer is not None]
        # What regularizers have added, and to how many rows.
        self._penalty = tf.Variable([0.0, 0.0], trainable=False, dtype=tf.float64)
        numbers = _list_numbers(model) if is_shared else []
        self._numbers = [tf.Variable(getattr(*each), trainable=False, dtype=tf.float32) for each in numbers]
        specs = keras.tree.map_structure(
            lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), first
        )
        with _fused_adam(model), _other_numbers(model, self._numbers):
            steps = {"train": model.train_step, "test": model.test_step}
            self._graphs = {what: self._over_rows(step, specs) for what, step in steps.items()}

    @property
    def n_bytes(self) -> int:
        """Size of the weights and of the optimizer's state."""
        return sum(4 * int(np.prod(each.shape)) for each in _list_state(self.model))

    def take_over(self, model: keras.Model) -> None:
        """Make this model equal to one with the same graph."""
        for mine, other in zip(_list_state(self.model), _list_state(model), strict=True):
            mine.assign(other)
        for variable, mine, other in zip(
            self._numbers, _list_numbers(self.model), _list_numbers(model), strict=True
        ):
            variable.assign(getattr(*other))
            setattr(*mine, getattr(*other))  # what callbacks that save the model write
        self._before = self._look()

    def hand_over(self, model: keras.Model) -> bool:
        """Make a model with the same graph equal to this one; return whether others may train here.

        Callbacks may do anything to a model. Of one that was compiled anew only the weights are handed over,
        and only one that is as it was, but for numbers, trains others.
        """
        parts, described = self._look()
        state = _list_state if parts == self._before[0] else lambda part: part.weights
        for mine, other in zip(state(self.model), state(model), strict=True):
            other.assign(mine)
        return (parts, described) == self._before

    def _look(self) -> tuple[list[int], object]:
        return [id(part) for part in (self.model.optimizer, *_list_state(self.model))], _describe(self.model)

    def fit(
        self,
        data: Any,
        train: np.ndarray,
        validation: np.ndarray | None,
        training: Mapping[str, Any],
        *,
        seed: int,
        callbacks: list[keras.callbacks.Callback],
        logs_rate: bool,
    ) -> dict[str, list[float]]:
        """Train on the rows `train` of `data`, and return the history; NaN where an epoch was not validated.

        `training` holds arguments of Keras's ``fit``; its "epochs" are their numbers. The randomness of an
        epoch (order of rows, dropout) follows from `seed` and the epoch's number alone.
        """
        tensors = keras.tree.map_structure(tf.constant, data)
        model, history = self.model, []
        model.stop_training = False
        epochs, batch_size, freq = (training[name] for name in ("epochs", "batch_size", "validation_freq"))
        n_steps = training["steps_per_epoch"]
        n_rows = len(train) if n_steps is None else n_steps * batch_size
        hooks = keras.callbacks.CallbackList(
            callbacks,
            add_progbar=training["verbose"] > 0,
            model=model,
            verbose=int(training["verbose"]),
            epochs=epochs.stop,
            steps=-(-n_rows // batch_size),
        )
        try:
            hooks.on_train_begin()
            for epoch in range(max(epochs.start, take_initial_epoch(model)), epochs.stop):
                hooks.on_epoch_begin(epoch)
                rng = np.random.default_rng((seed, 1 + epoch))
                for generator in self._generators:
                    generator.assign([int(rng.integers(2**31)), 0])
                # Of fewer rows than there are, an epoch draws others, or goes on where the last one ended.
                order = train[rng.permutation(len(train))] if training["shuffle"] else train
                first = 0 if training["shuffle"] else epoch * n_rows
                order = np.take(order, np.arange(n_rows) + first, mode="wrap")
                logs = self._run("train", tensors, order, batch_size, hooks)
                is_due = (epoch + 1) % freq == 0 if isinstance(freq, int) else epoch + 1 in freq
                if validation is not None and is_due:
                    hooks.on_test_begin()
                    tested = self._run("test", tensors, validation, training["validation_batch_size"], hooks)
                    hooks.on_test_end(dict(tested))
                    logs |= {f"val_{name}": value for name, value in tested.items()}
                if logs_rate:
                    logs["learning_rate"] = float(model.optimizer.learning_rate)
                history.append(logs)
                hooks.on_epoch_end(epoch, dict(logs))
                if model.stop_training:
                    break
            hooks.on_train_end()
        finally:
            # The model outlives this fit: a callback that kept it would drag it into clones and pickles.
            for callback in callbacks:
                forget_model(callback)
        names = dict.fromkeys(name for logs in history for name in logs)
        return {name: [logs.get(name, np.nan) for logs in history] for name in names}

    def _run(
        self, what: str, tensors: Any, rows: np.ndarray, batch_size: int, hooks: keras.callbacks.CallbackList
    ) -> Logs:
        """Train or test on rows in their order, to the same bits whether callbacks look at batches or not."""
        self.model.reset_metrics()
        self._penalty.assign([0.0, 0.0])
        watched = looks_at_batches(hooks.callbacks, what)
        step = batch_size if watched else max(1, len(rows))
        for index, start in enumerate(range(0, len(rows), step)):
            if watched:
                getattr(hooks, f"on_{what}_batch_begin")(index)
            part = tf.constant(rows[start : start + step])
            self._graphs[what](tensors, part, tf.constant(batch_size, tf.int64))
            if watched:
                getattr(hooks, f"on_{what}_batch_end")(index, self._get_logs())
        return self._get_logs()

    def _get_logs(self) -> Logs:
        """Return what Keras has measured; the loss is that of the data, without what regularizers add."""
        logs = {name: float(value) for name, value in self.model.get_metrics_result().items()}
        penalty, n_rows = self._penalty.numpy().tolist()
        if n_rows and "loss" in logs:
            logs["loss"] -= penalty / n_rows
        return logs

    def _over_rows(self, step: Callable[[Any], object], specs: Any) -> Callable[..., None]:
        """Return what takes `step` with each batch of rows: a graph, unless the model is to run eagerly."""

        def take(data: Any, rows: tf.Tensor) -> None:
            if self._penalized:
                n_rows = tf.cast(tf.size(rows), tf.float64)
                penalty = tf.add_n([each.regularizer(each.value) for each in self._penalized])
                self._penalty.assign_add([n_rows * tf.cast(penalty, tf.float64), n_rows])
            step(keras.tree.map_structure(lambda part: tf.gather(part, rows), data))

        @tf.autograph.experimental.do_not_convert
        def run(data: Any, rows: tf.Tensor, batch_size: tf.Tensor) -> None:
            def body(start: tf.Tensor) -> list[tf.Tensor]:
                take(data, rows[start : start + batch_size])
                return [start + batch_size]

            zero = tf.constant(0, tf.int64)
            tf.while_loop(lambda start: start < tf.size(rows, out_type=tf.int64), body, [zero])

        if self.model.run_eagerly:
            return run
        number = tf.TensorSpec((), tf.int64)
        return tf.function(run).get_concrete_function(specs, tf.TensorSpec((None,), tf.int64), number)


def _drop_out(
    layer: keras.layers.Dropout, rate: tf.Variable, inputs: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Do what a Dropout layer does, with a rate that is read when it is done."""
    if not training:
        return inputs
    seed = tf.cast(layer.seed_generator.next(), tf.int32)
    return tf.nn.experimental.stateless_dropout(inputs, rate.read_value(), seed, layer.noise_shape)


@contextmanager
def _fused_adam(model: keras.Model) -> Iterator[None]:
    """Let what is traced take TensorFlow's own kernel for the step of a plain Adam.

    Keras composes Adam's update of a dozen operations, each of which reads and writes arrays as large as the
    weights; with a kernel of 25,088 x 512 that traffic is most of a training step. TensorFlow's kernel of the
    same formula passes once over weight, moments and gradient.
    """
    optimizer, weights = model.optimizer, model.trainable_variables
    moments = [each.value for each in optimizer.variables[-2 * len(weights) :]]
    is_plain = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.AdamW) and not optimizer.amsgrad
    if not is_plain or not weights or len(optimizer.variables) > len(moments) + 2:  # averages, accumulators
        yield
        return
    slots = {
        id(weight.value): pair for weight, *pair in zip(weights, moments[::2], moments[1::2], strict=True)
    }
    composed = optimizer.update_step

    def update_step(gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor) -> None:
        if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            composed(gradient, variable, learning_rate)
            return
        step = tf.cast(optimizer.iterations + 1, tf.float32)
        momentum, velocity = slots[id(variable)]
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=momentum.handle,
            v=velocity.handle,
            beta1_power=tf.pow(tf.constant(optimizer.beta_1, tf.float32), step),
            beta2_power=tf.pow(tf.constant(optimizer.beta_2, tf.float32), step),
            lr=tf.cast(learning_rate, tf.float32),  # of Keras's floatx
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )

    vars(optimizer)["update_step"] = update_step
    try:
        yield
    finally:
        del vars(optimizer)["update_step"]


@contextmanager
def use_trainer(model: keras.Model, data: Any, own: Trainer | None) -> Iterator[Trainer]:
    """Give a trainer of `model` on such data, and hand over what it has learned at the end.

    Where the model's configuration says all that it is, which is so if Keras itself has made each part, a
    twin trains, and until the end the model is as it was. The twin then waits for the next fit of the same
    configuration: TensorFlow never gives back the some megabytes of a graph. The last few are kept, up to
    half a gigabyte of them; one whose fit has failed, or whose model a callback has changed, is not used
    again.

    Else the model itself trains, by the graphs of its `own` trainer if it has one; if that fails, it is as
    before.
    """
    graph = _find_graph(model, data)
    if graph is None:
        trainer = own or Trainer(model, data, is_shared=False)
        before = [variable.numpy() for variable in _list_state(model)]
        try:
            yield trainer
        except BaseException:
            for variable, value in zip(_list_state(model), before, strict=True):
                variable.assign(value)
            raise
        return
    with _lock:
        fitting = [pair for pair in _kept if pair[0] == graph]
        if fitting:
            _kept.remove(fitting[-1])
    if fitting:
        trainer = fitting[-1][1]
    else:
        with preserved_random():  # layers without seeds draw one
            twin = type(model).from_config(model.get_config())
            # Keras would scale the losses of a float16 policy, of which the configuration says nothing.
            twin.compile_from_config(model.get_compile_config() | {"auto_scale_loss": False})
        trainer = Trainer(twin, data, is_shared=True)
    trainer.take_over(model)
    yield trainer
    if trainer.hand_over(model):
        with _lock:
            _kept.append((graph, trainer))
            while len(_kept) > 1 and (
                len(_kept) > _MAX_KEPT or sum(each.n_bytes for _, each in _kept) > _MAX_KEPT_BYTES
            ):
                del _kept[0]


def _list_state(model: keras.Model) -> list[keras.Variable]:
    return [*model.weights, *model.optimizer.variables]


def _list_numbers(model: keras.Model) -> list[tuple[object, str]]:
    """Return the parts of a model that hold a number which its graph need not know, and its name there."""
    numbers: list[tuple[object, str]] = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            numbers += _list_numbers(layer)
        elif type(layer) is keras.layers.Dropout and layer.rate:
            numbers.append((layer, "rate"))
        for name in ("kernel", "bias"):
            penalty: Any = getattr(layer, f"{name}_regularizer", None)
            if type(penalty) is keras.regularizers.L2 and penalty.l2:
                numbers.append((penalty, "l2"))
    return numbers


@contextmanager
def _other_numbers(model: keras.Model, others: Iterable[float | tf.Variable]) -> Iterator[None]:
    """Let the numbers of a model be others; what is traced meanwhile reads variables."""
    numbers = _list_numbers(model)
    before = [getattr(*each) for each in numbers]
    for (part, name), other in zip(numbers, others, strict=False):
        if isinstance(part, keras.layers.Dropout) and isinstance(other, tf.Variable):
            vars(part)["call"] = partial(_drop_out, part, other)
        else:
            setattr(part, name, other)
    try:
        yield
    finally:
        for (part, name), number in zip(numbers, before, strict=True):
            vars(part).pop("call", None)
            setattr(part, name, number)


def _find_graph(model: keras.Model, data: Any) -> str | None:
    """Return what the graph of a model depends on, or None if that cannot be told from its configuration."""
    if model.run_eagerly or not type(model).__module__.startswith("keras."):
        return None
    try:
        described = _describe(model)
    except (TypeError, ValueError, NotImplementedError):  # some part of the user's cannot be written down
        return None
    if any(find_unsafe(described)):
        return None
    shapes = keras.tree.map_structure(lambda part: f"{part.dtype}{part.shape[1:]}", data)
    text = json.dumps([described, str(shapes)], default=str)
    if len(model.outputs) == 1:  # else the names of outputs are part of those of losses and metrics
        # Numbers for the names of layers, which count all layers of a process.
        names = re.findall(r'"name": ("[^"]*")', json.dumps(described[0], default=str))
        for index, name in enumerate(dict.fromkeys(names)):
            text = text.replace(name, f'"#{index}"')
    return text


def _describe(model: keras.Model) -> list[dict[str, Any]]:
    """Return the configuration of a compiled model, but for the numbers that its graph need not know."""
    compilation = dict(model.get_compile_config())
    optimizer = dict(compilation["optimizer"])
    optimizer["config"] = optimizer["config"] | {"name": None}  # Keras counts all of a process in it
    if isinstance(optimizer["config"].get("learning_rate"), float | int):
        optimizer["config"]["learning_rate"] = 0
    with _other_numbers(model, itertools.repeat(0.5)):
        return [model.get_config(), compilation | {"optimizer": optimizer}]
