"""What scikeras's tests cover, as programs of its users; each takes a classifier's and a regressor's class.

`test_scikeras_scenarios.py` runs them with the heads, and with scikeras's classes. The table of the user
guide is made of their names and first lines, and of `DIFFERENT`.
"""

import functools
import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

#: Why a scenario goes another way with the heads, on purpose.
DIFFERENT = {
    "an_instance_of_an_optimizer_is_changed_by_training": "parameters are never changed by a fit: it "
    "is copied, and `model_.optimizer` holds what training made of it",
    "float64_rows_after_float32_are_refused": "rows are cast, as scikit-learn's estimators do",
    "numbers_are_float32": "float32 for rows of float32 alone, else float64, as scikit-learn's estimators",
    "no_loss_is_an_error": "`loss=None` is the loss that suits the targets and outputs",
}


def classifier_net(hidden_layer_sizes=(10,), meta=None, compile_kwargs=None):
    inputs = x = keras.Input((meta["n_features_in_"],))
    for size in hidden_layer_sizes:
        x = keras.layers.Dense(size, activation="relu")(x)
    if meta["target_type_"] == "binary":
        n_units, activation, loss = 1, "sigmoid", "binary_crossentropy"
    elif meta["target_type_"] == "multilabel-indicator":
        n_units, activation, loss = meta["n_classes_"], "sigmoid", "binary_crossentropy"
    else:
        n_units, activation, loss = meta["n_classes_"], "softmax", "sparse_categorical_crossentropy"
    model = keras.Model(inputs, keras.layers.Dense(n_units, activation=activation)(x))
    model.compile(**compile_kwargs | {"loss": compile_kwargs["loss"] or loss})
    return model


def regressor_net(hidden_layer_sizes=(10,), meta=None, compile_kwargs=None):
    inputs = x = keras.Input((meta["n_features_in_"],))
    for size in hidden_layer_sizes:
        x = keras.layers.Dense(size, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(meta["n_outputs_"])(x))
    model.compile(**compile_kwargs | {"loss": compile_kwargs["loss"] or "mean_squared_error"})
    return model


def plain_net(n_units=1, activation=None):
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(n_units, activation=activation)])


def conv_net(meta, compile_kwargs, hidden_layer_sizes=()):
    layers = [keras.Input(meta["X_shape_"][1:]), keras.layers.Conv2D(3, 3), keras.layers.Flatten()]
    layers += [keras.layers.Dense(size, activation="relu") for size in hidden_layer_sizes]
    model = keras.Sequential([*layers, keras.layers.Dense(meta["n_classes_"], activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def two_outputs_net(meta):
    inputs = keras.Input((meta["n_features_in_"],))
    outputs = [keras.layers.Dense(1, activation="sigmoid", name=f"out{i}")(inputs) for i in (1, 2)]
    return keras.Model(inputs, outputs)


def iris(n_classes=3):
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X)[: 50 * n_classes], y[: 50 * n_classes]


def numbers():
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X)[:100], (y[:100] - y.mean()) / y.std()


def images():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 6, 6, 1)), np.arange(60) % 3


def check(estimator, X, y):
    """Fit, score, pickle and score again."""
    score = estimator.fit(X, y).score(X, y)
    assert pickle.loads(pickle.dumps(estimator)).score(X, y) == pytest.approx(score, abs=1e-5)
    return score


# How networks are given


def a_function_for_a_classifier(Classifier, Regressor):
    """`model=` a function; its own parameters as keywords."""
    check(Classifier(classifier_net, hidden_layer_sizes=(5,), epochs=1, verbose=0), *iris())


def a_function_for_a_regressor(Classifier, Regressor):
    """`model=` a function, of a regressor."""
    check(Regressor(regressor_net, hidden_layer_sizes=(5,), epochs=1, verbose=0), *numbers())


def a_routed_parameter_of_the_function(Classifier, Regressor):
    """Parameters of the function spelt `model__...`, in `get_params` and `set_params`."""
    head = Classifier(classifier_net, model__hidden_layer_sizes=(7,), epochs=1, verbose=0)
    assert head.get_params()["model__hidden_layer_sizes"] == (7,)
    assert head.fit(*iris()).model_.layers[1].units == 7
    assert head.set_params(model__hidden_layer_sizes=(9,)).fit(*iris()).model_.layers[1].units == 9


def a_partial_of_a_function(Classifier, Regressor):
    """`model=` a functools.partial."""
    check(Classifier(functools.partial(classifier_net, (6,)), epochs=1, verbose=0), *iris())


def what_a_function_may_ask_for(Classifier, Regressor):
    """`meta`, `compile_kwargs` and `params` reach a function that takes them."""
    seen = {}

    def build(foo, meta, compile_kwargs, params):
        seen.update(foo=foo, meta=meta, params=params, compile_kwargs=dict(compile_kwargs))
        return classifier_net(meta=meta, compile_kwargs=compile_kwargs)

    head = Classifier(build, model__foo=3, epochs=1, verbose=0).fit(*iris())
    assert seen["foo"] == 3
    assert seen["params"].keys() == head.get_params().keys()
    assert {"optimizer", "loss", "metrics"} <= seen["compile_kwargs"].keys()
    expected = {
        "X_dtype_",
        "X_shape_",
        "classes_",
        "n_classes_",
        "n_features_in_",
        "n_outputs_",
        "target_type_",
    }
    assert expected | {"y_dtype_", "y_ndim_", "n_outputs_expected_"} <= seen["meta"].keys()


