"""What a head's built-in network is: its weights, how drawn, the Keras model, its logits in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
import numpy as np
from scipy.special import erf, expit

from fishsk.head._centers import look_from_centers

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
    """What a network is, and what its loss is; how it is trained is elsewhere.

    Several networks of the same form stand side by side in one: their first hidden layers are one wide layer,
    and the kernels of what follows are stacked. A row of features holds one or several views of an image.
    `hidden_units` is a tuple if there are two hidden layers or more. What stands around centers, in front of
    all of it, does not train.
    """

    n_features: int
    hidden_units: int | tuple[int, ...]
    n_outputs: int
    dropout: float
    l2: float
    label_smoothing: float = 0.0
    n_networks: int = 1
    n_views: int = 1
    activation: str = "relu"
    loss: str = "sparse_categorical_crossentropy"
    n_centers: int = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        # fishsk 0.1 pickled the name of heads that were all classifiers.
        vars(self).update(
            {{"n_classes": "n_outputs"}.get(name, name): value for name, value in state.items()}
        )

    @property
    def hidden(self) -> tuple[int, ...]:
        """Number of units of each hidden layer."""
        if isinstance(self.hidden_units, tuple):
            return self.hidden_units
        return (self.hidden_units,) if self.hidden_units else ()

    @property
    def n_view_features(self) -> int:
        """Number of features of one view: what each network takes."""
        return self.n_features // self.n_views

    @property
    def n_inputs(self) -> int:
        """Number of values that what trains takes of a view."""
        return self.n_centers or self.n_view_features

    @property
    def fixed_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight that does not train, in Keras's order."""
        if not self.n_centers:
            return {}
        n_features, n_centers = self.n_view_features, self.n_centers
        return {
            "squares_kernel": (n_features, 1),
            "bumps_kernel": (n_features + 1, n_centers),
            "bumps_bias": (n_centers,),
            "basis_kernel": (n_centers, n_centers),
            "basis_bias": (n_centers,),
        }

    @property
    def trained(self) -> Architecture:
        """What trains, on what the centers answer."""
        if not self.n_centers:
            return self
        return replace(self, n_features=self.n_views * self.n_centers, n_centers=0)

    @property
    def n_members(self) -> int:
        """Number of answers that are averaged for a row."""
        return self.n_networks * self.n_views

    @property
    def metric(self) -> str:
        """What is measured besides the loss."""
        return "mean_absolute_error" if _OUTPUTS[self.loss] == "linear" else "accuracy"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight, in Keras's order."""
        stack = (self.n_networks,) if self.n_networks > 1 else ()
        shapes = self.fixed_shapes
        n_inputs = self.n_inputs
        for index, n_units in enumerate(self.hidden):
            name = _name_hidden(index)
            if index == 0:
                width = self.n_networks * n_units
                shapes |= {f"{name}_kernel": (n_inputs, width), f"{name}_bias": (width,)}
            else:
                shapes |= {f"{name}_kernel": (*stack, n_inputs, n_units), f"{name}_bias": (*stack, n_units)}
            n_inputs = n_units
        shapes["output_kernel"] = (*stack, n_inputs, self.n_outputs)
        shapes["output_bias"] = (*stack, self.n_outputs)
        return shapes

    @property
    def graph(self) -> Architecture:
        """What the graph depends on: whether there are dropout, penalty and smoothing, but not how much."""
        return replace(
            self,
            dropout=float(self.dropout > 0),
            l2=float(self.l2 > 0),
            label_smoothing=float(self.label_smoothing > 0),
        )

    @property
    def n_bytes(self) -> int:
        """Size of the weights and of Adam's two moments of each."""
        return 3 * 4 * sum(math.prod(shape) for shape in self.shapes.values())

    def initial_weights(self, rng: np.random.Generator) -> list[np.ndarray]:
        """Draw Glorot-uniform kernels and zero biases, as Keras's Dense does, from `rng` alone.

        Those of centers are not drawn: there must be none.
        """
        weights = []
        for name, shape in self.shapes.items():
            if name.endswith("bias"):
                weights.append(np.zeros(shape, np.float32))
                continue
            n_inputs, n_outputs = shape[-2:]
            if name == "hidden_kernel":
                n_outputs = self.hidden[0]  # of each network
            limit = np.float32(np.sqrt(6 / (n_inputs + n_outputs)))
            weights.append((2 * rng.random(shape, dtype=np.float32) - 1) * limit)
        return weights

    def look_from_centers(self, weights: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return rows as what trains takes them: all answers of the centers to all views side by side."""
        views = X.reshape(-1, self.n_view_features)
        return look_from_centers(weights[: len(self.fixed_shapes)], views).reshape(len(X), -1)

    def logits(self, weights: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return the logits of rows, the mean over views and networks, without TensorFlow.

        Of a regressor they are the predictions themselves. In float64 no digit that matters depends on the
        other rows, as it does in a float32 matrix product.
        """
        activate = ACTIVATIONS[self.activation]
        n_fixed = len(self.fixed_shapes)
        fixed = [array.astype(np.float64) for array in weights[:n_fixed]]
        *hidden, kernel, bias = (array.astype(np.float64) for array in weights[n_fixed:])
        if fixed and not hidden:  # the basis and what trains are one product
            *fixed, basis, offset = fixed
            kernel, bias = basis @ kernel, offset @ kernel + bias
        logits = np.empty((len(X), self.n_outputs))
        widest = max(X.shape[1], self.n_views * self.n_centers, self.n_members * max(self.hidden, default=0))
        step = max(1, _CHUNK_VALUES // widest)
        for start in range(0, len(X), step):
            rows = X[start : start + step].astype(np.float64).reshape(-1, self.n_view_features)
            if fixed:
                rows = look_from_centers(fixed, rows)
            if hidden:
                rows = activate(rows @ hidden[0] + hidden[1])
            deeper = list(zip(hidden[2::2], hidden[3::2], strict=True))
            if self.n_networks > 1:
                n_inputs = self.hidden[0] if hidden else self.n_inputs
                of_networks = rows.reshape(len(rows), -1, n_inputs).swapaxes(0, 1)
                for weight, offset in deeper:
                    of_networks = activate(of_networks @ weight + offset[:, np.newaxis])
                answers = (of_networks @ kernel + bias[:, np.newaxis]).mean(axis=0)
            else:
                for weight, offset in deeper:
                    rows = activate(rows @ weight + offset)
                answers = rows @ kernel + bias
            if self.n_views > 1:
                answers = answers.reshape(-1, self.n_views, self.n_outputs).mean(axis=1)
            logits[start : start + step] = answers
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
        is_single = self.n_members == 1 and temperature == 1
        features = keras.Input((self.n_features,), dtype="float32", name="features")
        views = (self.n_views,) if self.n_views > 1 else ()
        front = [_reshape((*views, self.n_view_features), "views")] if views else []
        layers = self._hidden_layers(views, settings)
        settings |= {"activation": _OUTPUTS[self.loss] if is_single else "linear", "name": "output"}
        layers.append(self._stacked(views, self.n_outputs, bool(self.hidden), settings))
        if self.n_members > 1:
            layers.append(_reshape((self.n_members, self.n_outputs), "members"))
            layers.append(keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean"))
        if temperature != 1:
            layers.append(keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature"))
        if not is_single and _OUTPUTS[self.loss] == "softmax":
            layers.append(keras.layers.Softmax(dtype="float32", name="softmax"))
        elif not is_single and _OUTPUTS[self.loss] == "sigmoid":
            layers.append(keras.layers.Activation("sigmoid", dtype="float32", name="sigmoid"))
        if not self.n_centers:
            return keras.Sequential([features, *front, *layers], name="head")
        found = self._look_in_layers(front[0](features) if front else features)
        for layer in layers:
            found = layer(found)
        return keras.Model(features, found, name="head")

    def _look_in_layers(self, rows: Any) -> Any:
        """Return what the centers answer, in layers that do not train."""
        dense = partial(keras.layers.Dense, kernel_initializer="zeros", dtype="float32", trainable=False)
        squared = keras.layers.Multiply(dtype="float32", name="squared")([rows, rows])
        squares = dense(1, use_bias=False, name="squares")(squared)
        # Not a sum of layers: TensorFlow 2.21 with oneDNN broadcasts it wrong for as many rows as centers.
        joined = keras.layers.Concatenate(dtype="float32", name="joined")([rows, squares])
        bumps = dense(self.n_centers, activation="exponential", name="bumps")(joined)
        return dense(self.n_centers, name="basis")(bumps)

    def _hidden_layers(self, views: tuple[int, ...], settings: dict[str, Any]) -> list[Any]:
        """Return the hidden layers, each with its dropout; without any, the dropout of the features."""
        layers, settings = [], settings | {"activation": self.activation}
        for index, n_units in enumerate(self.hidden):
            name = _name_hidden(index)
            if index:
                layers.append(self._stacked(views, n_units, True, settings | {"name": name}))
            else:
                width = self.n_networks * n_units
                layers.append(keras.layers.Dense(width, **settings | {"name": name}))
            layers.append(_dropout(self.dropout, index))
            if index == 0 and self.n_networks > 1:
                layers.append(_reshape((*views, self.n_networks, n_units), "networks"))
        return layers or [_dropout(self.dropout, 0)]

    def _stacked(self, views: tuple[int, ...], n_units: int, is_apart: bool, settings: dict[str, Any]) -> Any:
        """Return a layer that each network has of its own; `is_apart` if its inputs are its own too."""
        if self.n_networks == 1:
            return keras.layers.Dense(n_units, **settings)
        shape = (*views, self.n_networks, n_units)
        letters = "v" * len(views)
        equation = f"b{letters}mh,mhc->b{letters}mc" if is_apart else f"b{letters}d,mdc->b{letters}mc"
        return keras.layers.EinsumDense(equation, shape, bias_axes="mc", **settings)


def _name_hidden(index: int) -> str:
    return f"hidden_{index + 1}" if index else "hidden"


def _dropout(rate: float, index: int) -> Any:
    name = f"dropout_{index + 1}" if index else "dropout"
    return keras.layers.Dropout(rate, seed=index, dtype="float32", name=name)


def _reshape(shape: tuple[int, ...], name: str) -> Any:
    return keras.layers.Reshape(shape, dtype="float32", name=name)
