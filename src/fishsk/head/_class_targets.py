"""What a classifier knows of its targets: classes or tags, their numbers, their weights, their loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from fishsk._compat.sklearn import check_sample_weight
from fishsk.head._base import KerasHead
from fishsk.head._calibration import fit_temperature
from fishsk.head._targets import ClassEncoder


class ClassifyingHead(KerasHead):
    """Base of a head that predicts classes or tags."""

    _has_tags = False  # whether rows have any number of tags, and not one class each

    def _validate(self, X: Any, y: Any, *, reset: bool) -> Any:
        is_table = getattr(np.asarray(y), "ndim", 1) == 2 and type_of_target(y) == "multilabel-indicator"
        X, y = validate_data(self, X, y, dtype=np.float32, order="C", reset=reset, multi_output=is_table)
        check_classification_targets(y)
        return X, y

    def _learn_targets(self, y: Any, classes: Any = None) -> None:
        self._has_tags = y.ndim == 2
        labels = y if classes is None else classes
        self.classes_ = np.arange(y.shape[1]) if self._has_tags else np.unique(labels)

    def _learn_built_in_targets(self, meta: Any) -> None:
        self._has_tags = self.target_encoder_.kind_ != "classes"
        if self.target_encoder_.kind_ == "columns":
            raise ValueError(
                "y must hold one label a row, or tags, for the built-in network. Got several columns of "
                "labels. Use sklearn.multioutput.MultiOutputClassifier, or pass a model with several outputs."
            )

    @property
    def target_encoder(self) -> ClassEncoder:
        """Transformer of `y` for networks of one's own, for subclasses to override."""
        return ClassEncoder(loss=self.loss)

    def _has_built_in_loss(self) -> bool:
        return self.loss is None

    def _choose_loss(self, model: keras.Model) -> Any:
        """Return the cross-entropy that suits what a network answers with."""
        kind = getattr(self.target_encoder_, "kind_", "classes")
        if kind == "tags":
            return "binary_crossentropy"
        if kind == "one-hot":
            return "categorical_crossentropy"
        losses = [
            "binary_crossentropy" if output.shape[-1] == 1 else "sparse_categorical_crossentropy"
            for output in model.outputs
        ]
        return losses if len(losses) > 1 else losses[0]

    @property
    def _n_outputs(self) -> int:
        return len(self.classes_)

    @property
    def _loss(self) -> str:
        return "binary_crossentropy" if self._has_tags else "sparse_categorical_crossentropy"

    def _encode(self, y: Any) -> Any:
        """Return the number of each row's class, or its tags as float32."""
        if (y.ndim == 2) != self._has_tags or (self._has_tags and y.shape[1] != len(self.classes_)):
            expected = f"a table of {len(self.classes_)} tags" if self._has_tags else "one label a row"
            raise ValueError(f"y must hold {expected}, as in the first fit. Got shape {y.shape}.")
        if self._has_tags:
            return y.astype(np.float32)
        unseen = np.setdiff1d(y, self.classes_)
        if len(unseen):
            raise ValueError(
                f"y must hold only labels in classes_, {self.classes_.tolist()}. Got also {unseen.tolist()}. "
                "A fit with warm_start=False learns new classes."
            )
        return np.searchsorted(self.classes_, y)

    def _strata(self, targets: Any, rows: Any, *, own: bool) -> Any:
        if own and getattr(self.target_encoder_, "kind_", "") == "classes":
            targets = targets[rows]
            codes = targets[:, 0].astype(np.int64) if targets.shape[1] == 1 else targets.argmax(axis=1)
            return codes if len(np.unique(codes)) > 1 else None
        if own or self._has_tags:
            return None
        targets = targets[rows]
        present = np.unique(targets)
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least 2 classes among the rows of y whose weight is not 0. "
                f"Got 1 class, {self.classes_[present].tolist()[0]!r}."
            )
        return targets

    def _weigh_own(self, X: Any, y: Any, sample_weight: Any) -> Any:
        weight = super()._weigh_own(X, y, sample_weight)
        return weight if self.class_weight is None else weight * compute_sample_weight(self.class_weight, y)

    def _row_weights(self, X: Any, y: Any, sample_weight: Any) -> Any:
        weight = check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        if self.class_weight is None:
            return weight
        if self._has_tags:
            return weight * compute_sample_weight(self.class_weight, y)
        rows = np.flatnonzero(weight)  # a class whose rows all weigh nothing cannot be balanced
        classes, codes = np.unique(y[rows], return_inverse=True)
        by_class = compute_class_weight(
            self.class_weight,
            classes=classes,
            y=y[rows],
            sample_weight=None if sample_weight is None else weight[rows],
        )
        weighted = np.zeros_like(weight)
        weighted[rows] = weight[rows] * by_class[codes]
        return weighted

    @property
    def _is_calibrated(self) -> bool:
        return self.calibration is not None and not self._has_tags

    def _calibrate(self, logits: Any, targets: Any, weight: Any) -> None:
        if self._is_calibrated:
            self._temperature = fit_temperature(logits, targets, weight)

    def _get_target_state(self) -> dict[str, Any]:
        return {
            "classes": self.classes_.tolist(),
            "classes_dtype": self.classes_.dtype.str,
            "temperature": self._temperature,
        }

    def _set_target_state(self, meta: dict[str, Any], architecture: Any) -> None:
        self.classes_ = np.array(meta["classes"], dtype=meta["classes_dtype"])
        self._temperature = meta.get("temperature", 1.0)
        self._has_tags = architecture.loss == "binary_crossentropy"
