"""KerasFeatureTransformer: any network of Keras, and what holds for each."""

import functools
import hashlib
import http.server
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from fishsk import (
    ExplanationDisplay,
    KerasFeatureTransformer,
    export_model,
    load_pipeline,
    make_fish_pipeline,
    save_pipeline,
)
from fishsk._compat.keras import find_unsafe
from fishsk.datasets import make_fish_images
from fishsk.features import _applications, _custom_models, _network
from fishsk.features._applications import list_applications

QUICK = ("EfficientNetLite0", "MobileNet", "MobileNetV3Small")
FAMILIES = (  # the smallest network of each
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetLite0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "Xception",
)
DEEP = {"InceptionResNetV2", "NASNetMobile"}  # to trace one takes as long as all others
# Described alone: to convert more than 50 million weights, or the deepest of a family, takes gigabytes.
HUGE = {
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtXLarge",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "NASNetLarge",
    "ResNet152",
    "ResNet152V2",
}
COMPARED = ("ConvNeXtTiny", "MobileNet", "MobileNetV3Small")  # with Keras's own answers


def sort_slow(names, fast, *marks):
    """Return the names as parameters, those that are not among the fast ones marked slow."""
    marks = [pytest.mark.slow, *marks]
    return [pytest.param(name, marks=[] if name in fast else marks) for name in sorted(names)]


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(12, random_state=0)


@pytest.fixture
def mobile():
    """Return a transformer whose network is built in a moment."""
    return KerasFeatureTransformer(backbone="MobileNetV3Small", weights=None, image_size=32)


@functools.cache
def find_smallest(name):
    """Return the least size of images, which Keras's own error names."""
    try:
        KerasFeatureTransformer(backbone=name, image_size=32, cache=None).list_layers()
    except ValueError as error:
        return int(re.search(r"must be at least (\d+)x", str(error))[1])
    return 32


def make_network(*layers, size=None, name="own"):
    """Return a small classifier with a map "last", with further layers at its beginning."""
    x = images = keras.Input((size, size, 3))
    for layer in (keras.layers.Rescaling(1 / 255), *layers):
        x = layer(x)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name="first")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(16, 3, strides=2, activation="silu", name="last")(x)
    y = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(images, keras.layers.Dense(3, activation="softmax", name="classes")(y), name=name)


def test_all_that_keras_ships_is_listed_and_efficientnet_lite():
    names = list_applications().keys()
    assert {"VGG16", "EfficientNetV2B0", "MobileNetV3Small", "ConvNeXtTiny", "ResNet50V2"} <= names
    assert {name for name in names if not hasattr(keras.applications, name)} == {
        f"EfficientNetLite{number}" for number in range(3)
    }
    assert len(names) >= 43


@pytest.mark.parametrize("name", sort_slow(list_applications(), FAMILIES))
def test_every_network_is_described_without_its_weights(name):
    transformer = KerasFeatureTransformer(backbone=name, image_size=find_smallest(name), cache=None)
    *_, last = transformer.list_layers().values()
    assert transformer.n_features_out == last[-1] >= 512


@pytest.mark.parametrize("name", sort_slow({*FAMILIES} - {*QUICK, *COMPARED}, {*FAMILIES} - DEEP))
def test_a_network_of_each_family_sees_images(name, fish):
    transformer = KerasFeatureTransformer(backbone=name, weights=None, image_size=find_smallest(name))
    rows = transformer.transform(fish[0][:2])
    assert rows.shape == (2, transformer.n_features_out)
    assert np.isfinite(rows).all()
    assert not np.array_equal(*rows)