def what_a_regressor_s_function_may_ask_for(Classifier, Regressor):
    """`meta` of a regressor."""
    seen = {}

    def build(meta, compile_kwargs):
        seen.update(meta)
        return regressor_net(meta=meta, compile_kwargs=compile_kwargs)

    Regressor(build, epochs=1, verbose=0).fit(*numbers())
    assert {"X_shape_", "n_outputs_", "n_features_in_", "target_type_", "y_dtype_"} <= seen.keys()


def a_function_that_takes_anything(Classifier, Regressor):
    """A function with `**kwargs` gets its parameters, `meta`, `compile_kwargs` and `params`."""

    def build(**kwargs):
        assert kwargs.keys() == {"hidden_layer_sizes", "meta", "compile_kwargs", "params"}
        kwargs.pop("params")
        return classifier_net(**kwargs)

    Classifier(build, model__hidden_layer_sizes=(4,), epochs=1, verbose=0).fit(*iris())


def a_parameter_that_the_function_lacks(Classifier, Regressor):
    """A parameter that the function does not take is a TypeError of `fit`."""

    def build(foo=42):
        raise AssertionError

    for params in ({"model__bar": 1}, {"bar": 1}, {"model__bar": 1, "foo": 2}):
        for kind in (Classifier, Regressor):
            head = kind(model=build, **params)
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                head.fit([[0], [1]], [0, 1])


def a_method_that_builds(Classifier, Regressor):
    """A subclass with `_keras_build_fn`."""

    class Own(Classifier):
        def _keras_build_fn(self, hidden, meta, compile_kwargs):
            return classifier_net((hidden,), meta, compile_kwargs)

    assert Own(hidden=3, epochs=1, verbose=0).fit(*iris()).model_.layers[1].units == 3


def a_model_as_it_is(Classifier, Regressor):
    """`model=` a compiled keras.Model."""
    model = plain_net(3, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    check(Classifier(model, epochs=1, verbose=0), *iris())


def a_model_in_an_ensemble(Classifier, Regressor):
    """`model=` a keras.Model, cloned by a BaggingRegressor."""
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    BaggingRegressor(Regressor(model, epochs=1, verbose=0), n_estimators=2).fit(*numbers())


def something_else_as_a_model(Classifier, Regressor):
    """What is neither a function nor a model is refused."""
    with pytest.raises((TypeError, ValueError), match="model"):
        Classifier(model=object()).fit(*iris())


# Compilation


def an_uncompiled_model_is_compiled(Classifier, Regressor):
    """A function that does not compile: optimizer, loss and metrics of the estimator do."""
    for loss in ("mean_squared_error", "mean_absolute_error"):
        head = Regressor(
            lambda: keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)]),
            loss=loss,
            epochs=1,
            verbose=0,
        )
        assert loss in str(getattr(head.fit(*numbers()).model_.loss, "__name__", head.model_.loss))


def a_compiled_model_is_kept(Classifier, Regressor):
    """What a function has compiled is not compiled again."""

    def build():
        model = plain_net(3, "softmax")
        model.compile(keras.optimizers.SGD(0.125), "sparse_categorical_crossentropy")
        return model

    optimizer = Classifier(build, verbose=0).fit(*iris()).model_.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)


def absolute_net():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    model.compile("sgd", "mean_absolute_error")
    return model


def another_loss_than_the_compiled_one(Classifier, Regressor):
    """`loss=` that is not the one in the model is refused."""
    for loss in ("binary_crossentropy", keras.losses.CosineSimilarity()):
        with pytest.raises(ValueError, match="compiled with"):
            Regressor(absolute_net, loss=loss, verbose=0).fit(*numbers())


def a_compiled_loss_and_a_default(Classifier, Regressor):
    """The loss in the model wins over the default of `loss`, that of a subclass too."""

    class WithDefault(Regressor):
        def __init__(self, model=None, loss="huber", **params):
            super().__init__(model=model, loss=loss, **params)

    for kind in (Regressor, WithDefault):
        head = kind(absolute_net, epochs=1, verbose=0).fit(*numbers())
        assert head.model_.loss == "mean_absolute_error"


def an_optimizer_by_name(Classifier, Regressor):
    """`optimizer="sgd"` with routed arguments."""
    head = Classifier(
        classifier_net,
        optimizer="sgd",
        optimizer__learning_rate=0.15,
        optimizer__momentum=0.5,
        epochs=1,
        verbose=0,
    )
    optimizer = head.fit(*iris()).model_.optimizer
    assert (optimizer.momentum, float(optimizer.learning_rate)) == (0.5, pytest.approx(0.15))


