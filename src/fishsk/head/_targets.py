"""Targets as networks want them, and what these predict as scikit-learn wants it.

Encoders have the interface of scikeras's: a subclass of a head may put another in the place of one, by its
`target_encoder`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import type_of_target

RowsLike = ArrayLike | Mapping[str, ArrayLike]
Rows = np.ndarray | dict[str, np.ndarray]  # as a network takes them
Weight = ArrayLike | None  # of each row


class ClassEncoder(BaseEstimator):
    """Classes, tags or several classes of each row, as numbers.

    Parameters
    ----------
    loss : object, default=None
        The loss that a head was given. With a categorical cross-entropy, classes are one-hot.
    classes : array-like of shape (n_classes,), default=None
        All class labels, if `y` need not hold each.
    tags : sequence of str, default=None
        The names of the columns of `y`, which are then tags, also where each row has just one.
    """

    def __init__(
        self, loss: object = None, classes: ArrayLike | None = None, tags: Sequence[str] | None = None
    ) -> None:
        self.loss = loss
        self.classes = classes
        self.tags = tags

    def fit(self, y: np.ndarray) -> Self:
        """Learn the classes of `y`."""
        kind = type_of_target(y if self.classes is None else np.asarray(self.classes))
        if self.tags is not None and (kind != "multilabel-indicator" or y.shape[1] != len(self.tags)):
            raise ValueError(
                f"y must be a table of 0 and 1 with a column for each of the tags {[*self.tags]}. Got {kind} "
                f"of shape {y.shape}."
            )
        if kind == "multilabel-indicator":
            self.thresholds_ = np.full(y.shape[1], 0.5)
            self.classes_: Any = np.arange(y.shape[1])
            self.kind_ = "tags"
            named = self.classes is not None or self.tags is not None
            if not named and y.min() == 0 and (y.sum(axis=1) == 1).all():
                self.kind_ = "one-hot"
                warnings.warn(
                    "y has exactly one 1 in each row: it is read as one class for each row, and not as tags, "
                    "and predictions are such rows, too. Pass y.argmax(axis=1) to learn class labels, or "
                    "tags, the names of the columns.",
                    UserWarning,
                    stacklevel=2,
                )
        elif kind == "multiclass-multioutput":
            self.kind_, self.classes_ = "columns", [np.unique(column) for column in y.T]
        elif kind in ("binary", "multiclass"):
            self.kind_ = "classes"
            self.classes_ = np.unique(y if self.classes is None else self.classes)
        else:
            raise ValueError(
                f"Unknown label type: y must hold classes, tags or several classes of each row. Got {kind}. "
                "A KerasHeadRegressor predicts numbers."
            )
        return self

    def transform(self, y: np.ndarray) -> Any:
        """Return `y` as float32: numbers of classes, one-hot rows or tags; of several columns a list."""
        if (y.ndim == 1) != (self.kind_ == "classes"):
            raise ValueError(f"y must have as many dimensions as in the first fit. Got shape {y.shape}.")
        if self.kind_ in ("one-hot", "tags"):
            return y.astype(np.float32)
        if self.kind_ == "columns":
            return [_encode(*each) for each in zip(y.T, self.classes_, strict=True)]
        codes = _encode(y, self.classes_)
        if is_categorical(self.loss):
            return np.eye(len(self.classes_), dtype=np.float32)[codes[:, 0].astype(int)]
        return codes

    def inverse_transform(self, y: Any, return_proba: bool = False) -> Any:
        """Return the classes, or their probabilities, that the outputs `y` of a network mean."""
        if self.kind_ == "columns":
            proba = [_both_classes(np.asarray(each)) for each in y]
            chosen = [
                classes[each.argmax(axis=1)] for classes, each in zip(self.classes_, proba, strict=True)
            ]
            return proba if return_proba else np.column_stack(chosen)
        y = np.asarray(y).reshape(len(y), -1)
        if self.kind_ == "tags":
            return y if return_proba else (y > self.thresholds_).astype(np.int64)
        if self.kind_ == "classes":
            y = _both_classes(y)
        if return_proba:
            return y
        chosen = y.argmax(axis=1)
        if self.kind_ == "one-hot":
            return np.eye(y.shape[1], dtype=np.int64)[chosen]
        return self.classes_[np.minimum(chosen, len(self.classes_) - 1)]

    def get_metadata(self) -> dict[str, object]:
        """Return what a function that builds a network may ask of its `meta`."""
        n_classes = list(map(len, self.classes_)) if self.kind_ == "columns" else len(self.classes_)
        n_columns = len(self.classes_) if self.kind_ == "columns" else 1
        # As of scikit-learn's trees: its scorers take two tags, 0 and 1, for one of two classes.
        classes = [np.arange(2)] * len(self.classes_) if self.kind_ == "tags" else self.classes_
        n_outputs = {"n_outputs_": n_columns, "n_outputs_expected_": n_columns}
        return {"classes_": classes, "n_classes_": n_classes, **n_outputs}


class NumberEncoder(BaseEstimator):
    """Numbers as they are, float32."""

    def fit(self, y: np.ndarray) -> Self:
        """Learn the shape of `y`."""
        self.shape_ = y.shape[1:]
        return self

    def transform(self, y: np.ndarray) -> np.ndarray:
        """Return `y` as float32."""
        if y.shape[1:] != self.shape_:
            expected = f"{self.shape_[0]} numbers a row" if self.shape_ else "one number a row"
            raise ValueError(f"y must hold {expected}, as in the first fit. Got shape {y.shape}.")
        return y.astype(np.float32)

    def inverse_transform(self, y: ArrayLike) -> np.ndarray:
        """Return outputs of a network in the shape of the targets."""
        return np.asarray(y).reshape(-1, *self.shape_)

    def get_metadata(self) -> dict[str, object]:
        """Return what a function that builds a network may ask of its `meta`."""
        return {"n_outputs_": self.shape_[0] if self.shape_ else 1, "n_outputs_expected_": 1}


class Unchanged(BaseEstimator):
    """Rows as they are, arrays or dicts of them."""

    def fit(self, X: Rows) -> Self:
        """Learn nothing."""
        return self

    def transform(self, X: Rows) -> Rows:
        """Return `X`."""
        return X


def take_rows(nest: Any, rows: Any) -> Any:
    """Return some rows of an array, or of each in a nest of them."""
    if isinstance(nest, dict):
        return {name: take_rows(part, rows) for name, part in nest.items()}
    if isinstance(nest, list | tuple):
        return [take_rows(part, rows) for part in nest]
    return nest[rows]


def is_categorical(loss: object) -> bool:
    """Return whether a loss is Keras's categorical cross-entropy, by name, class, instance or function."""
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)
    return name in ("categorical_crossentropy", "CategoricalCrossentropy", "cce")


def find_codes(targets: np.ndarray) -> np.ndarray:
    """Return the number of each row's class: of a single column this, else the place of the largest value."""
    targets = targets.reshape(len(targets), -1)
    return targets[:, 0].astype(np.int64) if targets.shape[1] == 1 else targets.argmax(axis=1)


def join_outputs(parts: Any, *, apart: bool) -> Any:
    """Return single columns of several outputs side by side, unless they are to stay apart."""
    if not isinstance(parts, list) or apart or any(part.shape[1:] != (1,) for part in parts):
        return parts
    return np.hstack(parts)


def _both_classes(proba: np.ndarray) -> np.ndarray:
    proba = proba.reshape(len(proba), -1)
    return np.column_stack([1 - proba, proba]) if proba.shape[1] == 1 else proba


def _encode(y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return a column of the numbers of classes, float32."""
    unseen = np.setdiff1d(y, classes)
    if len(unseen):
        raise ValueError(
            f"y must hold only labels in classes_, {classes.tolist()}. Got also {unseen.tolist()}. "
            "A fit with warm_start=False learns new classes."
        )
    return np.searchsorted(classes, y).astype(np.float32)[:, np.newaxis]
