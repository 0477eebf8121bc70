"""What a head's built-in network is: its weights, how drawn, the Keras model, its logits in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from scipy.special import erf, expit

_CHUNK_VALUES = 2**22  # of the rows that are predicted at a time

#: What turns the sums of a hidden layer into its answers, in NumPy; the names are TensorFlow's and Keras's.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x * expit(x),
    "tanh": np.tanh,
}

#: What a network with each loss answers with.
_OUTPUTS = {
    "sparse_categorical_crossentropy": "softmax",
    "binary_crossentropy": "sigmoid",
    "mean_squared_error": "linear",
    "mean_absolute_error": "linear",
    "huber": "linear",
}
LOSSES = tuple(_OUTPUTS)


@dataclass(frozen=True)
class Architecture:
    """What a network is, and what its loss is; how it is trained is elsewhere."""

    n_features: int
    hidden_units: tuple[int, ...]
    n_outputs: int
    dropout: float
    l2: float
    activation: str = "relu"
    loss: str = "sparse_categorical_crossentropy"

    @property
    def metric(self) -> str:
        """What is measured besides the loss."""
        return "mean_absolute_error" if _OUTPUTS[self.loss] == "linear" else "accuracy"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight, in Keras's order."""
        shapes: dict[str, tuple[int, ...]] = {}
        n_inputs = self.n_features
        for index, n_units in enumerate(self.hidden_units):
            name = _name_hidden(index)
            shapes |= {f"{name}_kernel": (n_inputs, n_units), f"{name}_bias": (n_units,)}
            n_inputs = n_units
        return shapes | {"output_kernel": (n_inputs, self.n_outputs), "output_bias": (self.n_outputs,)}

    @property
    def graph(self) -> Architecture:
        """What the graph depends on: whether there are dropout and penalty, but not how much."""
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
                continue
            limit = np.float32(np.sqrt(6 / sum(shape)))
            weights.append((2 * rng.random(shape, dtype=np.float32) - 1) * limit)
        return weights

    def logits(self, weights: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return the logits of rows, of a regressor the predictions themselves, without TensorFlow.

        In float64 no digit that matters depends on the other rows, as it does in a float32 matrix product.
        """
        activate = ACTIVATIONS[self.activation]
        *hidden, kernel, bias = (array.astype(np.float64) for array in weights)
        logits = np.empty((len(X), self.n_outputs))
        step = max(1, _CHUNK_VALUES // max(X.shape[1], *self.hidden_units, 1))
        for start in range(0, len(X), step):
            rows = X[start : start + step].astype(np.float64)
            for weight, offset in zip(hidden[::2], hidden[1::2], strict=True):
                rows = activate(rows @ weight + offset)
            logits[start : start + step] = rows @ kernel + bias
        return logits

    def build(self, learning_rate: float = 1e-3, temperature: float = 1.0) -> keras.Model:
        """Return a compiled Keras model of standard parts, whatever Keras's global policy is."""
        model = self.build_layers(temperature)
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss=self.loss,
            metrics=[
                keras.metrics.BinaryAccuracy("accuracy") if _OUTPUTS[self.loss] == "sigmoid" else self.metric
            ],
            jit_compile=False,
            auto_scale_loss=False,  # of the float16 policy, whose layers these are not
        )
        return model

    def build_layers(self, temperature: float = 1.0) -> keras.Model:
        """Return the model without a loss."""
        settings: dict[str, Any] = {
            # An unseeded initializer would draw its seed from Python's global `random`.
            "kernel_initializer": keras.initializers.GlorotUniform(seed=0),
            "kernel_regularizer": keras.regularizers.L2(self.l2) if self.l2 else None,
            "dtype": "float32",
        }
        layers: list[Any] = [keras.Input((self.n_features,), dtype="float32", name="features")]
        for index, n_units in enumerate(self.hidden_units):
            name = _name_hidden(index)
            layers.append(keras.layers.Dense(n_units, activation=self.activation, name=name, **settings))
            layers.append(_dropout(self.dropout, index))
        if not self.hidden_units:
            layers.append(_dropout(self.dropout, 0))
        output = _OUTPUTS[self.loss]
        activation = output if temperature == 1 else "linear"
        layers.append(keras.layers.Dense(self.n_outputs, activation=activation, name="output", **settings))
        if temperature != 1:
            layers.append(keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature"))
            layers.append(keras.layers.Activation(output, dtype="float32", name=output))
        return keras.Sequential(layers, name="head")


def _name_hidden(index: int) -> str:
    return f"hidden_{index + 1}" if index else "hidden"


def _dropout(rate: float, index: int) -> Any:
    name = f"dropout_{index + 1}" if index else "dropout"
    return keras.layers.Dropout(rate, seed=index, dtype="float32", name=name)
