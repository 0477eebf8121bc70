"""How a head fits, whatever its network: checked data, a validation part, training, calibration."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold, train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target

from fishsk._utils.process import check_not_forked
from fishsk.head._building import build_custom, compile_model, copy_model, preserved_random
from fishsk.head._calibration import choose_thresholds, fit_temperature
from fishsk.head._callbacks import make_callbacks, show_epochs, skip_without
from fishsk.head._custom import KerasNetwork
from fishsk.head._dense import DenseNetwork
from fishsk.head._keywords import Keywords, find_builder, find_training, resolve_batch_size
from fishsk.head._scikeras import name_metric
from fishsk.head._state import join_histories
from fishsk.head._targets import ClassEncoder, Rows, RowsLike, Weight, find_codes, take_rows
from fishsk.head._trainer import use_trainer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fishsk.head._base import KerasHead

_LR_PATIENCE = 3  # epochs without a better loss, before the learning rate is lowered
_TEST_BATCH = 256
_N_FOLDS = 3  # that choose thresholds, where no rows validate


@dataclass
class _Data:
    """Rows and targets as a network takes them, the weight of each row, and which rows train and validate."""

    X: Rows
    targets: Any
    weight: np.ndarray
    train: np.ndarray
    validation: np.ndarray | None


def fit(head: KerasHead, X: RowsLike, y: ArrayLike, sample_weight: Weight, keywords: Keywords) -> None:
    """Train a head on rows, some of which validate, and calibrate it by these."""
    training = find_training(head, keywords)
    warm = head.warm_start and head.initialized_
    X, y, weight = _take_data(head, X, y, sample_weight, reset=not warm)
    network = _go_on(head, len(y)) if warm else _begin(head, X, y)
    data = _encode(head, X, y, weight, training, network.model)
    strata = head._strata(data.targets, data.train)
    if data.validation is None:
        fraction = training["validation_split"]
        data.train, data.validation = split_rows(data.train, strata, fraction, head._seed)
    if data.validation is not None and (n_steps := training["validation_steps"]) is not None:
        data.validation = data.validation[: n_steps * training["validation_batch_size"]]

    context = head._begin_task(training["epochs"])
    # Copied only if a callback of scikit-learn asks for them.
    task = {
        "estimator": head,
        "X": cache(lambda: take_rows(X, data.train)),
        "y": cache(lambda: y[data.train]),
    }
    if sample_weight is not None:
        task["metadata"] = cache(lambda: {"sample_weight": np.asarray(sample_weight)[data.train]})
    context.call_on_fit_task_begin(**task)
    callbacks = _make_steering(head, network, "loss" if data.validation is None else "val_loss")
    if hasattr(head, "_skl_callbacks"):

        def reconstruct(model: keras.Model) -> dict[str, object]:
            """Return the attributes of a head with the weights of `model`, which is in training."""
            is_custom = network.architecture is None
            learned = KerasNetwork.of(copy_model(model)) if is_custom else network.learned(model)
            return {"_network": learned, "_seed": head._seed, "temperature_": 1.0}

        callbacks.append(show_epochs(context, task, reconstruct))
    _train(head, network, data, training, callbacks)
    _calibrate(head, data)
    _set_thresholds(head, X, y, data, None if sample_weight is None else weight)
    context.call_on_fit_task_end(**task, reconstruction_attributes={})


def fit_an_epoch(
    head: KerasHead,
    X: RowsLike,
    y: ArrayLike,
    sample_weight: Weight,
    keywords: Keywords,
    classes: ArrayLike | None = None,
) -> None:
    """Train for one epoch on all rows; the optimizer and the randomness go on where they were."""
    if taken := {"epochs", "initial_epoch"} & keywords.keys():
        raise TypeError(
            f"Invalid argument: partial_fit takes no {min(taken)}, since it trains for one epoch, the next. "
            f"Got {keywords[min(taken)]}."
        )
    training = find_training(head, keywords) | {"epochs": 1}
    first = not head.initialized_
    X, y, weight = _take_data(head, X, y, sample_weight, reset=first)
    network = _begin(head, X, y, classes) if first else _go_on(head, len(y), keeps_optimizer=True)
    data = replace(_encode(head, X, y, weight, training, network.model), validation=None)
    _train(head, network, data, training, [], keeps_optimizer=True)


def initialize(head: KerasHead, X: RowsLike, y: ArrayLike) -> None:
    """Take over the weights that training would start from."""
    X, y, _ = _take_data(head, X, y, None, reset=True)
    network = _begin(head, X, y)
    head._take_over(network.learned(network.model), {})


def _take_data(
    head: KerasHead, X: RowsLike, y: ArrayLike, sample_weight: Weight, *, reset: bool
) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Return checked rows and targets, and the weight of each row."""
    X = head._validate_rows(X, reset=reset)
    y = head._validate_targets(X, y)
    return X, y, head._weigh(X, y, sample_weight)