@pytest.mark.parametrize(
    "name", sort_slow(list_applications().keys() - HUGE, QUICK, pytest.mark.timeout(1200))
)
def test_each_network_is_fitted_cross_validated_and_saved(name, fish, tmp_path, n_extracted):
    X, y = fish[0], np.arange(12) % 2
    pipeline = make_fish_pipeline(
        backbone=name,
        weights=None,
        features__image_size=find_smallest(name),
        head__hidden_units=0,
        head__epochs=2,
        head__validation_fraction=0,
        random_state=0,
    )
    if name == "EfficientNetV2S":  # drawn, its swish gives 1e-37 and 1e3, which overflow in a scaler
        pipeline.set_params(scale="passthrough")
    assert np.isfinite(cross_val_score(pipeline, X, y, cv=2)).all()
    proba = pipeline.fit(X, y).predict_proba(X)
    features = pipeline["features"]
    rows = features.transform(X)
    assert n_extracted() == 12
    assert np.isfinite(rows).all()
    assert len(features.get_feature_names_out()) == rows.shape[1] == features.n_features_out
    save_pipeline(pipeline, tmp_path / "model.fishsk")
    np.testing.assert_array_equal(load_pipeline(tmp_path / "model.fishsk").predict_proba(X), proba)
    largest = np.abs(rows).max()
    fresh = clone(features).set_params(cache=None)
    alone, order = np.vstack([fresh.transform(X[[index]]) for index in range(3)]), np.arange(11, -1, -1)
    in_fives = clone(fresh).set_params(batch_size=5).transform(X)
    if name.startswith("ConvNeXt"):  # its layer normalization sums what stands beside each other in a batch
        np.testing.assert_allclose(alone, rows[:3], rtol=0, atol=1e-6 * largest)
        np.testing.assert_allclose(in_fives, rows, rtol=0, atol=1e-6 * largest)
    else:
        np.testing.assert_array_equal(alone, rows[:3])
        np.testing.assert_array_equal(in_fives, rows)
        np.testing.assert_array_equal(fresh.transform(X[order]), rows[order])


@pytest.mark.parametrize("name", sort_slow(COMPARED, QUICK))
def test_features_are_those_of_keras_itself(name, fish):
    transformer = KerasFeatureTransformer(backbone=name, weights=None, image_size=32)
    build = getattr(keras.applications, name)
    model = build(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg")
    model.set_weights(
        transformer._backbone().source.load(transformer._backbone().description, "avg").get_weights()
    )
    preprocess = sys.modules[build.__module__].preprocess_input
    expected = model(preprocess(fish[0].astype("float32")), training=False).numpy()
    np.testing.assert_allclose(
        transformer.transform(fish[0]), expected, rtol=1e-3, atol=1e-5 * expected.max()
    )


@pytest.mark.parametrize("name", ["ConvNeXtTiny", "EfficientNetB0", "MobileNet", "ResNet50", "VGG16"])
def test_the_graph_of_an_export_preprocesses_as_keras_does(name, fish):
    backbone = KerasFeatureTransformer(backbone=name, weights=None, image_size=32)._backbone()
    images = keras.Input((32, 32, 3))
    model = keras.Model(images, backbone.preprocess(images))
    preprocess = sys.modules[getattr(keras.applications, name).__module__].preprocess_input
    expected = preprocess(fish[0].astype("float32"))
    np.testing.assert_allclose(model(fish[0].astype("float32")), expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("unit", lambda x: x / 255),
        ("tf", lambda x: x / 127.5 - 1),
        ("caffe", lambda x: x[..., ::-1] - [103.939, 116.779, 123.68]),
        ("torch", lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]),
    ],
)
def test_preprocessing_can_be_named(mode, expected, fish):
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Identity(name="same")(inputs))
    transformer = KerasFeatureTransformer(backbone=model, preprocessing=mode, pooling=None, cache=None)
    got = transformer.transform(fish[0]).reshape(fish[0].shape)
    np.testing.assert_allclose(got, expected(fish[0].astype(np.float64)), rtol=1e-4, atol=1e-4)


def test_pooling_and_layers_pick_from_one_network(fish, mobile):
    layers = list(mobile.list_layers())[-40::20]
    flat = clone(mobile).set_params(layers=layers, pooling=None)
    shapes = [mobile.list_layers()[layer] for layer in layers]
    split = np.split(flat.transform(fish[0]), [int(np.prod(shapes[0]))], axis=1)
    maps = [part.reshape(12, -1, shape[-1]) for part, shape in zip(split, shapes, strict=True)]
    for pooling in ("avg", "max"):
        got = clone(flat).set_params(pooling=pooling).transform(fish[0])
        expected = np.hstack([getattr(each, {"avg": "mean"}.get(pooling, pooling))(axis=1) for each in maps])
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_layers_have_the_same_names_whatever_was_built_before():
    def list_names():
        _applications._describe.cache_clear()
        transformer = KerasFeatureTransformer(backbone="MobileNetV3Small", cache=None)
        return list(transformer.list_layers())

    before = list_names()
    keras.layers.Activation("relu")
    assert list_names() == before
    assert "activation" in before


