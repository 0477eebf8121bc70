"""Which engine runs a network, what LiteRT gives beside TensorFlow, and where a converted network is kept."""

import logging
import multiprocessing
import os
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from quick import forget_networks
from sklearn.base import clone

from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _engine, _tensorflow

needs_litert = pytest.mark.skipif(
    _engine.find_version("ai-edge-litert") is None, reason="needs LiteRT: pip install ai-edge-litert"
)


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(16, random_state=0)[0]


@pytest.fixture
def small():
    """Return a transformer whose network is converted in a moment."""
    return VGG16FeatureTransformer(weights="cifar95", layers="block1_pool", cache=None)


@pytest.fixture
def on_tensorflow(monkeypatch):
    """Return a function that gives the features of a transformer by TensorFlow."""

    def transform(transformer, X):
        with monkeypatch.context() as patch:
            patch.setattr(_engine, "find_version", lambda name: None)
            assert transformer._settings().engine[0] == "tensorflow"
            return clone(transformer).transform(X)

    return transform


@pytest.fixture
def n_converted(monkeypatch):
    """Return a function that counts the networks which have been made; none is loaded at first."""
    made = []
    write = _tensorflow._write
    forget_networks()
    monkeypatch.setattr(_tensorflow, "_write", lambda settings: made.append(settings) or write(settings))
    return lambda: len(made)


def assert_near(rows, expected):
    assert rows.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(rows, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


# Which engine runs what


@needs_litert
@pytest.mark.parametrize(
    ("transformer", "engine"),
    [
        (KerasFeatureTransformer(backbone="EfficientNetLite0", weights=None), "litert"),
        (KerasFeatureTransformer(backbone="MobileNetV3Small", weights=None), "litert"),
        (KerasFeatureTransformer(backbone="MobileNetV2", weights=None, image_size=32), "litert"),
        (KerasFeatureTransformer(backbone="EfficientNetB0", weights=None, image_size=32), "litert"),
        (KerasFeatureTransformer(backbone="EfficientNetB7", weights=None, image_size=32), "tensorflow"),
        (KerasFeatureTransformer(backbone="ResNet50", weights=None, image_size=32), "tensorflow"),
        (KerasFeatureTransformer(backbone="VGG19", weights=None, image_size=32), "tensorflow"),
        (VGG16FeatureTransformer(weights=None), "tensorflow"),
        (VGG16FeatureTransformer(weights="cifar95"), "litert"),
    ],
)
def test_each_network_runs_on_the_engine_that_the_docs_name(transformer, engine):
    assert transformer._settings().engine == (engine,)


def test_a_model_of_the_users_runs_on_tensorflow(fish):
    model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3)])
    transformer = KerasFeatureTransformer(backbone=model, cache=None)
    assert transformer._settings().engine == ("tensorflow",)
    assert transformer.transform(fish).shape == (16, 4)


def test_where_litert_is_missing_tensorflow_serves(small, fish, monkeypatch):
    monkeypatch.setattr(_engine, "find_version", lambda name: None)
    monkeypatch.setattr(_tensorflow, "make_interpreter", None)
    assert small.transform(fish).shape == (16, 32)


def test_a_gpu_runs_tensorflow(small, monkeypatch):
    monkeypatch.setattr(_engine, "_has_gpu", lambda: True)
    assert small._settings().engine == ("tensorflow", "gpu")