def an_optimizer_by_class(Classifier, Regressor):
    """`optimizer=` a class with routed arguments."""
    head = Classifier(
        classifier_net, optimizer=keras.optimizers.SGD, optimizer__learning_rate=0.15, epochs=1, verbose=0
    )
    assert float(head.fit(*iris()).model_.optimizer.learning_rate) == pytest.approx(0.15)


def an_optimizer_by_instance(Classifier, Regressor):
    """`optimizer=` an instance."""
    head = Classifier(classifier_net, optimizer=keras.optimizers.Nadam(0.0625), epochs=1, verbose=0)
    assert float(head.fit(*iris()).model_.optimizer.learning_rate) == pytest.approx(0.0625)


def deeper_routing_passes_by(Classifier, Regressor):
    """`optimizer__x__y` is no argument of the optimizer."""
    Classifier(classifier_net, optimizer="sgd", optimizer__x__y="error!", epochs=1, verbose=0).fit(*iris())


def a_loss_by_name(Classifier, Regressor):
    """`loss=` a name."""
    head = Classifier(plain_net, model__activation="sigmoid", loss="binary_crossentropy", verbose=0)
    check(head, *iris(2))


def a_loss_by_class(Classifier, Regressor):
    """`loss=` a class with routed arguments."""
    head = Classifier(
        plain_net,
        loss=keras.losses.BinaryCrossentropy,
        loss__from_logits=True,
        loss__name="custom",
        verbose=0,
    )
    loss = head.fit(*iris(2)).model_.loss
    assert (loss.name, loss.from_logits) == ("custom", True)


def a_loss_by_function(Classifier, Regressor):
    """`loss=` a custom function."""

    def own_loss(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)

    net = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    Regressor(lambda: net, loss=own_loss, verbose=0).fit(*numbers())


def a_loss_class_with_nested_arguments(Classifier, Regressor):
    """`loss__param__0__x`: arguments of arguments."""

    class Part:
        def __init__(self, x):
            self.x = x

    class Loss:
        def __init__(self, parts):
            self.parts, self.__name__ = parts, "nested"

        def __call__(self, y_true, y_pred, sample_weight=None):
            return keras.losses.binary_crossentropy(y_true, y_pred)

    head = Classifier(
        plain_net,
        model__activation="sigmoid",
        loss=Loss,
        loss__parts=[Part, Part],
        loss__parts__x=1,
        loss__parts__0__x=2,
        verbose=0,
    )
    assert [part.x for part in head.fit(*iris(2)).model_.loss.parts] == [2, 1]


def a_list_of_losses(Classifier, Regressor):
    """`loss=[...]`, one for each output, with arguments by index."""
    head = Classifier(
        plain_net,
        loss=[keras.losses.BinaryCrossentropy],
        loss__from_logits=False,
        loss__0__from_logits=True,
        verbose=0,
    )
    assert head.fit(*iris(2)).model_.loss[0].from_logits


def a_dict_of_losses(Classifier, Regressor):
    """`loss={...}` by the names of outputs, with arguments by name."""

    def build():
        inputs = keras.Input((4,))
        return keras.Model(inputs, {"out1": keras.layers.Dense(1, name="out1")(inputs)})

    head = Regressor(
        build,
        loss={"out1": keras.losses.Huber},
        loss__out1__name="custom",
        verbose=0,
    )
    X, y = iris()
    assert head.fit(X, y.astype(float)).model_.loss["out1"].name == "custom"


def metrics_by_name(Classifier, Regressor):
    """`metrics=[name]`, in `history_` by its name."""
    for metric in ("accuracy", "sparse_categorical_accuracy"):
        head = Classifier(
            plain_net, model__n_units=3, model__activation="softmax", metrics=[metric], verbose=0
        )
        head.set_params(loss="sparse_categorical_crossentropy", epochs=1).fit(*iris())
        assert len(head.history_[metric]) == 1


def metrics_by_class(Classifier, Regressor):
    """`metrics=[class]` with routed arguments."""
    head = Classifier(
        plain_net,
        model__activation="sigmoid",
        loss="binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy],
        metrics__0__name="custom_name",
        epochs=1,
        verbose=0,
    )
    assert "custom_name" in head.fit(*iris(2)).history_


def metrics_by_instance(Classifier, Regressor):
    """`metrics=[instance, instance]`."""
    metrics = [keras.metrics.BinaryAccuracy(name="a"), keras.metrics.AUC(name="b")]
    head = Classifier(
        plain_net,
        model__activation="sigmoid",
        loss="binary_crossentropy",
        metrics=metrics,
        epochs=1,
        verbose=0,
    )
    assert {"a", "b"} <= head.fit(*iris(2)).history_.keys()


def a_single_metric(Classifier, Regressor):
    """`metrics="mae"` without a list, in `history_` by its long name."""
    head = Regressor(regressor_net, loss="mse", metrics="mae", verbose=0).partial_fit(*numbers())
    assert head.history_.keys() == {"loss", "mean_absolute_error"}


def arguments_of_compile(Classifier, Regressor):
    """`compile__...`: what is given to `Model.compile`."""
    head = Regressor(
        lambda: keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)]),
        loss="mse",
        compile__loss_weights=[0.5],
        verbose=0,
    )
    assert head.fit(*numbers()).initialized_