def test_building_leaves_the_names_of_the_user_alone(mobile, fish):
    before = keras.layers.Conv2D(1, 1).name
    mobile.transform(fish[0][:2])
    number = int(before.rpartition("_")[2]) if "_" in before else 0
    assert keras.layers.Conv2D(1, 1).name == f"conv2d_{number + 1}"


def test_an_output_that_is_a_vector_stays_as_it_is(fish):
    model = make_network(size=32)
    transformer = KerasFeatureTransformer(
        backbone=model, layers=["pooled", "classes"], pooling="max", cache=None
    )
    features = transformer.transform(fish[0])
    assert features.shape == (12, 19)
    np.testing.assert_allclose(features[:, 16:].sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(features[:, 16:], model(fish[0].astype("float32")), rtol=1e-4)


def test_views_of_any_network_are_stored_one_by_one(fish, mobile, n_extracted):
    mirrored = clone(mobile).set_params(views="mirror").transform(fish[0])
    plain, flipped = mobile.transform(fish[0]), mobile.transform(np.ascontiguousarray(fish[0][:, :, ::-1]))
    np.testing.assert_allclose(mirrored, (plain + flipped) / 2, rtol=1e-4, atol=1e-6)
    assert n_extracted() == 24


def test_the_size_is_by_default_what_keras_built_the_network_for():
    sizes = {"InceptionV3": 299, "EfficientNetV2B1": 240, "MobileNetV3Small": 224}
    for name, size in sizes.items():
        transformer = KerasFeatureTransformer(backbone=name, weights=None, cache=None)
        assert transformer._settings().image_size == (size, size)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"backbone": "mobilenetv3small"}, r"The nearest names are MobileNetV3Small, MobileNetV3Large"),
        ({"backbone": "Enigma"}, r"There are ConvNeXtBase, "),
        ({"backbone": "own.h5"}, r"name of keras.applications, the path of a .keras file"),
        ({"backbone": "missing.keras"}, r"which is no file"),
        ({"backbone": 3}, r"backbone"),
        (
            {"layers": ["activation17"]},
            r"Small. Got 'activation17'. The nearest names are activation_17",
        ),
        ({"layers": []}, r"at least one"),
        ({"layers": ["conv", "conv"]}, r"different names"),
        ({"image_size": 8}, r"image_size must be one that Keras builds MobileNetV3Small for. Got \(8, 8\)"),
        ({"image_size": (32, 3.5)}, r"image_size must be \(height, width\)"),
        ({"backbone": "InceptionV3"}, r"Input size must be at least 75x75"),
        ({"weights": "cifar95"}, r"'cifar95' is of VGG16"),
        ({"weights": "missing.h5"}, r"which is no file"),
        ({"preprocessing": "half"}, r"preprocessing"),
        ({"views": "many"}, r"views"),
    ],
)
def test_wrong_parameters_are_named(fish, mobile, params, match):
    with pytest.raises(ValueError, match=match):
        mobile.set_params(**params).fit(fish[0])


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "MobileNetV3Large"},
        {"layers": ["activation_16"]},
        {"pooling": "max"},
        {"image_size": 40},
        {"preprocessing": "unit"},
    ],
)
def test_fault_08_other_settings_are_a_miss(fish, mobile, change, n_extracted):
    mobile.transform(fish[0])
    mobile.set_params(**change).transform(fish[0])
    assert n_extracted() == 24


PROGRAM = """
import json
import sys
import numpy as np
from fishsk import KerasFeatureTransformer
X = np.load(sys.argv[1])
mobile = KerasFeatureTransformer(backbone="MobileNetV3Small", weights=None, image_size=32, layers=["conv"])
stored, names, _ = mobile.transform(X), mobile.get_feature_names_out(), mobile.list_layers()
loaded = {"tensorflow", "keras"} & set(sys.modules)
computed = mobile.set_params(cache=None).transform(X)
print(json.dumps([stored.tolist(), names.tolist(), [*loaded], computed.tolist()]))
"""


