"""The steps of a fitted pipeline as one Keras model, from images to what the pipeline answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.preprocessing import StandardScaler

from fishsk.features import add_to_keras_model

if TYPE_CHECKING:
    import keras

_LINEAR = (ElasticNet, LinearRegression, LogisticRegression, Ridge, RidgeCV)


def can_be_keras(steps: Sequence[BaseEstimator]) -> bool:
    """Return whether Keras can hold what comes after the features."""
    return all(type(step) in _BETWEEN or _is_head(step) for step in steps[1:])


def build_keras(steps: Sequence[BaseEstimator]) -> keras.Model:
    """Return steps that `can_be_keras` lets pass as one functional Keras model, of float32 images."""
    import keras

    images = keras.Input((None, None, 3), dtype="float32", name="images")
    x = add_to_keras_model(steps[0], images)
    for step in steps[1:]:
        if isinstance(step, TransformedTargetRegressor):
            x = _add_head(step.regressor_, x)
            if step.transformer is not None:
                x = _normalize(step.transformer_, invert=True)(x)
        else:
            make = _BETWEEN.get(type(step))
            x = _add_head(step, x) if make is None else make(step)(x)
    return keras.Model(images, x, name="fish")


def _is_head(step: BaseEstimator) -> bool:
    if isinstance(step, TransformedTargetRegressor):
        is_known = step.transformer is None or type(step.transformer) is StandardScaler
        return step.func is None and is_known and _is_head(step.regressor_)
    return hasattr(step, "to_keras") or isinstance(step, _LINEAR)


def _add_head(
    step: BaseEstimator, features: keras.KerasTensor
) -> keras.KerasTensor | list[keras.KerasTensor]:
    """Return what a head answers on features: of a classifier a column for each class."""
    import keras

    if hasattr(step, "to_keras"):
        x = step.to_keras(features)
        is_single = not isinstance(x, list | tuple) and x.shape[-1] == 1
        if is_single and is_classifier(step) and len(step.classes_) == 2:
            x = keras.ops.concatenate([1 - x, x], axis=1)
        return x
    coef, intercept = np.atleast_2d(step.coef_).T, np.atleast_1d(step.intercept_)
    activation = None
    if isinstance(step, LogisticRegression):
        activation = "softmax"
        if coef.shape[1] == 1:  # the softmax of 0 and a logit is the sigmoid of this
            coef, intercept = (np.concatenate([0 * part, part], axis=-1) for part in (coef, intercept))
    layer = keras.layers.Dense(coef.shape[1], activation, dtype="float32", name="linear")
    layer.build((None, len(coef)))
    layer.set_weights([coef, np.broadcast_to(intercept, coef.shape[1:])])
    return layer(features)


def _project(pca: PCA) -> keras.Sequential:
    """Return the Keras layers that do what a fitted PCA does."""
    import keras

    axes, variance = pca.components_.T, pca.explained_variance_
    if pca.whiten:
        axes = axes / np.sqrt(np.maximum(variance, np.finfo(variance.dtype).eps))
    layer = keras.layers.Dense(axes.shape[1], use_bias=False, dtype="float32", name="project")
    layer.build((None, len(axes)))
    layer.set_weights([axes])
    center = keras.layers.Normalization(mean=pca.mean_, variance=np.ones_like(pca.mean_), dtype="float32")
    return keras.Sequential([center, layer])


def _normalize(scaler: StandardScaler, *, invert: bool = False) -> keras.layers.Layer:
    """Return the Keras layer that does what a fitted scaler does, or undoes it."""
    import keras

    mean = scaler.mean_ if scaler.with_mean else np.zeros(scaler.n_features_in_)
    variance = scaler.scale_**2 if scaler.with_std else np.ones(scaler.n_features_in_)
    name = "unit" if invert else "scale"
    return keras.layers.Normalization(mean=mean, variance=variance, invert=invert, dtype="float32", name=name)


# Steps that may stand between features and head.
_BETWEEN: dict[type, Callable] = {StandardScaler: _normalize, PCA: _project}