def _begin(head: KerasHead, X: Rows, y: np.ndarray, classes: ArrayLike | None = None) -> KerasNetwork:
    """Return a new network for these rows and targets, and learn what there is to know of them."""
    check_not_forked()
    encoder = head.target_encoder
    if classes is not None and isinstance(encoder, ClassEncoder):
        encoder.set_params(classes=np.unique(classes))
    target_encoder, feature_encoder = encoder.fit(y), head.feature_encoder.fit(X)
    meta = {"target_type_": type_of_target(y if classes is None else np.asarray(classes))}
    meta |= {"y_dtype_": y.dtype, "y_ndim_": y.ndim}
    if isinstance(X, np.ndarray):
        meta |= {"X_dtype_": X.dtype, "X_shape_": X.shape, "n_features_in_": X.shape[1]}
    meta |= {"target_encoder_": target_encoder, "feature_encoder_": feature_encoder}
    for part in (target_encoder, feature_encoder):
        meta |= getattr(part, "get_metadata", dict)()
    for name, value in meta.items():
        setattr(head, name, value)
    head.history_ = {}
    if hasattr(head, "calibration"):
        head.temperature_ = 1.0
    head._seed = int(check_random_state(head.random_state).randint(np.iinfo(np.int32).max))
    kind = getattr(target_encoder, "kind_", None)
    if find_builder(head) is None:
        architecture = head._make_architecture(
            feature_encoder.transform(take_rows(X, slice(1))).shape[1], len(y)
        )
        weights = architecture.draw_weights(head._seed)
        if kind == "tags":
            # From the share of rows with each tag: a bias of 0 is half, which a rare tag is far from.
            n_with = y.sum(axis=0)
            weights[-1] = np.log((n_with + 0.5) / (len(y) - n_with + 0.5)).astype(np.float32)
        return KerasNetwork.of(compile_model(head, architecture.build(weights)), architecture)
    model = build_custom(head, meta, head._seed)
    if kind is not None and model.built and getattr(model, "outputs", None):
        expected = {meta["n_outputs_expected_"], meta["n_classes_"] if kind == "tags" else None}
        if len(model.outputs) not in expected:
            raise ValueError(
                f"model must have {meta['n_outputs_expected_']} outputs for such targets, but it has "
                f"{len(model.outputs)}: Detected a Keras model input of size {meta['n_outputs_expected_']}. "
                f"Got {model!r}."
            )
    return KerasNetwork.of(model)


def _go_on(head: KerasHead, n_rows: int, *, keeps_optimizer: bool = False) -> KerasNetwork:
    """Return the network that is there, to learn from some more rows."""
    check_not_forked()
    network = head._network
    if (find_builder(head) is None) != isinstance(network, DenseNetwork):
        raise ValueError(
            "model must be that of the network to go on with, built-in or custom. Got "
            f"{find_builder(head)!r}. A fit with warm_start=False builds a new network."
        )
    if not isinstance(network, DenseNetwork):
        return network
    asked, before = head._make_architecture(network.architecture.n_features, n_rows), network.architecture
    for name in ("hidden_units", "activation"):
        if getattr(asked, name) != getattr(before, name):
            raise ValueError(
                f"{name} must be {getattr(before, name)}, as in the network to go on with. "
                f"Got {getattr(asked, name)}. A fit with warm_start=False builds a new network."
            )
    architecture = replace(before, dropout=asked.dropout, l2=asked.l2)
    model = compile_model(head, architecture.build(network.weights))
    if keeps_optimizer and network.optimizer_state is not None:
        model.optimizer.build(model.trainable_variables)
        for variable, value in zip(model.optimizer.variables, network.optimizer_state, strict=True):
            variable.assign(value)
    return KerasNetwork.of(model, architecture)