def test_another_process_draws_the_same_weights_and_a_full_hit_and_the_names_load_no_tensorflow(
    fish, mobile, tmp_path
):
    np.save(tmp_path / "X.npy", fish[0])
    rows = mobile.set_params(layers=["conv"]).transform(fish[0])
    found = subprocess.check_output([sys.executable, "-c", PROGRAM, tmp_path / "X.npy"])
    stored, names, loaded, computed = json.loads(found)
    assert loaded == []
    assert names == mobile.get_feature_names_out().tolist()
    np.testing.assert_array_equal(np.float32(stored), rows)
    np.testing.assert_array_equal(np.float32(computed), rows)


def test_a_corrupt_description_is_made_again(mobile):
    names = mobile.get_feature_names_out()
    (note,) = (Path(os.environ["FISHSK_CACHE"]) / "networks").glob("*.description")
    content = note.read_bytes()
    note.write_bytes(content.replace(b"576", b"577"))
    np.testing.assert_array_equal(mobile.get_feature_names_out(), names)
    assert note.read_bytes() == content


@pytest.mark.parametrize(
    "params",
    [
        lambda: {"backbone": "MobileNet", "features__views": "mirror"},
        pytest.param(lambda: {"backbone": "ConvNeXtTiny"}, marks=pytest.mark.slow),
        lambda: {"backbone": "EfficientNetLite0", "weights": "imagenet"},
        lambda: {"backbone": make_network(size=32), "features__preprocessing": "torch"},
    ],
)
def test_a_pipeline_of_any_network_becomes_one_keras_model(params, fish, tmp_path):
    given = {"weights": None, "features__image_size": 32, "features__cache": None, "head__epochs": 2}
    pipeline = make_fish_pipeline(random_state=0, head__validation_fraction=0, **given | params()).fit(*fish)
    export_model(pipeline, tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    proba = model.predict(fish[0], verbose=0)
    # Rounding of LiteRT, which scaling by the deviations of twelve rows enlarges.
    np.testing.assert_allclose(proba, pipeline.predict_proba(fish[0]), rtol=0, atol=2e-4)
    assert not model.trainable_weights or model.get_layer("frozen").trainable is False
    assert b"fishsk" not in zipfile.ZipFile(tmp_path / "model.keras").read("config.json")


@pytest.mark.parametrize("kind", ["file", "model"])
def test_a_network_of_ones_own_is_used_up_to_its_last_map(kind, fish, tmp_path):
    model = make_network()
    model.get_layer("norm").set_weights([np.full(8, 2.0), np.ones(8), np.full(8, 0.5), np.full(8, 3.0)])
    before = [array.copy() for array in model.get_weights()]
    model.save(tmp_path / "own.keras")
    backbone = model if kind == "model" else str(tmp_path / "own.keras")
    transformer = KerasFeatureTransformer(backbone=backbone, image_size=32)
    maps = keras.Model(model.input, model.get_layer("last").output)
    expected = maps(fish[0].astype("float32"), training=False).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(transformer.fit_transform(fish[0]), expected, rtol=1e-4, atol=1e-5)
    assert transformer.get_feature_names_out()[0] == "last_avg_0"
    assert model.trainable
    for array, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize("copy", [clone, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_a_given_model_share_its_rows(copy, fish, n_extracted):
    transformer = KerasFeatureTransformer(backbone=make_network(size=32))
    np.testing.assert_array_equal(copy(transformer).transform(fish[0]), transformer.transform(fish[0]))
    assert n_extracted() == 12


def test_a_given_model_that_is_trained_further_is_another_one(fish, n_extracted):
    model = make_network(size=32)
    transformer = KerasFeatureTransformer(backbone=model)
    before, digest = transformer.transform(fish[0]), transformer.weights_digest
    model.get_layer("first").set_weights([array * 2 for array in model.get_layer("first").get_weights()])
    assert transformer.weights_digest != digest
    assert not np.array_equal(transformer.transform(fish[0]), before)
    assert n_extracted() == 24


def test_a_sequential_model_is_a_network(fish):
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, name="map")])
    rows = KerasFeatureTransformer(backbone=model, cache=None).transform(fish[0])
    expected = model(fish[0].astype(np.float32)).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (keras.Sequential([keras.layers.Dense(2)]), "functional or sequential Keras model of one input"),
        (
            keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]),
            r"shape \(None, height, width, 3\)",
        ),
    ],
)
def test_a_model_that_takes_no_image_is_refused(model, match, fish):
    with pytest.raises(ValueError, match=match):
        KerasFeatureTransformer(backbone=model).fit(fish[0])