def running_eagerly(Classifier, Regressor):
    """`run_eagerly=True`."""
    check(Regressor(regressor_net, loss="mse", run_eagerly=True, epochs=1, verbose=0), *numbers())


def a_loss_of_nothing_is_an_error(Classifier, Regressor):
    """`loss=[None]` is refused."""
    net = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"(?i)loss"):
        Regressor(lambda: net, loss=[None], verbose=0).fit(*numbers())


def no_loss_is_an_error(Classifier, Regressor):
    """`loss=None` and a model that is not compiled is refused."""
    net = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"(?i)loss"):
        Regressor(lambda: net, loss=None, verbose=0).fit(*numbers())


def no_optimizer_is_an_error(Classifier, Regressor):
    """`optimizer=None` is refused."""
    with pytest.raises(ValueError, match=r"(?i)optimizer"):
        Regressor(regressor_net, loss="mse", optimizer=None, verbose=0).fit(*numbers())


def an_instance_of_an_optimizer_is_changed_by_training(Classifier, Regressor):
    """An instance given as `optimizer=` shows what a LearningRateScheduler set."""
    optimizer = keras.optimizers.SGD(0.1)
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05)
    Classifier(classifier_net, optimizer=optimizer, callbacks=[schedule], epochs=2, verbose=0).fit(*iris())
    assert float(optimizer.learning_rate) == pytest.approx(0.05)


# Targets


def classes_of_any_dtype(Classifier, Regressor):
    """Labels of any dtype come back as they were."""
    X, y = iris(2)
    for dtype in ("float32", "int64", "uint8", "<U1", "object"):
        labels = y.astype(str).astype(object) if dtype == "object" else y.astype(dtype)
        head = Classifier(classifier_net, verbose=0, epochs=1).fit(X, labels)
        assert head.predict(X).dtype == labels.dtype
        assert set(head.predict(X)) <= set(labels)


def two_classes_have_two_columns(Classifier, Regressor):
    """`predict_proba` of a single sigmoid has two columns."""
    X, y = iris(2)
    proba = Classifier(classifier_net, epochs=1, verbose=0).fit(X, y).predict_proba(X)
    assert proba.shape == (100, 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-5)


def two_classes_by_softmax(Classifier, Regressor):
    """Two classes and a softmax of two units."""
    X, y = iris(2)
    head = Classifier(
        plain_net,
        model__n_units=2,
        model__activation="softmax",
        loss="sparse_categorical_crossentropy",
        epochs=1,
        verbose=0,
    )
    assert head.fit(X, y).predict_proba(X).shape == (100, 2)


def one_hot_targets(Classifier, Regressor):
    """One-hot targets and the categorical cross-entropy: predictions are one-hot."""
    X, y = iris()
    rows = OneHotEncoder(sparse_output=False).fit_transform(y[:, np.newaxis])
    head = Classifier(
        plain_net,
        model__n_units=3,
        model__activation="softmax",
        loss="categorical_crossentropy",
        epochs=1,
        verbose=0,
    )
    predicted = head.fit(X, rows).predict(X)
    assert predicted.shape == rows.shape
    assert (predicted.sum(axis=1) == 1).all()


def the_categorical_cross_entropy_of_labels(Classifier, Regressor):
    """Labels and the categorical cross-entropy: they are made one-hot, and labels come back."""
    X, y = iris()
    head = Classifier(
        plain_net, model__n_units=3, model__activation="softmax", loss="categorical_crossentropy", verbose=0
    )
    head.fit(X, np.array(["a", "b", "c"])[y]).partial_fit(X, np.array(["a", "b", "c"])[y])
    assert set(head.predict(X)) <= {"a", "b", "c"}


def tags(Classifier, Regressor):
    """Multi-label targets: predictions are tables of 0 and 1, as MLPClassifier's."""
    X, y = iris()
    rows = np.column_stack([y == 0, y > 0, X[:, 0] > 0]).astype(int)
    head = Classifier(
        plain_net,
        model__n_units=3,
        model__activation="sigmoid",
        loss="binary_crossentropy",
        epochs=10,
        verbose=0,
    )
    predicted = head.fit(X, rows).predict(X)
    assert predicted.shape == rows.shape
    assert predicted.dtype == MLPClassifier(max_iter=500).fit(X, rows).predict(X).dtype
    assert head.predict_proba(X).shape == rows.shape


def several_outputs_by_an_encoder(Classifier, Regressor):
    """A custom `target_encoder`, and a network with two outputs."""

    class Encoder(FunctionTransformer):
        def __init__(self):
            super().__init__(lambda y: [y[:, [0]], y[:, [1]]])

        def inverse_transform(self, y, return_proba=False):
            return np.column_stack(y) if return_proba else np.around(np.column_stack(y)).astype(int)

        def get_metadata(self):
            return {"n_outputs_expected_": 2, "classes_": [np.arange(2)] * 2, "n_classes_": [2, 2]}

    class Both(Classifier):
        @property
        def target_encoder(self):
            return Encoder()

    X, y = iris()
    rows = np.column_stack([y == 0, X[:, 0] > 0]).astype(int)
    head = Both(two_outputs_net, loss="binary_crossentropy", epochs=1, verbose=0).fit(X, rows)
    assert head.predict(X).shape == rows.shape


