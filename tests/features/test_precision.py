"""precision="int8": what it gives, what it costs, where it is kept, and what happens without OpenVINO."""

import ctypes
import functools
import os
import pickle
import subprocess
import sys
import threading

import joblib
import keras
import numpy as np
import pytest
from quick import forget_networks, make_quick_pipeline
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from fishsk import (
    ExplanationDisplay,
    KerasFeatureTransformer,
    VGG16FeatureTransformer,
    export_model,
    load_pipeline,
    save_pipeline,
)
from fishsk.datasets import make_fish_images
from fishsk.features import _int8
from fishsk.store import cache_info


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(12, random_state=0)


quantize_once = functools.cache(_int8._quantize)


@pytest.fixture(autouse=True)
def few_crops(monkeypatch):
    """Let networks be quantized in a moment, and those of the same settings once."""
    monkeypatch.setattr(_int8, "_N_CROPS", 8)
    monkeypatch.setattr(_int8, "_quantize", quantize_once)


@pytest.fixture
def vgg16():
    return VGG16FeatureTransformer(weights="cifar95", precision="int8", cache=None)


@pytest.fixture
def first_block(vgg16):
    """Return what is quantized in the shortest time."""
    return vgg16.set_params(layers="block1_pool")


@pytest.fixture
def needs_openvino():
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'fishsk[int8]'")
    pytest.importorskip("nncf", reason="needs NNCF: pip install 'fishsk[int8]'")


@pytest.fixture
def n_quantized(monkeypatch):
    """Return a function that counts the networks which are quantized, each anew; none is loaded at first."""
    made = []
    quantize = quantize_once.__wrapped__
    forget_networks()
    monkeypatch.setattr(_int8, "_quantize", lambda *args: made.append(args) or quantize(*args))
    return lambda: len(made)


def measure_error(rows, expected):
    """Return how far rows are from those expected, as a share of their spread over the images."""
    spread = np.linalg.norm(expected - expected.mean(axis=0))
    return np.linalg.norm(rows - expected) / spread


# Without OpenVINO


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setattr(_int8, "find_version", lambda name: None)


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize("transformer", [VGG16FeatureTransformer, KerasFeatureTransformer])
def test_without_the_extra_the_error_says_how_to_install_it(no_openvino, transformer, method):
    with pytest.raises(ImportError, match=r'pip install "fishsk\[int8\]"'):
        getattr(transformer(precision="int8"), method)(["missing.png"])  # no image is looked at before


@pytest.mark.parametrize("precision", ["bfloat16", "INT8", None, 8])
def test_other_precisions_are_refused(fish, precision):
    with pytest.raises(ValueError, match=r"The 'precision' parameter .* must be a str among"):
        VGG16FeatureTransformer(weights="cifar95", precision=precision).fit(fish[0])


def test_int8_is_stored_under_all_that_changes_a_number_of_it():
    settings = VGG16FeatureTransformer(weights="cifar95")._settings()
    int8 = VGG16FeatureTransformer(weights="cifar95", precision="int8")._settings()
    made_by = int8.to_json()["engine"]
    assert [name.split()[0] for name in made_by] == ["int8", "fishsk", "openvino", "nncf"]
    assert {**settings.to_json(), "engine": made_by} == int8.to_json()


# What it gives


def test_features_are_near_those_of_float32(needs_openvino, fish, vgg16):
    expected = clone(vgg16).set_params(precision="float32").transform(fish[0])
    rows = vgg16.transform(fish[0])
    assert rows.dtype == np.float32
    assert 0 < measure_error(rows, expected) < 0.25
    assert np.corrcoef(rows.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.skipif(sys.platform != "linux", reason="threads have such a stack on Linux")
def test_a_thread_handles_signals_on_the_stack_that_it_had(needs_openvino, fish, first_block):
    def find_stack():
        stack = ctypes.create_string_buffer(24)
        ctypes.CDLL(None).sigaltstack(None, stack)
        return stack.raw

    before = find_stack()
    forget_networks()
    first_block.transform(fish[0])
    assert find_stack() == before


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"pooling": "max", "layers": ["block5_pool", "block3_conv2"]}, marks=pytest.mark.slow),
        pytest.param(
            {"pooling": None, "layers": ["block3_pool", "block4_pool", "block5_pool"]},
            marks=pytest.mark.slow,
        ),
        {"image_size": (40, 64), "preprocessing": "caffe", "views": "mirror"},
    ],
)
def test_each_parameter_means_the_same(needs_openvino, fish, vgg16, params):
    vgg16.set_params(**params)
    expected = clone(vgg16).set_params(precision="float32").transform(fish[0])
    rows = vgg16.transform(fish[0])
    assert rows.shape == expected.shape
    assert np.corrcoef(rows.ravel(), expected.ravel())[0, 1] > 0.95
    assert len(vgg16.get_feature_names_out()) == rows.shape[1]