def test_a_network_of_one_size_takes_no_other(fish):
    with pytest.raises(ValueError, match=r"image_size must be \(32, 32\), which 'own' was built for"):
        KerasFeatureTransformer(backbone=make_network(size=32), image_size=40).fit(fish[0])


def test_a_pipeline_with_a_given_model_is_saved_once_the_model_has_a_file(fish, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    head = {"head__epochs": 1, "head__validation_fraction": 0}
    pipeline = make_fish_pipeline(backbone=make_network(size=32), **head).fit(*fish)
    expected = pipeline.predict_proba(fish[0])
    with pytest.raises(ValueError, match=r"features__backbone must be a name or a path") as refusal:
        save_pipeline(pipeline, "model.fishsk")
    for advice in re.findall(r"pipeline\S+\([^)]*\)", str(refusal.value)):
        eval(advice, {"pipeline": pipeline})
    save_pipeline(pipeline, "model.fishsk")
    np.testing.assert_array_equal(load_pipeline("model.fishsk").predict_proba(fish[0]), expected)


def test_fault_08_a_saved_pipeline_wants_the_network_that_it_was_fitted_with(fish, tmp_path):
    make_network(size=32).save(tmp_path / "own.keras")
    head = {"head__epochs": 1, "head__validation_fraction": 0}
    pipeline = make_fish_pipeline(backbone=tmp_path / "own.keras", **head).fit(*fish)
    save_pipeline(pipeline, tmp_path / "model.fishsk")
    assert load_pipeline(tmp_path / "model.fishsk")["features"].backbone == str(tmp_path / "own.keras")
    make_network(size=32).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match="must be those that the pipeline was fitted with"):
        load_pipeline(tmp_path / "model.fishsk")


class Marker(keras.layers.Layer):
    """A layer that leaves a trace where it runs."""

    def call(self, x):
        touch()
        return x


def touch():
    with open(os.path.join(os.environ["FISHSK_CACHE"], "ran"), "w") as file:
        file.write("code of a file ran")


def double(x):
    touch()
    return x * 2


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (lambda: keras.layers.Lambda(lambda x: double(x)), "It holds a lambda, a layer of the kind Lambda"),
        (Marker, "It holds Marker, which is not Keras's own"),
        (lambda: keras.layers.Activation(double), "It holds the function double, which is not Keras's own"),
    ],
)
def test_fault_35_a_network_that_needs_code_is_refused_and_nothing_runs(layer, match, fish, tmp_path):
    make_network(layer()).save(tmp_path / "evil.keras")
    trace = Path(os.environ["FISHSK_CACHE"]) / "ran"
    trace.unlink(missing_ok=True)  # of the network that was built above
    transformer = KerasFeatureTransformer(backbone=tmp_path / "evil.keras", image_size=32)
    with (
        keras.saving.custom_object_scope({"Marker": Marker, "double": double}),
        pytest.raises(ValueError, match=rf"evil.keras' must be .*no other file. {match}"),
    ):
        transformer.fit(fish[0])
    assert not trace.exists()