def several_inputs_by_an_encoder(Classifier, Regressor):
    """A custom `feature_encoder`, and a network with two inputs."""

    class Halves(Classifier):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: [X[:, :1], X[:, 1:4]])

    def build(meta):
        inputs = [keras.Input((1,)), keras.Input((3,))]
        x = keras.layers.Concatenate()([keras.layers.Dense(5)(each) for each in inputs])
        model = keras.Model(inputs, keras.layers.Dense(meta["n_classes_"], activation="softmax")(x))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    X, y = iris()
    assert Halves(build, epochs=1, verbose=0).fit(X, y).predict(X).shape == y.shape


def rows_of_images(Classifier, Regressor):
    """Rows that are images, for a convolutional network."""
    check(Classifier(conv_net, epochs=1, verbose=0), *images())


def too_many_outputs(Classifier, Regressor):
    """A network with two outputs for one column of labels is refused."""
    X, y = iris()
    with pytest.raises(ValueError, match="input of size"):
        Classifier(two_outputs_net, loss="binary_crossentropy", verbose=0).fit(X, y)


def a_single_class_is_learned(Classifier, Regressor):
    """A custom network may learn a single class."""
    X, _ = iris()
    head = Classifier(plain_net, model__activation="sigmoid", loss="binary_crossentropy", epochs=1, verbose=0)
    assert set(head.fit(X, np.zeros(150)).predict(X)) == {0}


def numbers_of_any_dtype(Classifier, Regressor):
    """A regressor's targets of any dtype."""
    X, y = iris()
    for dtype in ("float32", "int64", "uint8"):
        predicted = Regressor(regressor_net, verbose=0, epochs=1).fit(X, y.astype(dtype)).predict(X)
        assert predicted.shape == y.shape
        assert predicted.dtype.kind == "f"


def numbers_are_float32(Classifier, Regressor):
    """A regressor predicts float32 for rows of float64 too."""
    X, y = numbers()
    assert Regressor(regressor_net, epochs=1, verbose=0).fit(X, y).predict(X).dtype == np.float32


def several_numbers(Classifier, Regressor):
    """A regressor of two columns."""
    X, y = numbers()
    predicted = Regressor(regressor_net, loss="mse", epochs=1, verbose=0).fit(X, np.c_[y, y]).predict(X)
    assert predicted.shape == (100, 2)


def several_heads_of_numbers(Classifier, Regressor):
    """A network with one output for each of two columns, by a `target_encoder`."""

    class Columns(Regressor):
        @property
        def target_encoder(self):
            return FunctionTransformer(lambda y: [y[:, [0]], y[:, [1]]])

    def build():
        inputs = keras.Input((10,))
        model = keras.Model(inputs, [keras.layers.Dense(1)(inputs) for _ in range(2)])
        model.compile("adam", loss=["mse", "mse"])
        return model

    X, y = numbers()
    assert Columns(build, epochs=1, verbose=0).fit(X, np.c_[y, y]).current_epoch > 0


def rows_of_any_dtype(Classifier, Regressor):
    """Rows of any dtype, objects too."""
    y = np.arange(20) % 2
    for dtype in ("float32", "int64", "object"):
        X = np.random.default_rng(0).integers(9, size=(20, 2)).astype(dtype)
        Classifier(classifier_net, verbose=0, epochs=1).fit(X, y).predict(X)


# Training


def parameters_of_fit(Classifier, Regressor):
    """`epochs`, `batch_size`, `shuffle` and `validation_split` of the constructor, `fit__...` before them."""
    head = Classifier(
        classifier_net, epochs=5, fit__epochs=2, batch_size=16, shuffle=False, validation_split=0.2, verbose=0
    )
    X, y = iris()
    order = np.random.default_rng(0).permutation(150)
    head.fit(X[order], y[order])
    assert head.current_epoch == 2
    assert len(head.history_["val_loss"]) == 2


def keywords_of_fit(Classifier, Regressor):
    """Keywords of `fit` and `predict`, before all parameters."""
    X, y = iris()
    head = Classifier(classifier_net, epochs=5, batch_size=128, predict__batch_size=99, verbose=0)
    head.fit(X, y, epochs=2, batch_size=90)
    assert len(head.history_["loss"]) == 2
    head.predict(X, batch_size=10)
    head.predict_proba(X, batch_size=10)
    assert (head.epochs, head.batch_size, head.predict__batch_size) == (5, 128, 99)


def validation_data_of_fit(Classifier, Regressor):
    """`fit(validation_data=...)`."""
    X, y = numbers()
    head = Regressor(regressor_net, loss="mse", epochs=2, verbose=0)
    assert len(head.fit(X, y, validation_data=(X[:9], y[:9])).history_["val_loss"]) == 2