def check_network(transformer, fish):
    """Check that rows are near those of float32, and the same in every batch and order."""
    expected = clone(transformer).set_params(precision="float32").transform(fish[0])
    rows = transformer.transform(fish[0])
    assert np.isfinite(rows).all()
    assert np.corrcoef(rows.ravel(), expected.ravel())[0, 1] > 0.5  # drawn weights are not made for it
    for batch_size in (1, 5):
        again = clone(transformer).set_params(batch_size=batch_size).transform(fish[0][::-1])
        np.testing.assert_array_equal(again[::-1], rows)
    np.testing.assert_array_equal(transformer.transform(fish[0][3:4]), rows[3:4])


def test_vgg16_gives_the_same_bits_in_every_batch_and_order(needs_openvino, fish, vgg16):
    check_network(vgg16, fish)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:In int8 the features of")  # drawn weights are not made for it
@pytest.mark.parametrize(
    "name", ["MobileNetV3Small", "ResNet50V2", "EfficientNetV2B0", "ConvNeXtTiny", "DenseNet121"]
)
def test_networks_of_keras_run_in_int8(needs_openvino, fish, name):
    network = KerasFeatureTransformer(backbone=name, weights=None, image_size=32, precision="int8")
    check_network(network.set_params(cache=None), fish)


def make_model(*layers):
    return keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), *layers])