@pytest.mark.parametrize(
    ("part", "match"),
    [
        (
            {"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}},
            "a layer of the kind StringLookup",
        ),
        (
            {"module": "keras.layers", "class_name": "TextVectorization", "config": {"vocabulary": "words"}},
            "a layer of the kind TextVectorization",
        ),
        ({"module": "keras.saving", "class_name": "load_model", "config": {}}, "load_model, which is not"),
        ({"module": "keras.src.ops.numpy", "class_name": "np", "config": {}}, "np, which is not"),
        ({"module": "os", "class_name": "system", "config": "true"}, "system, which is not"),
        ({"module": "keras.layers", "class_name": "Dense", "registered_name": "evil>Dense"}, "evil>Dense, "),
        ({"module": "builtins", "class_name": "function", "config": "system"}, "the function system, "),
        ({"class_name": "__typespec__", "config": {}}, "__typespec__, which is not"),
    ],
)
def test_fault_35_a_network_is_made_of_parts_on_a_list_and_reads_no_file(part, match, fish, tmp_path):
    make_network().save(tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(tmp_path / "a.keras", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"].append(part)
                content = json.dumps(config).encode()
            bad.writestr(name, content)
    with pytest.raises(ValueError, match=rf"It holds {match}.* was not loaded"):
        KerasFeatureTransformer(backbone=tmp_path / "a.keras", image_size=32).fit(fish[0])


@pytest.mark.parametrize("name", ["ConvNeXtTiny", "EfficientNetB0", "EfficientNetLite0", "MobileNetV3Small"])
def test_all_parts_of_kncustom_networks_are_on_the_list(name):
    with keras.StatelessScope(initialize_variables=False):
        model = list_applications()[name](weights=None)
        images = keras.Input((None, None, 3))
        scaled = keras.Model(images, model((images[..., ::-1] - 127.0) / 128.0))
    assert list(find_unsafe(json.loads(scaled.to_json()))) == []


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_fault_34_a_corrupt_network_is_named(content, fish, tmp_path):
    (tmp_path / "bad.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad.keras' is no .keras file that Keras can load"):
        KerasFeatureTransformer(backbone=tmp_path / "bad.keras").fit(fish[0])


def test_fault_34_weights_of_another_network_are_refused_by_name(fish, mobile, tmp_path):
    make_network(size=32).save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(ValueError, match=r"own.weights.h5' must hold weights of MobileNetV3Small"):
        mobile.set_params(weights=tmp_path / "own.weights.h5").transform(fish[0])


def test_weights_from_a_file_are_those_that_were_saved(fish, mobile, tmp_path):
    model = keras.applications.MobileNetV3Small(weights=None, include_top=False, input_shape=(32, 32, 3))
    model.save_weights(tmp_path / "own.weights.h5")
    features = mobile.set_params(weights=tmp_path / "own.weights.h5").transform(fish[0])
    expected = model(fish[0].astype("float32"), training=False).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5)


def test_a_pipeline_is_made_without_a_look_at_the_network():
    pipeline = make_fish_pipeline(backbone="missing.keras", features__views="mirror")
    assert pipeline["features"].backbone == "missing.keras"


def test_the_reports_recipe_is_of_vgg16():
    with pytest.raises(ValueError, match=r"recipe='report' is of backbone='vgg16' alone. Got .*'MobileNet'"):
        make_fish_pipeline(backbone="MobileNet", recipe="report")


def test_heat_maps_are_gradients_of_any_network(fish):
    pipeline = make_fish_pipeline(
        backbone=make_network(size=32), head__epochs=3, head__validation_fraction=0, random_state=0
    ).fit(*fish)
    display = ExplanationDisplay.from_estimator(pipeline, fish[0][:2], method="integrated_gradients")
    assert all(np.isfinite(heat).all() and heat.any() for heat in display.maps)


def test_dask_arrays_give_lazy_rows(fish, mobile):
    da = pytest.importorskip("dask.array", reason="needs dask: pip install 'fishsk[dask]'")
    lazy = mobile.transform(da.from_array(fish[0], chunks=(5, 32, 32, 3)))
    assert lazy.shape == (12, 576)
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), mobile.transform(fish[0]))


def test_pandas_output_has_the_names(fish, mobile):
    frame = mobile.set_output(transform="pandas").fit_transform(fish[0])
    assert list(frame.columns) == list(mobile.get_feature_names_out())


def test_few_networks_are_kept():
    assert _network._load.cache_parameters()["maxsize"] <= 2
    assert _custom_models._load_file.cache_parameters()["maxsize"] <= 2


