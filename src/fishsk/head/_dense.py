"""The built-in network: what it is, and its logits in NumPy; Keras is loaded when a model is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erf, expit

from fishsk._utils.process import check_not_forked

if TYPE_CHECKING:
    import keras

_CHUNK_VALUES = 2**22  # of the rows that are predicted at a time

#: Activations of hidden layers, in NumPy; the names are TensorFlow's and Keras's.
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x * expit(x),
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Architecture:
    """Architecture of a built-in network, without the settings of its training.

    `output` is the kind of its answers: one of several classes ("softmax"), any number of tags ("sigmoid"),
    numbers ("linear").
    """

    n_features: int
    hidden_units: tuple[int, ...]
    n_outputs: int
    dropout: float
    l2: float
    activation: str = "relu"
    output: str = "softmax"

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

    def draw_weights(self, seed: int) -> list[np.ndarray]:
        """Draw Glorot-uniform kernels and zero biases, as Keras's Dense does, from `seed` alone."""
        rng = np.random.default_rng((seed, 0))
        return [
            (2 * rng.random(shape, dtype=np.float32) - 1) * np.float32(np.sqrt(6 / sum(shape)))
            if len(shape) > 1
            else np.zeros(shape, np.float32)
            for shape in self.shapes.values()
        ]

    def build(self, weights: list[np.ndarray], *, output: str | None = None) -> keras.Model:
        """Return a Keras model of standard parts, whatever Keras's global policy is; it is not compiled.

        With another `output`, "linear", it answers with logits.
        """
        import keras

        check_not_forked()
        settings: dict[str, object] = {
            # An unseeded initializer would draw its seed from Python's global `random`.
            "kernel_initializer": keras.initializers.GlorotUniform(seed=0),
            "kernel_regularizer": keras.regularizers.L2(self.l2) if self.l2 else None,
            "dtype": "float32",
        }
        layers: list[keras.Layer] = [keras.Input((self.n_features,), dtype="float32", name="features")]
        for index in range(max(1, len(self.hidden_units))):
            if self.hidden_units:
                settings |= {"activation": self.activation, "name": _name_hidden(index)}
                layers.append(keras.layers.Dense(self.hidden_units[index], **settings))
            name = f"dropout_{index + 1}" if index else "dropout"
            layers.append(keras.layers.Dropout(self.dropout, seed=index, dtype="float32", name=name))
        settings |= {"activation": output or self.output, "name": "output"}
        model = keras.Sequential([*layers, keras.layers.Dense(self.n_outputs, **settings)], name="head")
        model.set_weights(weights)
        return model


@dataclass(eq=False)
class DenseNetwork:
    """A built-in network that has learned.

    `weights` are float32 kernels and biases, in Keras's order. With `optimizer_state`, `partial_fit` goes on
    as if training had not been interrupted.
    """

    architecture: Architecture
    weights: list[np.ndarray]
    optimizer_state: list[np.ndarray] | None = None

    @property
    def kinds(self) -> list[str]:
        """Kind of each output."""
        return [self.architecture.output]

    def check(self) -> None:
        """Raise ValueError if a weight is missing or does not fit, as a file may have it."""
        for (name, shape), array in zip(self.architecture.shapes.items(), self.weights, strict=True):
            if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(
                    f"The head's weight {name!r} must be an array of finite float32 of shape {shape}. "
                    f"Got {array.dtype} of shape {array.shape}."
                )

    def scores(self, X: np.ndarray, batch_size: int | None = None) -> np.ndarray:
        """Return the logits of rows, of numbers the predictions themselves.

        In float64 no digit that matters depends on the other rows, as it does in a float32 matrix product,
        nor on `batch_size`.
        """
        activate = ACTIVATIONS[self.architecture.activation]
        *hidden, kernel, bias = (array.astype(np.float64) for array in self.weights)
        scores = np.empty((len(X), self.architecture.n_outputs))
        step = max(1, _CHUNK_VALUES // max(X.shape[1], *self.architecture.hidden_units, 1))
        for start in range(0, len(X), step):
            rows = X[start : start + step].astype(np.float64)
            for weight, offset in zip(hidden[::2], hidden[1::2], strict=True):
                rows = activate(rows @ weight + offset)
            scores[start : start + step] = rows @ kernel + bias
        return scores


def _name_hidden(index: int) -> str:
    return f"hidden_{index + 1}" if index else "hidden"