def all_rows_as_a_batch(Classifier, Regressor):
    """`batch_size=-1`, also routed to fit and predict."""
    for params in ({"batch_size": -1}, {"fit__batch_size": -1}, {"predict__batch_size": -1}):
        head = Regressor(regressor_net, loss="mse", hidden_layer_sizes=[], epochs=1, verbose=0, **params)
        assert head.fit(*numbers()).predict(numbers()[0]).shape == (100,)


def a_batch_of_all_rows_of_a_list(Classifier, Regressor):
    """`batch_size=-1` where a `feature_encoder` returns a list is refused."""

    class Listed(Regressor):
        @property
        def feature_encoder(self):
            return FunctionTransformer(lambda X: [X])

    with pytest.raises(ValueError, match="requires that `X` implement `shape`"):
        Listed(regressor_net, loss="mse", batch_size=-1, verbose=0).fit(*numbers())


def one_epoch_more(Classifier, Regressor):
    """`partial_fit` goes on with the same model, and `history_` grows."""
    head = Regressor(regressor_net, loss="mse", metrics="mean_squared_error", verbose=0)
    model = head.partial_fit(*numbers()).model_
    for k in range(2, 5):
        assert len(head.partial_fit(*numbers()).history_["loss"]) == k
        assert head.history_.keys() == {"loss", "mean_squared_error"}
    assert head.model_ is model


def one_epoch_takes_no_epochs(Classifier, Regressor):
    """`partial_fit(epochs=...)` is refused."""
    for keywords in ({"epochs": 1}, {"initial_epoch": 1}):
        with pytest.raises(TypeError, match="Invalid argument"):
            Classifier(classifier_net).partial_fit([[1]], [1], **keywords)


def classes_in_later_epochs(Classifier, Regressor):
    """`partial_fit(classes=...)`, and rows of some of the classes later."""
    X, y = iris()
    head = Classifier(classifier_net, verbose=0).partial_fit(X, y, classes=[0, 1, 2])
    encoder = head.target_encoder_
    head.partial_fit(X[:50], y[:50])
    assert head.target_encoder_ is encoder
    assert list(head.classes_) == [0, 1, 2]


def classes_of_the_first_epoch(Classifier, Regressor):
    """`partial_fit` without `classes` takes those of the first rows."""
    X, y = iris()
    assert list(Classifier(classifier_net, verbose=0).partial_fit(X, y).classes_) == [0, 1, 2]


def classes_never_seen(Classifier, Regressor):
    """`partial_fit` with a new class is refused."""
    X, y = iris()
    head = Classifier(classifier_net, verbose=0).fit(X, y)
    with pytest.raises(ValueError, match=r"unknown categories|only labels in classes_"):
        head.partial_fit(X, y + 5)


def warm_starts(Classifier, Regressor):
    """`warm_start=True` keeps the model; else each fit makes one."""
    head = Regressor(regressor_net, loss="mse", epochs=1, verbose=0).fit(*numbers())
    model = head.model_
    assert head.set_params(warm_start=True).fit(*numbers()).model_ is model
    assert head.set_params(warm_start=False).fit(*numbers()).model_ is not model


def first_weights_only(Classifier, Regressor):
    """`initialize` makes a model without training it."""
    X, y = iris()
    head = Classifier(classifier_net, verbose=0)
    assert not head.initialized_
    assert head.initialize(X, y).initialized_
    assert head.current_epoch == 0
    assert head.predict(X).shape == (150,)


def weights_of_rows(Classifier, Regressor):
    """`sample_weight` of `fit` and `score`."""
    X, y = np.ones((200, 1)), np.repeat([1, -1], 100)
    heavy = np.repeat([0.9, 0.1], 100)
    head = Classifier(classifier_net, epochs=20, random_state=0, verbose=0)
    plain = clone(head).fit(X, y).predict_proba(X)[0, 1]
    assert clone(head).fit(X, y, sample_weight=heavy).predict_proba(X)[0, 1] > plain
    assert clone(head).fit(X, y, sample_weight=heavy).score(X, y, sample_weight=heavy) == pytest.approx(0.9)


def equal_weights_of_rows(Classifier, Regressor):
    """Equal weights are as none."""
    X, y = iris(2)
    head = Classifier(classifier_net, random_state=0, optimizer="sgd", epochs=1, verbose=0)
    first = clone(head).fit(X, y).predict_proba(X)
    second = clone(head).fit(X, y, sample_weight=np.ones(100)).predict_proba(X)
    np.testing.assert_allclose(first, second, atol=1e-5)


def weights_of_zero(Classifier, Regressor):
    """Only zeros as weights are refused."""
    X, y = iris()
    with pytest.raises(ValueError, match="zero"):
        Classifier(classifier_net, verbose=0).fit(X, y, sample_weight=np.zeros(150))


def weights_of_classes(Classifier, Regressor):
    """`class_weight="balanced"` and a dict."""
    for weight in ("balanced", {0: 0.5, 1: 0.5, 2: 1}):
        Classifier(classifier_net, class_weight=weight, epochs=1, verbose=0).fit(*iris())