def _encode(
    head: KerasHead, X: Rows, y: np.ndarray, weight: np.ndarray, training: dict[str, Any], model: keras.Model
) -> _Data:
    """Return rows, targets and weights as the network takes them, with `validation_data` at their end."""
    n_outputs = len(getattr(model, "outputs", None) or [0])

    def encode(X: Rows, y: np.ndarray) -> tuple[Rows, Any]:
        targets = head.target_encoder_.transform(y)
        if n_outputs > 1 and isinstance(targets, np.ndarray) and targets.shape[1:] == (n_outputs,):
            targets = np.hsplit(targets, n_outputs)
        return head.feature_encoder_.transform(X), targets

    encoded, targets = encode(X, y)
    for name, default in (("batch_size", 32), ("validation_batch_size", _TEST_BATCH)):
        training[name] = resolve_batch_size(training[name], encoded, default)
    if (by_code := training.get("class_weight")) is not None:
        codes = find_codes(np.asarray(targets))
        n_classes = len(getattr(head, "classes_", by_code))
        if not set(by_code) <= set(range(n_classes)):
            raise ValueError(
                f"class_weight of fit must hold the numbers of classes, 0 to {n_classes - 1}, as Keras's. "
                f"Got {list(by_code)}. Weights by label are a parameter of the estimator, class_weight."
            )
        weight = weight * np.array([by_code.get(int(code), 1.0) for code in codes])
    train = np.flatnonzero(weight)
    if training["validation_data"] is None:
        return _Data(encoded, targets, weight, train, None)
    X_part, y_part, *weights = training["validation_data"]
    X_part, y_part, part_weight = _take_data(head, X_part, y_part, *(weights or [None]), reset=False)
    encoded, targets = keras.tree.map_structure(
        lambda *parts: np.concatenate(parts), (encoded, targets), encode(X_part, y_part)
    )
    validation = np.arange(len(weight), len(weight) + len(part_weight))
    return _Data(encoded, targets, np.concatenate([weight, part_weight]), train, validation)


