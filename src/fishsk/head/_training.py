"""One compiled Keras network per architecture, trained again and again from the weights that it is given."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from fishsk.head._architecture import Architecture
from fishsk.head._loop import Loop
from fishsk.head._shelves import borrow


class Network(Loop):
    """A Keras model and the two graphs that train and test it over rows, a whole epoch in one call.

    Keras's `Model.fit` returns to Python after each batch, shuffles by TensorFlow's global seed, and a new
    model is traced anew. Here the model, which callbacks see, is Keras's own, and the graphs work on its
    variables and on those of its optimizer: the loop over batches is part of the graph, the order of rows is
    given, dropout and penalty are variables, and whatever a fit leaves behind is overwritten by the next.

    Keras composes Adam's update of a dozen operations, each of which reads and writes arrays as large as the
    weights; with a kernel of 25,088 x 512 that traffic is most of a training step. TensorFlow's own kernel of
    the same formula passes once over weight, moments and gradient.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.model = architecture.build()
        self._optimizer = self.model.optimizer
        self._optimizer.build(self.model.trainable_variables)
        # Callbacks look at the metrics, which exist once they have seen an output.
        output = np.zeros((1, architecture.n_outputs), np.float32)
        self.model.compute_metrics(None, np.zeros(1) if self._has_classes else output, output)
        self.model.reset_metrics()
        self._weights = [variable.value for variable in self.model.trainable_variables]
        iterations, _, *moments = (variable.value for variable in self._optimizer.variables)
        self._iterations, self._moments = iterations, list(zip(moments[::2], moments[1::2], strict=True))
        self._target_spec = (
            tf.TensorSpec((None,), tf.int64)
            if self._has_classes
            else tf.TensorSpec((None, architecture.n_outputs), tf.float32)
        )
        self._dropout = tf.Variable(0.0, trainable=False)
        self._l2 = tf.Variable(0.0, trainable=False)
        self._seed = tf.Variable([0, 0], trainable=False, dtype=tf.int32)
        self._activate = getattr(tf.nn, architecture.activation)
        self._train = self._over_rows(self._train_step)
        self._test = self._over_rows(self._test_step)

    @property
    def _has_classes(self) -> bool:
        """Whether a row's target is the number of its class, and not a row of numbers."""
        return self.architecture.loss == "sparse_categorical_crossentropy"

    @property
    def is_intact(self) -> bool:
        """Whether the model is as `reset` left it, but for numbers: callbacks may do anything to it."""
        return self._identify() == self._identities and self._describe() == self._description

    def _identify(self) -> list[int]:
        """Return the identities of the parts that the graphs use."""
        optimizer = self.model.optimizer
        parts = [optimizer, *optimizer.variables, optimizer.learning_rate]
        return [id(part) for part in (*parts, *self.model.layers, *self.model.trainable_variables)]

    def _describe(self) -> tuple[Any, ...]:
        """Return the settings that callbacks which save the model write, but for the learning rate."""
        return self.model.get_config(), self.model.loss, self._optimizer.get_config() | {"learning_rate": 0}

    def reset(
        self,
        architecture: Architecture,
        weights: list[np.ndarray],
        learning_rate: float,
        optimizer_state: list[np.ndarray] | None,
    ) -> None:
        """Make the network equal to a new one of an architecture with this graph, with these weights."""
        self._dropout.assign(architecture.dropout)
        self._l2.assign(architecture.l2)
        for layer in self.model.layers:  # what callbacks that save the model write
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = architecture.dropout
            elif getattr(layer, "kernel_regularizer", None) is not None:
                layer.kernel_regularizer.l2 = architecture.l2
        self.model.set_weights(weights)
        for index, variable in enumerate(self._optimizer.variables):
            variable.assign(optimizer_state[index] if optimizer_state else np.zeros(variable.shape))
        self._optimizer.learning_rate = learning_rate
        self._identities, self._description = self._identify(), self._describe()

    def optimizer_state(self) -> list[np.ndarray]:
        """Return what `reset` needs to go on as if training had not been interrupted."""
        return [variable.numpy() for variable in self._optimizer.variables]

    def _reset_logs(self) -> None:
        self._sums = np.zeros(3)

    def _get_logs(self) -> dict[str, float]:
        """Return loss and metric from their sums over rows; in the metric each row counts as one."""
        loss, measured, n_rows = self._sums.tolist()
        return {"loss": loss / n_rows, self.architecture.metric: measured / n_rows}

    def _begin_epoch(self, rng: np.random.Generator) -> None:
        self._seed.assign([int(rng.integers(2**31)), 0])

    def _train_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        self._sums += self._train(*tensors, rows, batch_size).numpy()

    def _test_rows(self, tensors: Any, rows: np.ndarray, batch_size: int) -> None:
        self._sums += self._test(*tensors, rows, batch_size).numpy()

    def _over_rows(self, step: Any) -> Any:
        """Return the graph that takes `step` with each batch of rows, and sums what the steps return."""
        step = tf.autograph.experimental.do_not_convert(step)

        # Sizes are left open in the signature, so that it fits all data and every batch size.
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, self.architecture.n_features), tf.float32),
                self._target_spec,
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None,), tf.int64),
                tf.TensorSpec((), tf.int64),
            ]
        )
        def run(X: Any, y: Any, weight: Any, rows: Any, batch_size: int | None) -> Any:
            sums = tf.zeros(3, tf.float64)
            for start in tf.range(0, tf.size(rows, out_type=tf.int64), batch_size):
                sums += step(X, y, weight, rows[start : start + batch_size])
            return sums

        return run.get_concrete_function()  # calls trace nothing, so TensorFlow has nothing to warn of

    def _train_step(self, X: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Take a step with a batch of rows."""
        with tf.GradientTape() as tape:
            logits = self._logits(tf.gather(X, rows), training=True)
            loss, sums = self._measure(logits, tf.gather(y, rows), tf.gather(weight, rows))
        gradients = tape.gradient(loss, self._weights)
        optimizer, step = self._optimizer, tf.cast(self._iterations + 1, tf.float32)
        for weights, gradient, (momentum, velocity) in zip(
            self._weights, gradients, self._moments, strict=True
        ):
            tf.raw_ops.ResourceApplyAdam(
                var=weights.handle,
                m=momentum.handle,
                v=velocity.handle,
                beta1_power=tf.pow(tf.constant(optimizer.beta_1, tf.float32), step),
                beta2_power=tf.pow(tf.constant(optimizer.beta_2, tf.float32), step),
                lr=tf.cast(optimizer.learning_rate.value, tf.float32),  # of Keras's floatx
                beta1=optimizer.beta_1,
                beta2=optimizer.beta_2,
                epsilon=optimizer.epsilon,
                grad=gradient,
            )
        self._iterations.assign_add(1)
        return sums

    def _test_step(self, X: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        """Measure what is predicted of a batch of rows."""
        logits = self._logits(tf.gather(X, rows), training=False)
        return self._measure(logits, tf.gather(y, rows), tf.gather(weight, rows))[1]

    def _logits(self, X: tf.Tensor, *, training: bool) -> tf.Tensor:
        """Return the logits of rows."""
        *hidden, (kernel, bias) = zip(self._weights[::2], self._weights[1::2], strict=True)
        if not hidden:
            X = self._drop(X, training=training)
        for weight, offset in hidden:
            X = self._drop(self._activate(tf.nn.bias_add(tf.matmul(X, weight), offset)), training=training)
        return tf.nn.bias_add(tf.matmul(X, kernel), bias)

    def _drop(self, X: tf.Tensor, *, training: bool) -> tf.Tensor:
        if not (training and self.architecture.dropout):
            return X
        X = tf.nn.experimental.stateless_dropout(X, self._dropout.read_value(), self._seed.read_value())
        self._seed.assign_add([0, 1])
        return X

    def _measure(self, logits: tf.Tensor, y: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the loss of a batch, and what is summed over batches: see `_get_logs`.

        What is summed is the loss without the penalty: of classes the log loss.
        """
        losses, measured = self._measure_rows(logits, y)
        plain = loss = tf.reduce_mean(losses * weight)
        if self.architecture.l2:
            loss += self._l2 * tf.add_n([tf.reduce_sum(tf.square(each)) for each in self._weights[::2]])
        n_rows = tf.cast(tf.shape(y)[0], tf.float64)
        sums = [n_rows * tf.cast(plain, tf.float64), tf.reduce_sum(measured), n_rows]
        return loss, tf.stack(sums)

    def _measure_rows(self, logits: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return of each row its loss and the metric."""
        if self._has_classes:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
            return losses, tf.cast(tf.argmax(logits, axis=1) == y, tf.float64)
        if self.architecture.loss == "binary_crossentropy":
            losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits)
            right = tf.cast((logits > 0) == (y > 0.5), tf.float64)
            return tf.reduce_mean(losses, 1), tf.reduce_mean(right, 1)
        errors = tf.abs(logits - y)
        losses = {
            "mean_squared_error": tf.square,
            "mean_absolute_error": tf.identity,
            "huber": lambda error: tf.where(error <= 1, tf.square(error) / 2, error - 0.5),
        }[self.architecture.loss](errors)
        return tf.reduce_mean(losses, 1), tf.cast(tf.reduce_mean(errors, 1), tf.float64)


def borrow_network(architecture: Architecture) -> AbstractContextManager[Network]:
    """Lend the network with the graph of `architecture`."""
    graph = architecture.graph
    return borrow(graph, lambda: Network(graph))
