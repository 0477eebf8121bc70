"""make_fish_pipeline: frozen features and a classifier or regressor as one scikit-learn Pipeline."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import StandardScaler

from fishsk._compat.sklearn import HasMethods, StrOptions, validate_params
from fishsk._utils.files import StrPath
from fishsk.features import (
    BACKBONES,
    KerasFeatureTransformer,
    OnnxFeatureTransformer,
    Recipe,
    VGG16FeatureTransformer,
    find_recipe,
    join_parts,
    resolve_weights,
)

_REPORT_FEATURES: dict[str, Any] = {"pooling": None, "preprocessing": "unit"}
_REPORT_HEAD: dict[str, Any] = {
    "hidden_units": 512,
    "dropout": 0.5,
    "learning_rate": 1e-3,
    "epochs": 20,
    "batch_size": 32,
    "lr_factor": 0.5,
}


@validate_params(
    {
        "task": [StrOptions({"classification", "regression"})],
        "recipe": [StrOptions({"default", "report"})],
        "head": [HasMethods(["fit", "get_params"]), None],
    },
    prefer_skip_nested_validation=True,
)
def make_fish_pipeline(
    *,
    backbone: Any = "vgg16",
    head: BaseEstimator | None = None,
    task: str = "classification",
    recipe: str = "default",
    weights: str | os.PathLike | None = "imagenet",
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
    **params: Any,
) -> Pipeline:
    """Return a Pipeline from images to class labels or numbers: frozen features, scaling, a head.

    Parameters
    ----------
    backbone : str, path-like, keras.Model, transformer, or list of these, default="vgg16"
        The frozen network. ``"vgg16"`` makes a `VGG16FeatureTransformer`, any other name, a path or a model a
        `KerasFeatureTransformer`, which says what it may be: ``"EfficientNetV2B0"``, say, or a ``.keras``
        file. The path of an ``.onnx`` file makes an `OnnxFeatureTransformer`. Where nothing was measured of a
        network, the default recipe takes its last map, or its output, averaged. A name may carry its weights
        after a dot, as in timm: ``"vgg16.cifar95"``. A transformer is cloned.
        Several are put side by side in a `FeatureUnion`, each with its own image size and weights, under the
        names of their networks: ``features__vgg16__layers``.
    head : classifier, regressor or None, default=None
        The classifier or regressor that learns from the features; it is cloned. None is a Keras head with the
        parameters of the recipe, as `task` says.
    task : {"classification", "regression"}, default="classification"
        Task of the default head. "regression" (ages, weights, counts) makes it a `KerasHeadRegressor` in a
        `TransformedTargetRegressor`, which standardizes the targets: its parameters are spelled
        ``head__regressor__...``. A custom head needs no `task`.
    recipe : {"default", "report"}, default="default"
        ``"default"`` is what cross-validation on training images showed best for these weights. ``"report"``
        is the network and training of the technical report that fishsk came from: flattened maps of VGG16 on
        pixels divided by 255, Dense(512, relu), Dropout(0.5), softmax, 20 epochs of Adam with the learning
        rate halved on plateaus; its validation images come out of the training images.
    weights : {"imagenet", "cifar95"}, path-like or None, default="imagenet"
        The frozen weights, as in the transformer, of each network whose name carries none; ``"cifar95"`` are
        of VGG16.
    random_state : int, RandomState instance or None, default=None
        Seeds the head: its first weights, dropout, shuffling and validation split. The same int gives the
        same bits. A custom head gets it if it has a `random_state` that is None.
    verbose : int, default=0
        1 shows progress bars.
    **params : dict
        Parameters of the steps in scikit-learn's spelling, such as ``head__dropout=0.2``,
        ``features__image_size=64``, or ``scale="passthrough"``. They win over the recipe. Of several
        backbones, a parameter that is given to "features" itself is given to each.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Its steps are "features" (`VGG16FeatureTransformer`, `KerasFeatureTransformer`,
        `OnnxFeatureTransformer` or a `FeatureUnion` of these), "scale" (`StandardScaler`; "passthrough" in
        the report's recipe) and "head".

    Raises
    ------
    ValueError
        If `weights` is neither a known name nor a file of weights, a classifier is to be the head of a
        regression, or the report's recipe is asked of another network than VGG16.

    See Also
    --------
    VGG16FeatureTransformer : The forms of images that the first step takes.
    KerasFeatureTransformer : The first step for any other network.
    OnnxFeatureTransformer : The first step for a network in an ONNX file.
    KerasHeadClassifier : The last step, by default.
    KerasHeadRegressor : The same for numbers.
    sklearn.compose.TransformedTargetRegressor : Scales the targets of any regressor.

    Notes
    -----
    scikit-learn 1.9 does not see a classifier in plain ``scikeras.wrappers.KerasClassifier``, so that
    cross-validation does not stratify: pass ``cv=StratifiedKFold()``.

    Examples
    --------
    >>> from fishsk import make_fish_pipeline
    >>> pipeline = make_fish_pipeline(weights="cifar95", random_state=0, head__dropout=0.2)
    >>> [name for name, _ in pipeline.steps]
    ['features', 'scale', 'head']
    >>> pipeline["head"].dropout
    0.2

    Any other network:

    >>> make_fish_pipeline(backbone="MobileNetV3Small", weights=None)["features"]
    KerasFeatureTransformer(backbone='MobileNetV3Small', weights=None)

    Several side by side:

    >>> pipeline = make_fish_pipeline(backbone=["vgg16.cifar95", "MobileNetV3Small"], weights=None)
    >>> [name for name, _ in pipeline["features"].transformer_list]
    ['vgg16', 'mobilenetv3small']
    >>> pipeline["features"]["vgg16"].weights
    'cifar95'

    Any other classifier learns from the same features, which are computed once for all:

    >>> from sklearn.svm import SVC
    >>> pipeline = make_fish_pipeline(head=SVC(), weights="cifar95", head__C=3)
    >>> pipeline["head"]
    SVC(C=3)

    Numbers instead of classes:

    >>> pipeline = make_fish_pipeline(task="regression", weights="cifar95", head__regressor__epochs=10)
    >>> pipeline["head"].regressor.epochs
    10
    """
    is_report = recipe == "report"
    features, learned = _make_features(backbone, weights, is_report=is_report, verbose=verbose)
    if head is None:
        from fishsk.head import KerasHeadClassifier, KerasHeadRegressor  # which load Keras

        common: dict[str, Any] = {"random_state": random_state, "verbose": verbose}
        if task == "regression" and not is_report:  # of all networks: benchmarks/bench_regression.py
            learned = find_recipe(BACKBONES[0]).head
        # The recipe's settings are of the built-in network.
        if any(params.get(name) is not None for name in ("head__model", "head__regressor__model")):
            learned = {}
        if task == "classification":
            head = KerasHeadClassifier(**common, **learned)
        else:
            regressor = KerasHeadRegressor(**common, **learned)
            head = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    elif task == "regression" and is_classifier(head):
        raise ValueError(f"head must be a regressor for task='regression'. Got {head!r}.")
    else:
        head = clone(head)
    # What learns where targets are scaled is inside.
    inner = "regressor__" if isinstance(head, TransformedTargetRegressor) else ""
    settings = head.get_params()
    if settings.get(f"{inner}random_state", 0) is None:
        head.set_params(**{f"{inner}random_state": random_state})
    pipeline = Pipeline(
        [("features", features), ("scale", "passthrough" if is_report else StandardScaler()), ("head", head)]
    )
    return pipeline.set_params(**_give_to_each(features, params))


def _make_features(
    backbone: Any, weights: StrPath | None, *, is_report: bool, verbose: int
) -> tuple[BaseEstimator, Mapping[str, Any]]:
    """Return what makes features, and the parameters of the head that serve it best."""
    if isinstance(backbone, list | tuple):
        if not backbone:
            raise ValueError(f"backbone must hold at least one network. Got {backbone!r}.")
        parts = [_make_features(each, weights, is_report=is_report, verbose=verbose) for each in backbone]
        return join_parts([part for part, _ in parts]), parts[0][1]
    if hasattr(backbone, "transform"):
        return clone(backbone), {}
    if isinstance(backbone, str) and (carried := re.fullmatch(r"(\w+)\.(?!(?:keras|onnx)$)(\w+)", backbone)):
        backbone, weights = carried.groups()
    if isinstance(backbone, str) and backbone.lower() == "vgg16":
        best = Recipe(_REPORT_FEATURES, _REPORT_HEAD) if is_report else resolve_weights(weights).recipe
        return VGG16FeatureTransformer(weights=weights, verbose=verbose, **best.features), best.head
    if is_report:
        raise ValueError(
            f"recipe='report' is of backbone='vgg16' alone. Got backbone={backbone!r}. Pass recipe='default'."
        )
    if isinstance(backbone, str | os.PathLike) and os.fspath(backbone).lower().endswith(".onnx"):
        return OnnxFeatureTransformer(backbone, verbose=verbose), {}
    best = find_recipe(backbone)
    made = KerasFeatureTransformer(backbone=backbone, weights=weights, verbose=verbose, **best.features)
    return made, best.head


def _give_to_each(features: BaseEstimator, params: dict[str, Any]) -> dict[str, Any]:
    """Return parameters in which each part of a union gets those that were meant for all of its parts."""
    if not isinstance(features, FeatureUnion):
        return params
    given: dict[str, Any] = {}
    for name in sorted(params, key=lambda name: name.count("__")):  # what is given to one part wins
        key = name.removeprefix("features__")
        takers = [part for part, each in features.transformer_list if key in each.get_params(deep=False)]
        if key == name or not takers:
            given[name] = params[name]
        else:
            given |= {f"features__{part}__{key}": params[name] for part in takers}
    return given
