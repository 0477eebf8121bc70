"""The training of networks of one's own: Keras's steps, an epoch of them in one graph, which is shared."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fishsk.head._configuration import is_known
from fishsk.head._loop import Loop
from fishsk.head._random import preserved_random
from fishsk.head._shelves import borrow


@dataclass(frozen=True)
class Graph:
    """What a traced graph depends on, as text, and the size of the weights and of the optimizer's state."""

    text: str
    n_bytes: int


class OwnNetwork(Loop):
    """A compiled model and the two graphs that take its `train_step` and `test_step` with batches of rows.

    Both are Keras's public steps, so that a subclass of `keras.Model` may change them. The loop over batches
    is part of the graph, the order of rows is given, and whatever draws numbers inside the model is seeded
    anew for each epoch.
    """

    def __init__(self, model: keras.Model, data: Any) -> None:
        self.model = model
        first = keras.tree.map_structure(lambda part: tf.constant(part[:1]), data)
        model.test_step(first)  # makes what Keras makes at the first use: weights, losses, metrics
        model.reset_metrics()
        model.optimizer.build(model.trainable_variables)
        self._generators = [each for each in model.variables if each.name == "seed_generator_state"]
        specs = keras.tree.map_structure(
            lambda part: tf.TensorSpec((None, *part.shape[1:]), part.dtype), first
        )
        self._train = self._over_rows(model.train_step, specs)
        self._test = self._over_rows(model.test_step, specs)
        self._identities, self._description = self._identify(), _describe(model)

    def take_over(self, model: keras.Model) -> None:
        """Make this network equal to a model with the same graph."""
        for own, other in zip(self._state(self.model), self._state(model), strict=True):
            own.assign(other)
        self._identities, self._description = self._identify(), _describe(self.model)

    def hand_over(self, model: keras.Model) -> None:
        """Make a model with the same graph equal to this network."""
        for own, other in zip(self._state(self.model), self._state(model), strict=True):
            other.assign(own)

    @property
    def is_intact(self) -> bool:
        """Whether the model is as it was, but for numbers: callbacks may do anything to it."""
        return self._identify() == self._identities and _describe(self.model) == self._description

    def _identify(self) -> list[int]:
        return [id(part) for part in (self.model.optimizer, *self._state(self.model))]

    @staticmethod
    def _state(model: keras.Model) -> list[Any]:
        return [*model.weights, *model.optimizer.variables]

    def _reset_logs(self) -> None:
        self.model.reset_metrics()

    def _get_logs(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def _begin_epoch(self, rng: np.random.Generator) -> None:
        for generator in self._generators:
            generator.assign([int(rng.integers(2**31)), 0])

    def _train_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        self._train(tensors, tf.constant(rows), tf.constant(batch_size, tf.int64))

    def _test_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        self._test(tensors, tf.constant(rows), tf.constant(batch_size, tf.int64))

    def _over_rows(self, step: Any, specs: Any) -> Any:
        """Return what takes `step` with each batch of rows: a graph, unless the model is to run eagerly."""

        def take(data: Any, rows: Any) -> None:
            step(keras.tree.map_structure(lambda part: tf.gather(part, rows), data))

        @tf.autograph.experimental.do_not_convert
        def run(data: Any, rows: Any, batch_size: Any) -> None:
            def body(start: Any) -> Any:
                take(data, rows[start : start + batch_size])
                return [start + batch_size]

            zero = tf.constant(0, tf.int64)
            tf.while_loop(lambda start: start < tf.size(rows, out_type=tf.int64), body, [zero])

        if self.model.run_eagerly:
            return run
        number = tf.TensorSpec((), tf.int64)
        return tf.function(run).get_concrete_function(specs, tf.TensorSpec((None,), tf.int64), number)


@contextmanager
def lend_network(model: keras.Model, data: Any, kept: OwnNetwork | None) -> Iterator[OwnNetwork]:
    """Lend a network that trains `model` on such data, and hand over what it has learned at the end.

    Where the model's configuration says all that it is, which is so if Keras itself has made each part, a
    twin trains, which waits for the next fit of the same configuration; until the end the model is as it was.
    Else the model itself trains, by the graphs of `kept` if these are there; if that fails, it is as before.
    """
    graph = _find_graph(model, data)
    if graph is not None:
        with borrow(graph, lambda: OwnNetwork(_make_twin(model), data)) as network:
            network.take_over(model)
            yield network
            network.hand_over(model)
        return
    network = kept or OwnNetwork(model, data)
    before = [variable.numpy() for variable in network._state(model)]
    try:
        yield network
    except BaseException:
        for variable, value in zip(network._state(model), before, strict=True):
            variable.assign(value)
        raise


def _make_twin(model: keras.Model) -> keras.Model:
    with preserved_random():  # layers without seeds draw one
        twin = type(model).from_config(model.get_config())
        twin.compile_from_config(model.get_compile_config())
    return twin


def _find_graph(model: keras.Model, data: Any) -> Graph | None:
    """Return what the graph of a model depends on, or None if that cannot be told from its configuration."""
    if model.run_eagerly or not type(model).__module__.startswith("keras."):
        return None
    try:
        described = _describe(model)
    except (TypeError, ValueError, NotImplementedError):  # some part of the user's cannot be written down
        return None
    if not is_known(described):
        return None
    shapes = [f"{part.dtype}{part.shape[1:]}" for part in keras.tree.flatten(data)]
    text = json.dumps([described, str(keras.tree.map_structure(lambda part: 0, data)), shapes], default=str)
    if len(model.outputs) == 1:  # else the names of outputs are part of those of losses and metrics
        text = _without_names(text, described)
    n_bytes = sum(np.prod(each.shape) * 4 for each in [*model.weights, *model.optimizer.variables])
    return Graph(text, int(n_bytes))


def _describe(model: keras.Model) -> Any:
    """Return the configuration of a compiled model, but for the learning rate."""
    compilation = dict(model.get_compile_config())
    optimizer = dict(compilation["optimizer"])
    optimizer["config"] = optimizer["config"] | {"name": None}  # Keras counts all of a process in it
    if isinstance(optimizer["config"].get("learning_rate"), float | int):
        optimizer["config"]["learning_rate"] = 0
    return [model.get_config(), compilation | {"optimizer": optimizer}]


def _without_names(text: str, described: Any) -> str:
    """Return a description with numbers for the names of layers, which count all layers of a process."""
    for index, name in enumerate(dict.fromkeys(_list_names(described[0]))):
        text = text.replace(json.dumps(name), f'"#{index}"')
    return text


def _list_names(described: Any) -> Iterator[str]:
    if isinstance(described, dict):
        if isinstance(described.get("name"), str):
            yield described["name"]
        described = list(described.values())
    if isinstance(described, list | tuple):
        for part in described:
            yield from _list_names(part)