def split_rows(
    rows: np.ndarray, strata: np.ndarray | None, fraction: float | None, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows that train, and those that validate or None."""
    if not fraction:
        return rows, None
    n_validation = int(np.ceil(fraction * len(rows)))
    try:
        return tuple(train_test_split(rows, test_size=n_validation, stratify=strata, random_state=seed))
    except ValueError as error:
        warnings.warn(
            f"A validation part of validation_fraction={fraction} of {len(rows)} rows cannot be split off: "
            f"{error} All rows train, and the training loss is monitored. Pass validation_fraction=0 to "
            "silence this warning.",
            UserWarning,
            stacklevel=6,
        )
        return rows, None


def _make_steering(head: KerasHead, network: KerasNetwork, monitor: str) -> list[keras.callbacks.Callback]:
    """Return the callbacks that `lr_factor` and `early_stopping` ask for; a schedule steers itself."""
    callbacks: list[keras.callbacks.Callback] = []
    if head.lr_factor < 1 and network.rate is not None:
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau(monitor, factor=head.lr_factor, patience=_LR_PATIENCE)
        )
    if head.early_stopping:
        patience = head.early_stopping_patience
        callbacks.append(keras.callbacks.EarlyStopping(monitor, patience=patience, restore_best_weights=True))
    return [skip_without(monitor, callback) for callback in callbacks]


def _train(
    head: KerasHead,
    network: KerasNetwork,
    data: _Data,
    training: Mapping[str, Any],
    callbacks: list[keras.callbacks.Callback],
    *,
    keeps_optimizer: bool = False,
) -> None:
    """Train, and let the head take over what was learned."""
    callbacks = callbacks + make_callbacks(head, "fit", training["callbacks"])
    model = network.model
    X, targets = (keras.tree.map_structure(np.ascontiguousarray, part) for part in (data.X, data.targets))
    weight, parts = data.weight.copy(), [part for part in (data.train, data.validation) if part is not None]
    for part in parts:
        weight[part] /= weight[part].mean()
    uniform = all(np.ptp(data.weight[part]) == 0 for part in parts)
    arrays = (X, targets) if uniform else (X, targets, weight.astype(np.float32))
    with preserved_random(head._seed):  # first weights of a model that is built at its first use
        if network.trainer is None and not model.built:
            model.test_step(take_rows(arrays, slice(1)))
    model.optimizer.build(model.trainable_variables)
    if network.rate is not None:
        model.optimizer.learning_rate = network.rate
    first = len(head.history_.get("loss", [])) or training["initial_epoch"]
    with use_trainer(model, arrays, network.trainer) as trainer:
        history = trainer.fit(
            arrays,
            data.train,
            data.validation,
            {**training, "epochs": range(first, first + training["epochs"])},
            seed=head._seed,
            callbacks=callbacks,
            logs_rate=not keeps_optimizer,
        )
    network.trainer = trainer if trainer.model is model else None
    if not all(np.isfinite(array).all() for array in model.get_weights()):
        raise ValueError(
            f"Training diverged: the weights are not finite after {len(history.get('loss', []))} epochs. "
            f"Scale X, as StandardScaler does, or lower learning_rate. Got {head.learning_rate}."
        )
    history = join_histories(head.history_, {name_metric(name): values for name, values in history.items()})
    head._take_over(network.learned(model, keeps_optimizer=keeps_optimizer), history)


def _calibrate(head: KerasHead, data: _Data) -> None:
    """Fit the temperature of a head's logits on the part that validates, if they mean probabilities."""
    if not hasattr(head, "calibration"):
        return
    head.temperature_, kinds = 1.0, head._network.kinds
    if head.calibration is None or data.validation is None or "linear" in kinds:
        return
    X, targets = take_rows((data.X, data.targets), data.validation)
    scores = head._network.scores(X)
    scores, targets = (part if isinstance(part, list) else [part] for part in (scores, targets))
    codes = [
        each.reshape(len(each), -1) if kind == "sigmoid" else find_codes(each)
        for each, kind in zip(targets, kinds, strict=True)
    ]
    head.temperature_ = fit_temperature(scores, kinds, codes, data.weight[data.validation])


def _set_thresholds(head: KerasHead, X: Rows, y: np.ndarray, data: _Data, weight: np.ndarray | None) -> None:
    """Set from which probability on each tag is given: by rows that validate, or else by folds of all."""
    threshold, encoder = getattr(head, "threshold", 0.5), head.target_encoder_
    if getattr(encoder, "kind_", None) != "tags" or threshold == 0.5:
        return
    if threshold != "f1":
        encoder.thresholds_ = np.full(len(encoder.classes_), float(threshold))
    elif data.validation is not None:
        rows, targets = take_rows((data.X, data.targets), data.validation)
        proba = head._to_probabilities(head._network.scores(rows))
        targets = np.hstack(targets) if isinstance(targets, list) else targets
        encoder.thresholds_ = choose_thresholds(encoder.inverse_transform(proba, return_proba=True), targets)
    elif len(data.train) >= 2 * _N_FOLDS:
        twin = clone(head).set_params(threshold=0.5, callbacks=None, random_state=head._seed, verbose=0)
        nest = take_rows((X, y, np.ones(len(y)) if weight is None else weight), data.train)
        proba = np.empty(nest[1].shape)
        for train, test in KFold(_N_FOLDS, shuffle=True, random_state=head._seed).split(nest[1]):
            proba[test] = twin.fit(*take_rows(nest, train)).predict_proba(take_rows(nest[0], test))
        encoder.thresholds_ = choose_thresholds(proba, nest[1])