@pytest.mark.parametrize("as_file", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_network_of_your_own_runs_in_int8(needs_openvino, fish, tmp_path, as_file):
    keras.utils.set_random_seed(0)
    network = make_model(
        keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.SeparableConv2D(16, 3, activation="silu")
    )
    if as_file:
        network.save(tmp_path / "ours.keras")
        network = str(tmp_path / "ours.keras")
    transformer = KerasFeatureTransformer(backbone=network, precision="int8", cache=None)
    expected = clone(transformer).set_params(precision="float32").transform(fish[0])
    assert measure_error(transformer.transform(fish[0]), expected) < 0.25


def test_a_network_that_openvino_does_not_know_is_one_error(needs_openvino, fish, monkeypatch):
    transformer = KerasFeatureTransformer(backbone=make_model(), precision="int8", cache=None)

    def refuse(*args, **kwargs):
        raise RuntimeError("no such operation")

    monkeypatch.setattr("openvino.convert_model", refuse)
    with pytest.raises(ValueError, match=r"(?s)can run in int8.*no such operation.*precision='float32'"):
        transformer.transform(fish[0])


# Where it is kept


@pytest.mark.parametrize("cache", [pytest.param(None, marks=pytest.mark.slow), "kept"])
def test_a_network_that_eight_bits_do_not_suit_says_so(
    needs_openvino, fish, first_block, n_quantized, monkeypatch, tmp_path, cache
):
    monkeypatch.setattr(_int8, "_compare", lambda *networks: 0.5)
    first_block.set_params(cache=cache and tmp_path)
    for _ in range(2):  # a network that is read back from the cache, too
        with pytest.warns(UserWarning, match="features of VGG16 are 50% off those of float32"):
            first_block.transform(fish[0][:2])
        forget_networks()
        fish = (fish[0][2:], fish[1][2:])
    assert n_quantized() == (1 if cache else 2)


@pytest.mark.slow
def test_the_distance_to_float32_is_that_of_the_features(
    needs_openvino, first_block, n_quantized, monkeypatch
):
    measured = []
    compare = _int8._compare
    monkeypatch.setattr(_int8, "_compare", lambda *args: measured.append(compare(*args)) or measured[-1])
    _int8._quantize(first_block._settings(), False)
    crops = _int8.crop_photographs((32, 32))
    exact = clone(first_block).set_params(precision="float32", input_range=None).transform(crops)
    rough = clone(first_block).set_params(input_range=None).transform(crops)
    expected = np.linalg.norm(rough - exact) / np.linalg.norm(exact)
    assert 0 < measured[0] < _int8._LARGE_DISTANCE
    np.testing.assert_allclose(measured[0], expected, rtol=1e-3)


@pytest.mark.slow
def test_a_network_is_quantized_once_and_again_to_the_same_bits(
    needs_openvino, fish, first_block, n_quantized, tmp_path
):
    rows = first_block.set_params(cache=tmp_path).transform(fish[0])
    assert n_quantized() == 1
    assert cache_info(tmp_path)["n_networks"] == 1
    forget_networks()  # as in another process
    stored = first_block.set_params(views="mirror").transform(fish[0])
    assert n_quantized() == 1
    forget_networks()
    anew = first_block.set_params(cache=None).transform(fish[0])
    assert n_quantized() == 2
    np.testing.assert_array_equal(anew, stored)
    np.testing.assert_array_equal(first_block.set_params(views=None).transform(fish[0]), rows)


@pytest.mark.slow
def test_fault_05_a_damaged_network_is_quantized_again(
    needs_openvino, fish, first_block, n_quantized, tmp_path
):
    rows = first_block.set_params(cache=tmp_path).transform(fish[0])
    (path,) = (tmp_path / "networks").iterdir()
    path.write_bytes(path.read_bytes()[:-1000] + bytes(1000))
    forget_networks()
    new = fish[0][:, ::-1].copy()
    first_block.transform(new)
    assert n_quantized() == 2
    np.testing.assert_array_equal(first_block.set_params(cache=None).transform(fish[0]), rows)


def test_rows_of_int8_and_of_float32_are_never_mixed(needs_openvino, fish, vgg16, n_extracted, tmp_path):
    vgg16.set_params(cache=tmp_path)
    rows = vgg16.transform(fish[0])
    exact = clone(vgg16).set_params(precision="float32").transform(fish[0])
    assert n_extracted() == 24
    assert not np.array_equal(rows, exact)
    np.testing.assert_array_equal(vgg16.transform(fish[0]), rows)
    np.testing.assert_array_equal(vgg16.set_params(precision="float32").transform(fish[0]), exact)
    assert n_extracted() == 24


def test_another_version_of_openvino_has_rows_of_its_own(monkeypatch):
    before = VGG16FeatureTransformer(weights="cifar95", precision="int8")._settings().to_json()
    monkeypatch.setattr(_int8, "find_version", lambda name: "9999.0")
    assert VGG16FeatureTransformer(weights="cifar95", precision="int8")._settings().to_json() != before


PROGRAM = """
import sys
import numpy as np
from fishsk import VGG16FeatureTransformer
from fishsk.features import _int8
_int8._N_CROPS = 8
X = np.load(sys.argv[1])
vgg16 = VGG16FeatureTransformer(weights="cifar95", precision="int8")
if sys.argv[2] == "fresh":
    vgg16.transform(X[:1])
else:
    print(vgg16.transform(X).sum())
    print("tensorflow" in sys.modules or "openvino_telemetry" in sys.modules)
"""


@pytest.mark.slow
def test_a_kept_network_runs_without_tensorflow_and_nothing_is_reported_home(
    needs_openvino, fish, vgg16, tmp_path
):
    np.save(tmp_path / "X.npy", fish[0])
    home = tmp_path / "home"
    home.mkdir()
    environment = os.environ | {"FISHSK_CACHE": str(tmp_path / "cache"), "HOME": str(home)}
    environment.pop("CI", None)
    for mode in ("fresh", "warm"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "X.npy"), mode],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    assert run.stdout.split("\n")[:2] == [str(vgg16.transform(fish[0]).sum()), "False"]
    assert not (home / "intel").exists()  # where the telemetry of OpenVINO keeps its identity