def weights_of_classes_for_fit(Classifier, Regressor):
    """`fit__class_weight`, by the numbers of classes."""
    Classifier(classifier_net, fit__class_weight={0: 0.5, 1: 0.5, 2: 0.5}, verbose=0).fit(*iris())


def callbacks_by_instance(Classifier, Regressor):
    """`callbacks=` an instance, a list and a dict of them."""
    stop = keras.callbacks.EarlyStopping(monitor="loss", min_delta=100)
    for callbacks in (stop, [stop], {"stop": stop}):
        head = Classifier(classifier_net, epochs=9, callbacks=callbacks, verbose=0).fit(*iris())
        assert head.current_epoch == 2


def callbacks_by_class(Classifier, Regressor):
    """`callbacks=[class]` with routed arguments."""
    head = Classifier(
        classifier_net,
        epochs=9,
        callbacks=[keras.callbacks.EarlyStopping],
        callbacks__0__monitor="loss",
        callbacks__min_delta=100,
        verbose=0,
    )
    assert head.fit(*iris()).current_epoch == 2


class Schedule:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch, rate):
        return self.rate


def callbacks_of_fit(Classifier, Regressor):
    """`fit__callbacks` with arguments of arguments."""
    head = Classifier(
        classifier_net,
        fit__callbacks=[keras.callbacks.LearningRateScheduler],
        fit__callbacks__0__0=Schedule,
        fit__callbacks__0__0__rate=0.25,
        verbose=0,
    )
    # Not that of the optimizer, which the heads may halve after the last epoch.
    assert head.fit(*iris()).history_["learning_rate"] == pytest.approx([0.25] * head.current_epoch)


