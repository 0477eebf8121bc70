"""What a head's network is: its weights, how they are drawn, the Keras model and what NumPy makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

_CHUNK_VALUES = 2**22  # of the rows that are predicted at a time


@dataclass(frozen=True)
class Architecture:
    """What a network is, and what its loss adds to the cross-entropy; how it is trained is elsewhere.

    Several networks of the same form stand side by side in one: their hidden layers are one wide layer, and
    the kernels of their outputs are stacked. A row of features holds one or several views of an image.
    """

    n_features: int
    hidden_units: int
    n_classes: int
    dropout: float
    l2: float
    label_smoothing: float = 0.0
    n_networks: int = 1
    n_views: int = 1

    @property
    def n_view_features(self) -> int:
        """Number of features of one view: what each network takes."""
        return self.n_features // self.n_views

    @property
    def n_members(self) -> int:
        """Number of answers that are averaged for a row."""
        return self.n_networks * self.n_views

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight, in Keras's order."""
        stack = (self.n_networks,) if self.n_networks > 1 else ()
        n_inputs = self.hidden_units or self.n_view_features
        output = {
            "output_kernel": (*stack, n_inputs, self.n_classes),
            "output_bias": (*stack, self.n_classes),
        }
        if not self.hidden_units:
            return output
        width = self.n_networks * self.hidden_units
        return {"hidden_kernel": (self.n_view_features, width), "hidden_bias": (width,)} | output

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
        """Draw Glorot-uniform kernels and zero biases, as Keras's Dense does, from `rng` alone."""
        weights = []
        for name, shape in self.shapes.items():
            if name.endswith("bias"):
                weights.append(np.zeros(shape, np.float32))
                continue
            n_inputs, n_outputs = shape[-2:]
            if name == "hidden_kernel":
                n_outputs = self.hidden_units  # of each network
            limit = np.float32(np.sqrt(6 / (n_inputs + n_outputs)))
            weights.append((2 * rng.random(shape, dtype=np.float32) - 1) * limit)
        return weights

    def logits(self, weights: list[np.ndarray], X: np.ndarray) -> np.ndarray:
        """Return the logits of rows, the mean over views and networks, without TensorFlow.

        In float64 no digit that matters depends on the other rows, as it does in a float32 matrix product.
        """
        *hidden, kernel, bias = (array.astype(np.float64) for array in weights)
        logits = np.empty((len(X), self.n_classes))
        step = max(1, _CHUNK_VALUES // max(X.shape[1], self.n_members * self.hidden_units))
        for start in range(0, len(X), step):
            rows = X[start : start + step].astype(np.float64).reshape(-1, self.n_view_features)
            if hidden:
                rows = np.maximum(rows @ hidden[0] + hidden[1], 0)
            if self.n_networks > 1:
                of_networks = rows.reshape(len(rows), -1, kernel.shape[1]).swapaxes(0, 1)
                answers = (of_networks @ kernel + bias[:, np.newaxis]).mean(axis=0)
            else:
                answers = rows @ kernel + bias
            if self.n_views > 1:
                answers = answers.reshape(-1, self.n_views, self.n_classes).mean(axis=1)
            logits[start : start + step] = answers
        return logits

    def build(self, learning_rate: float = 1e-3, temperature: float = 1.0) -> keras.Model:
        """Return a compiled Keras model of standard parts, whatever Keras's global policy is."""
        settings: dict[str, Any] = {
            # An unseeded initializer would draw its seed from Python's global `random`.
            "kernel_initializer": keras.initializers.GlorotUniform(seed=0),
            "kernel_regularizer": keras.regularizers.L2(self.l2) if self.l2 else None,
            "dtype": "float32",
        }
        is_single = self.n_members == 1 and temperature == 1
        layers = [keras.Input((self.n_features,), dtype="float32", name="features")]
        views = (self.n_views,) if self.n_views > 1 else ()
        if views:
            layers.append(_reshape((*views, self.n_view_features), "views"))
        if self.hidden_units:
            width = self.n_networks * self.hidden_units
            layers.append(keras.layers.Dense(width, activation="relu", name="hidden", **settings))
        layers.append(keras.layers.Dropout(self.dropout, seed=0, dtype="float32", name="dropout"))
        activation = "softmax" if is_single else "linear"
        settings |= {"activation": activation, "name": "output"}
        if self.n_networks == 1:
            layers.append(keras.layers.Dense(self.n_classes, **settings))
        else:
            layers += self._stacked_outputs(views, settings)
        if self.n_members > 1:
            layers.append(_reshape((self.n_members, self.n_classes), "members"))
            layers.append(keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean"))
        if temperature != 1:
            layers.append(keras.layers.Rescaling(1 / temperature, dtype="float32", name="temperature"))
        if not is_single:
            layers.append(keras.layers.Softmax(dtype="float32", name="softmax"))
        model = keras.Sequential(layers, name="head")
        model.compile(
            optimizer=keras.optimizers.Adam(learning_rate),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
            jit_compile=False,
            auto_scale_loss=False,  # of the float16 policy, whose layers these are not
        )
        return model

    def _stacked_outputs(self, views: tuple[int, ...], settings: dict[str, Any]) -> list[Any]:
        """Return the layers of the outputs of several networks."""
        shape = (*views, self.n_networks, self.n_classes)
        letters = "v" * len(views)
        if not self.hidden_units:
            equation = f"b{letters}d,mdc->b{letters}mc"
            return [keras.layers.EinsumDense(equation, shape, bias_axes="mc", **settings)]
        equation = f"b{letters}mh,mhc->b{letters}mc"
        return [
            _reshape((*views, self.n_networks, self.hidden_units), "networks"),
            keras.layers.EinsumDense(equation, shape, bias_axes="mc", **settings),
        ]


def _reshape(shape: tuple[int, ...], name: str) -> Any:
    return keras.layers.Reshape(shape, dtype="float32", name=name)