# Inside the rest


@pytest.mark.slow
def test_threads_and_processes_give_the_same_rows(needs_openvino, fish, vgg16, n_quantized, tmp_path):
    results = [None] * 4

    def work(place):
        results[place] = clone(vgg16).transform(fish[0])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert n_quantized() == 1
    for rows in results:
        np.testing.assert_array_equal(rows, results[0])
    forget_networks()
    stored = clone(vgg16).set_params(cache=tmp_path)
    stored.transform(fish[0][:1])  # processes find the network there
    for rows in joblib.Parallel(2)(joblib.delayed(stored.transform)(fish[0]) for _ in range(2)):
        np.testing.assert_array_equal(rows, results[0])


def test_dask_arrays_give_the_same_rows(needs_openvino, fish, vgg16):
    da = pytest.importorskip("dask.array", reason="needs dask: pip install 'fishsk[dask]'")
    lazy = vgg16.transform(da.from_array(fish[0], chunks=(5, -1, -1, -1)))
    np.testing.assert_array_equal(lazy.compute(), vgg16.transform(fish[0]))


def test_a_pickle_holds_no_network(needs_openvino, fish, vgg16):
    rows = vgg16.transform(fish[0])
    pickled = pickle.dumps(vgg16)
    assert len(pickled) < 2000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(fish[0]), rows)


@pytest.mark.slow
def test_nothing_is_printed_and_a_bar_is_on_standard_error(
    needs_openvino, fish, first_block, n_quantized, capfd
):
    first_block.transform(fish[0])
    quiet = capfd.readouterr()
    forget_networks()
    first_block.set_params(verbose=1).transform(fish[0])
    shown = capfd.readouterr()
    assert quiet.out == shown.out == ""
    assert "VGG16 to int8" in shown.err
    assert "VGG16 to int8" not in quiet.err


def test_a_pipeline_is_fitted_scored_saved_and_loaded(needs_openvino, tmp_path, monkeypatch):
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_quick_pipeline(features__precision="int8").fit(X, y)
    exact = clone(pipeline).set_params(features__precision="float32")
    assert abs(cross_val_score(pipeline, X, y, cv=3) - cross_val_score(exact, X, y, cv=3)).mean() < 0.15
    path = tmp_path / "fish.fishsk"
    save_pipeline(pipeline, path)
    loaded = load_pipeline(path)
    assert loaded["features"].precision == "int8"
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))
    monkeypatch.setattr(_int8, "find_version", lambda name: None)  # on a machine without the extra
    loaded = load_pipeline(path)
    with pytest.raises(ImportError, match=r"fishsk\[int8\]"):
        loaded.predict(X)


def test_an_exported_model_is_float32_and_a_warning_says_so(needs_openvino, tmp_path):
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_quick_pipeline(features__precision="int8").fit(X, y)
    with pytest.warns(UserWarning, match="exported model computes in float32"):
        export_model(pipeline, tmp_path / "fish.keras")
    exported = keras.saving.load_model(tmp_path / "fish.keras").predict(X, verbose=0)
    expected = pipeline.set_params(features__precision="float32").predict_proba(X)
    np.testing.assert_allclose(exported, expected, atol=1e-5)


def test_heat_maps_are_of_the_float32_network(needs_openvino):
    X, y = make_fish_images(60, random_state=0)
    pipeline = make_quick_pipeline(features__precision="int8").fit(X, y)
    maps = ExplanationDisplay.from_estimator(pipeline, X[:2])
    assert maps.maps[0].shape == X[0].shape[:2]


def test_maps_of_depthwise_networks_are_near_those_of_float32(needs_openvino, fish):
    layers = [
        "block2_expand_relu",
        "block3_expand_relu",
    ]  # the first goes through a depthwise convolution, too
    lite = KerasFeatureTransformer(backbone="EfficientNetLite0", layers=layers, image_size=64, cache=None)
    expected = lite.transform(fish[0])
    rows = lite.set_params(precision="int8").transform(fish[0])
    assert np.corrcoef(rows.ravel(), expected.ravel())[0, 1] > 0.95