class Counter(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.begun = {"train": 0, "predict": 0}

    def on_train_begin(self, logs=None):
        self.begun["train"] += 1

    def on_predict_begin(self, logs=None):
        self.begun["predict"] += 1


def callbacks_of_predictions(Classifier, Regressor):
    """`predict__callbacks`, and `callbacks` in predictions too."""
    X, y = iris()
    both, only = Counter(), Counter()
    Classifier(classifier_net, callbacks=[both], predict__callbacks=[only], epochs=1, verbose=0).fit(
        X, y
    ).predict(X)
    assert (both.begun, only.begun) == ({"train": 1, "predict": 1}, {"train": 0, "predict": 1})


def callbacks_in_a_pickle(Classifier, Regressor):
    """A fitted estimator with callbacks can be pickled, and goes on."""
    head = Classifier(classifier_net, callbacks=[Counter()], epochs=1, verbose=0).fit(*iris())
    again = pickle.loads(pickle.dumps(head)).fit(*iris())
    assert again.callbacks[0].begun["train"] == 2


def histories(Classifier, Regressor):
    """`history_` is a dict of lists by name."""
    history = Regressor(regressor_net, loss="mse", verbose=0).partial_fit(*numbers()).history_
    assert isinstance(history, dict)
    assert all(isinstance(name, str) and isinstance(values, list) for name, values in history.items())


# Seeds, copies, errors


def the_same_seed(Classifier, Regressor):
    """The same `random_state`, an int or a RandomState, gives the same predictions."""
    X, y = numbers()
    for seed in (0, 123):
        first, second = (
            Regressor(regressor_net, loss="mse", random_state=seed, epochs=1, verbose=0).fit(X, y).predict(X)
            for _ in range(2)
        )
        np.testing.assert_allclose(first, second)
    state = [np.random.RandomState(3) for _ in range(2)]
    first, second = (
        Regressor(regressor_net, loss="mse", random_state=each, epochs=1, verbose=0).fit(X, y).predict(X)
        for each in state
    )
    np.testing.assert_allclose(first, second)


def a_pickle_between_epochs(Classifier, Regressor):
    """Pickling between two `partial_fit` changes nothing, with stateful optimizers too."""
    X, y = numbers()
    for optimizer in ("adam", "sgd", keras.optimizers.RMSprop()):
        first = Regressor(regressor_net, loss="mse", optimizer=optimizer, random_state=0, verbose=0)
        second = pickle.loads(pickle.dumps(clone(first)))
        for _ in range(3):
            first.partial_fit(X, y)
            second = pickle.loads(pickle.dumps(second.partial_fit(X, y)))
            assert second.current_epoch == first.current_epoch
        np.testing.assert_allclose(first.predict(X), second.predict(X), rtol=1e-4)


def copies(Classifier, Regressor):
    """`clone` keeps routed parameters, and those of the function."""
    head = Classifier(
        classifier_net, hidden_layer_sizes=(3,), optimizer="sgd", optimizer__momentum=0.5, verbose=0
    )
    assert clone(head).get_params() == head.get_params()


def a_registered_loss_in_a_pickle(Classifier, Regressor):
    """An own loss that is registered with Keras can be pickled."""
    check(Regressor(regressor_net, loss=RegisteredLoss(), verbose=0), *numbers())


@keras.saving.register_keras_serializable("scenarios")
class RegisteredLoss(keras.losses.MeanSquaredError):
    pass


@keras.saving.register_keras_serializable("scenarios")
class RegisteredModel(keras.Model):
    pass


def registered_net(meta):
    inputs = keras.Input((meta["n_features_in_"],))
    model = RegisteredModel(inputs, keras.layers.Dense(1)(inputs))
    model.compile("adam", "mean_squared_error")
    return model


def a_registered_model_in_a_pickle(Classifier, Regressor):
    """An own subclass of keras.Model that is registered with Keras can be pickled."""
    check(Regressor(registered_net, verbose=0), *numbers())


def before_a_fit(Classifier, Regressor):
    """Predictions before a fit are a NotFittedError."""
    head = Classifier(classifier_net)
    for ask in (head.predict, head.predict_proba):
        with pytest.raises(NotFittedError):
            ask(np.zeros((3, 4)))


def an_unknown_parameter(Classifier, Regressor):
    """`set_params` of what there is not is a ValueError."""
    with pytest.raises(ValueError, match="Invalid parameter"):
        Classifier(classifier_net).set_params(test=1)


def rows_of_another_shape(Classifier, Regressor):
    """Rows of another shape than in `fit` are refused."""
    X, y = images()
    head = Classifier(conv_net, epochs=1, verbose=0).fit(X, y)
    for other in (X.reshape(60, 36), X[:, :5]):
        with pytest.raises(ValueError, match=r"shape|dim|features"):
            head.partial_fit(other, y)


def targets_of_another_shape(Classifier, Regressor):
    """Targets of another shape than in `fit` are refused."""
    for head, (X, y) in (
        (Regressor(regressor_net, loss="mse", verbose=0), numbers()),
        (Classifier(classifier_net, verbose=0), iris()),
    ):
        head.fit(X, y)
        with pytest.raises(ValueError, match=r"dimensions|shape|features"):
            head.partial_fit(X, np.c_[y, y])


def float64_rows_after_float32_are_refused(Classifier, Regressor):
    """`partial_fit` with float64 rows after float32 ones is refused."""
    X, y = iris()
    head = Classifier(classifier_net, verbose=0).fit(X.astype(np.float32), y)
    with pytest.raises(ValueError, match="dtype"):
        head.partial_fit(X, y)


# Inside scikit-learn


def a_pipeline(Classifier, Regressor):
    """A step of a Pipeline, with routed parameters through it."""
    steps = [("scale", StandardScaler()), ("net", Classifier(classifier_net, epochs=1, verbose=0))]
    pipeline = Pipeline(steps).set_params(net__model__hidden_layer_sizes=(3,))
    check(pipeline, *iris())
    assert pipeline["net"].model_.layers[1].units == 3


def a_grid_search(Classifier, Regressor):
    """GridSearchCV over parameters of the function and the optimizer."""
    grid = {"model__hidden_layer_sizes": [[], [5]], "optimizer": ["sgd", "adam"]}
    search = GridSearchCV(
        Classifier(classifier_net, model__hidden_layer_sizes=[], epochs=1, verbose=0), grid, cv=2
    )
    check(search, *iris())


def a_random_search(Classifier, Regressor):
    """RandomizedSearchCV over epochs and optimizers, of a regressor."""
    space = {"epochs": [1, 2, 3], "optimizer": ["rmsprop", "sgd"]}
    head = Regressor(regressor_net, loss="mse", validation_split=0.1, verbose=0)
    check(RandomizedSearchCV(head, space, n_iter=2, cv=2, random_state=0), *numbers())


def ensembles_of_classifiers(Classifier, Regressor):
    """BaggingClassifier and AdaBoostClassifier."""
    for ensemble in (BaggingClassifier, AdaBoostClassifier):
        head = Classifier(classifier_net, epochs=10, optimizer__learning_rate=0.1, verbose=0)
        check(ensemble(head, n_estimators=2, random_state=0), *iris())


def ensembles_of_regressors(Classifier, Regressor):
    """BaggingRegressor and AdaBoostRegressor."""
    for ensemble in (BaggingRegressor, AdaBoostRegressor):
        head = Regressor(regressor_net, loss="mse", model__hidden_layer_sizes=[], epochs=1, verbose=0)
        check(ensemble(head, n_estimators=2, random_state=0), *numbers())


def calibration(Classifier, Regressor):
    """CalibratedClassifierCV."""
    check(CalibratedClassifierCV(Classifier(classifier_net, epochs=1, verbose=0), cv=2), *iris())


def scores(Classifier, Regressor):
    """`score` is accuracy, or R2."""
    X, y = make_classification(80, random_state=0)
    head = Classifier(classifier_net, epochs=1, verbose=0).fit(X, y)
    assert head.score(X, y) == accuracy_score(y, head.predict(X))
    assert Regressor(regressor_net, loss="mse", epochs=1, verbose=0).fit(*numbers()).score(*numbers()) <= 1


HELPERS = {
    "classifier_net", "regressor_net", "plain_net", "conv_net", "absolute_net", "two_outputs_net",
    "registered_net", "iris", "numbers", "images", "check",
}  # fmt: skip
SCENARIOS = [
    value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__ and name not in HELPERS
    if not isinstance(value, type)
]