def test_no_device_of_a_gpu_means_that_tensorflow_is_not_asked(monkeypatch):
    monkeypatch.setattr(_engine, "_GPU_DEVICES", ("/dev/no-such-device",))
    monkeypatch.setattr(_engine, "find_version", lambda name: None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # an import of it raises ImportError
    assert not _engine._has_gpu.__wrapped__()


IMPORTED_FIRST = """
import os, warnings
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # the default of processors without AVX-512
import tensorflow
del os.environ["TF_ENABLE_ONEDNN_OPTS"]
from fishsk import VGG16FeatureTransformer
with warnings.catch_warnings(record=True) as caught:
    engines = {VGG16FeatureTransformer(weights=None)._settings().engine for _ in range(2)}
print(engines, [str(each.message) for each in caught])
"""


@pytest.mark.slow
@pytest.mark.skipif(_engine.platform.machine() not in _engine._ONEDNN_MACHINES, reason="needs oneDNN")
def test_tensorflow_imported_first_without_onednn_is_seen():
    run = subprocess.run([sys.executable, "-c", IMPORTED_FIRST], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("{('tensorflow', 'without oneDNN')} ['TensorFlow was imported before fishsk")
    assert run.stdout.count("Import fishsk before TensorFlow") == 1


@pytest.fixture
def without_onednn(monkeypatch):
    monkeypatch.setattr(_engine, "uses_onednn", lambda: False)
    monkeypatch.setattr(_engine.platform, "machine", lambda: "x86_64")
    monkeypatch.setitem(sys.modules, "tensorflow", keras)
    _engine._is_onednn_on.cache_clear()
    yield
    _engine._is_onednn_on.cache_clear()


def test_rows_without_onednn_are_stored_apart_and_a_warning_says_what_to_do(without_onednn, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    vgg16 = VGG16FeatureTransformer(weights=None)
    with pytest.warns(UserWarning, match="Import fishsk before TensorFlow and Keras"):
        document = vgg16._settings().to_json()
    assert vgg16._settings().to_json() == document  # and says no more
    assert document["engine"] == ["tensorflow", "without oneDNN"]


def test_who_switches_onednn_off_is_not_warned(without_onednn, monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert VGG16FeatureTransformer(weights=None)._settings().engine == ("tensorflow", "without oneDNN")


@needs_litert
def test_litert_does_not_ask_for_onednn(without_onednn, small):
    assert small._settings().engine == ("litert",)


@needs_litert
def test_rows_of_two_engines_are_never_mixed(small, fish, on_tensorflow, n_extracted, tmp_path):
    small.set_params(cache=tmp_path)
    rows = small.transform(fish)
    on_tensorflow(small, fish)
    assert n_extracted() == 32
    np.testing.assert_array_equal(small.transform(fish), rows)
    assert n_extracted() == 32


# What LiteRT gives


@needs_litert
@pytest.mark.parametrize(
    "params",
    [
        {"layers": ["block2_conv1", "block1_pool"], "pooling": "max"},
        {"layers": ["block2_pool", "block1_conv1"], "pooling": None},
        {"image_size": (40, 64), "preprocessing": "caffe", "views": "mirror"},
    ],
)
def test_each_parameter_means_the_same_as_on_tensorflow(small, fish, on_tensorflow, params):
    small.set_params(**params)
    assert_near(small.transform(fish), on_tensorflow(small, fish))


@needs_litert
@pytest.mark.parametrize(
    "transformer",
    [
        VGG16FeatureTransformer(weights="cifar95", layers=["block5_pool", "block1_conv2"], pooling=None),
        KerasFeatureTransformer(
            layers=["block2_add", "block1_project_bn", "block2_expand_relu"], pooling="max"
        ),
        KerasFeatureTransformer(),
    ],
    ids=["cifar95", "blocks", "top"],
)
def test_what_is_written_without_tensorflow_is_what_the_converter_makes(fish, monkeypatch, transformer):
    transformer = clone(transformer).set_params(image_size=(32, 50), cache=None)
    rows = transformer.transform(fish[:4])
    np.testing.assert_array_equal(transformer.set_params(batch_size=1).transform(fish[3::-1])[::-1], rows)
    monkeypatch.setattr(_tensorflow, "_write", lambda settings: None)
    forget_networks()
    assert_near(transformer.transform(fish[:4]), rows)


@needs_litert
@pytest.mark.parametrize(
    ("transformer", "is_written"),
    [
        (KerasFeatureTransformer(image_size=32), True),
        (KerasFeatureTransformer(image_size=32, layers="block2_expand_conv"), False),
        (KerasFeatureTransformer(image_size=32, preprocessing="tf"), False),
        (KerasFeatureTransformer(image_size=32, weights=None), False),
        (VGG16FeatureTransformer(weights="cifar95"), True),
    ],
    ids=["Lite", "before normalization", "another preprocessing", "drawn", "cifar95"],
)
def test_tensorflow_converts_what_is_not_known_without_it(transformer, is_written):
    assert (_tensorflow._write(transformer._settings()) is not None) == is_written


@needs_litert
@pytest.mark.parametrize("name", ["MobileNetV3Small", pytest.param("ConvNeXtTiny", marks=pytest.mark.slow)])
def test_a_row_has_the_same_bits_in_every_batch_and_order_and_for_any_threads(
    fish, on_tensorflow, monkeypatch, tmp_path, name
):
    network = KerasFeatureTransformer(backbone=name, weights=None, image_size=32, cache=None)
    monkeypatch.setattr(_tensorflow, "keep", keep_in(tmp_path))
    rows = network.transform(fish)
    assert_near(rows, on_tensorflow(network, fish))
    for n_threads in (1, 2):
        monkeypatch.setattr(_tensorflow, "cpu_count", lambda n_threads=n_threads: n_threads)
        forget_networks()
        for batch_size in (1, 2, 4, 8, 16):
            again = network.set_params(batch_size=batch_size).transform(fish[::-1])
            np.testing.assert_array_equal(again[::-1], rows)
    np.testing.assert_array_equal(network.transform(fish[3:4]), rows[3:4])


def keep_in(folder):
    """Return a `keep` that knows of this folder alone, for rows that are not kept."""
    keep = _tensorflow.keep
    return lambda _, subject, make: keep(folder, subject, make)


@needs_litert
def test_the_mirror_view_is_exact(small, fish):
    mirrored = clone(small).set_params(views="mirror")
    both = [small.transform(images) for images in (fish, fish[:, :, ::-1].copy())]
    np.testing.assert_array_equal(mirrored.transform(fish), sum(both) / np.float32(2))


# Where a converted network is kept


@needs_litert
def test_a_network_is_converted_once_a_machine(small, fish, n_converted, tmp_path):
    small.set_params(cache=tmp_path).transform(fish[:8])
    forget_networks()  # as in another process
    rows = small.transform(fish)
    assert n_converted() == 1
    forget_networks()
    np.testing.assert_array_equal(small.set_params(cache=None).transform(fish), rows)
    assert n_converted() == 2


@needs_litert
def test_fault_05_a_damaged_network_is_converted_again_and_logged(small, fish, n_converted, tmp_path, caplog):
    small.set_params(cache=tmp_path).transform(fish[:8])
    (path,) = (tmp_path / "networks").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    forget_networks()
    with caplog.at_level(logging.WARNING):
        rows = small.transform(fish)
    assert n_converted() == 2
    assert path.name in caplog.text
    np.testing.assert_array_equal(small.set_params(cache=None).transform(fish), rows)


PROGRAM = """
import sys
import numpy as np
from fishsk import VGG16FeatureTransformer
vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")
print(vgg16.transform(np.load(sys.argv[1])).sum())
print({"tensorflow", "keras"} & set(sys.modules))
"""


@needs_litert
def test_a_kept_network_runs_without_tensorflow_and_says_nothing(small, fish, tmp_path):
    np.save(tmp_path / "X.npy", fish)
    forget_networks()
    small.set_params(cache=tmp_path / "cache").transform(fish[:1])
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "X.npy")],
        env=os.environ | {"FISHSK_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split("\n")[:2] == [str(small.transform(fish).sum()), "set()"]
    assert run.stderr == ""


# Inside the rest


@needs_litert
def test_threads_share_one_network(small, fish, n_converted):
    results = {}

    def work(place):
        results[place] = clone(small).transform(fish)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert n_converted() == 1
    for rows in results.values():
        np.testing.assert_array_equal(rows, results[0])


@needs_litert
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_runs_a_kept_network(small, fish, tmp_path):
    forget_networks()
    rows = small.set_params(cache=tmp_path).transform(fish[:8])
    receiver, sender = multiprocessing.get_context("fork").Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=lambda: sender.send(small.transform(fish)))
    child.start()
    sender.close()  # so that a child that fails is seen at once
    np.testing.assert_array_equal(receiver.recv()[:8], rows)
    child.join()
    assert child.exitcode == 0


FORK = """
import os, threading

def start_threads():  # where the stacks of the parent's threads were
    threading.stack_size(2**26)
    done = threading.Event()
    threads = [threading.Thread(target=done.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    done.set()
    for thread in threads:
        thread.join()

os.register_at_fork(after_in_child=start_threads)
import numpy as np
from fishsk import VGG16FeatureTransformer
vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")
vgg16.transform(np.zeros((4, 32, 32, 3), dtype=np.uint8))
if pid := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@needs_litert
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_ends_without_a_crash(small, tmp_path):
    forget_networks()
    small.set_params(cache=tmp_path).transform(np.full((1, 32, 32, 3), 9, dtype=np.uint8))
    environment = os.environ | {"FISHSK_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], env=environment, check=False)
    assert run.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_does_not_free_its_parents_networks(monkeypatch):
    parent = os.getpid()

    class Network:
        def __del__(self):
            if os.getpid() != parent:  # OpenVINO's would wait for threads that are not there
                os._exit(1)

    monkeypatch.setattr(_engine, "_loaded", {"settings": Network()})
    if (pid := os.fork()) == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