class WeightsServer(http.server.BaseHTTPRequestHandler):
    """Serve a file of the test, or say that there is none."""

    def do_GET(self):
        content = self.server.files.get(self.path.rpartition("/")[2])
        self.send_response(200 if content else 404)
        self.end_headers()
        self.wfile.write(content or b"")
        self.server.asked.append(self.path)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """Let Keras's own functions name files of a server of the test."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WeightsServer)
    server.files, server.asked = {}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    module = sys.modules[keras.applications.MobileNetV3Small.__module__]
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"http://127.0.0.1:{server.server_port}/mobilenet_v3/")
    model = keras.applications.MobileNetV3Small(weights=None, include_top=False, input_shape=(32, 32, 3))
    model.save(tmp_path / "all.h5")  # in the older layout, which Keras's own files have
    content = (tmp_path / "all.h5").read_bytes()
    server.model, server.name = model, "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5"
    server.files[server.name] = content
    hashes = (hashlib.md5(content).hexdigest(),) * 2
    monkeypatch.setitem(module.WEIGHTS_HASHES, "small_224_1.0_float", hashes)
    _applications._describe.cache_clear()
    yield server
    _applications._describe.cache_clear()
    server.shutdown()
    server.server_close()


def test_imagenet_weights_are_downloaded_once_into_kerass_folder(server, fish, tmp_path):
    mobile = KerasFeatureTransformer(backbone="MobileNetV3Small", image_size=32)
    assert mobile.n_features_out == 576
    assert not server.asked
    features = mobile.transform(fish[0])
    expected = server.model(fish[0].astype("float32"), training=False).numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-5)
    _network._load.cache_clear()
    clone(mobile).set_params(cache=None).transform(fish[0])
    assert server.asked == [f"/mobilenet_v3/{server.name}"]
    assert os.listdir(tmp_path / "keras" / "models") == [server.name]
    assert mobile.weights_digest == f"md5:{hashlib.md5(server.files[server.name]).hexdigest()}"


@pytest.mark.parametrize("fault", ["wrong", "missing"])
def test_faults_36_38_without_its_weights_the_error_names_file_and_folder(server, fish, tmp_path, fault):
    server.files[server.name] = b"wrong" if fault == "wrong" else b""
    path = tmp_path / "keras" / "models" / server.name
    mobile = KerasFeatureTransformer(backbone="MobileNetV3Small", image_size=32)
    with pytest.raises(OSError, match="weights of MobileNetV3Small could not be downloaded") as failure:
        mobile.transform(fish[0])
    assert f"put the file at {str(path)!r}" in str(failure.value)
    assert "pass a backbone that needs no download, 'EfficientNetLite0' or" in str(failure.value)
    assert not path.exists()


def test_a_file_that_was_put_into_kerass_folder_by_hand_is_used(server, fish, tmp_path):
    (tmp_path / "keras" / "models").mkdir(parents=True)
    (tmp_path / "keras" / "models" / server.name).write_bytes(server.files[server.name])
    KerasFeatureTransformer(backbone="MobileNetV3Small", image_size=32).transform(fish[0])
    assert not server.asked


def test_what_is_downloaded_is_what_keras_itself_would_download(monkeypatch):
    """The names, URLs and hashes of all networks are those that Keras asks its own function for."""
    asked = []
    monkeypatch.setattr(
        "keras.src.utils.file_utils.get_file", lambda *args, **kwargs: asked.append((args, kwargs))
    )
    for name in ("NASNetMobile", "MobileNet"):
        # Keras cannot load what it did not get.
        with pytest.raises(Exception, match=r".*"), keras.StatelessScope(initialize_variables=False):
            getattr(keras.applications, name)(include_top=False, input_shape=(224, 224, 3))
        found = KerasFeatureTransformer(backbone=name, cache=None)._backbone().description.download
        (file, url), options = asked.pop()
        digest = options.get("file_hash")
        assert found == (file, url, None if digest is None else f"md5:{digest}")


def test_weights_without_a_published_hash_are_known_by_their_address():
    transformer = KerasFeatureTransformer(backbone="MobileNet", image_size=128, cache=None)
    assert transformer.weights_digest.startswith("url:https://")
    assert transformer.weights_digest.endswith("mobilenet_1_0_128_tf_no_top.h5")
