"""Where weights come from, and what happens to files that are not what they should be."""

import hashlib
import http.server
import importlib.util
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from quick import forget_networks, write_safetensors
from safetensors.numpy import load_file

from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer
from fishsk.features import _network, _vgg16_network
from fishsk.features._efficientnet_lite import LITES, find_weights
from fishsk.features._vgg16_network import CONVOLUTIONS, WEIGHTS, _draw_arrays, load_backbone, resolve_weights


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def features(weights, images, **params):
    return VGG16FeatureTransformer(weights=weights, image_size=32, cache=None, **params).transform(images)


def save_keras_vgg16(path):
    import keras

    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.02, size=array.shape) for array in model.get_weights()])
    model.save_weights(path)
    return model


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    """Return the path of weights that Keras itself has saved, and features by Keras itself."""
    path = tmp_path_factory.mktemp("keras") / "vgg16.weights.h5"
    return path, save_keras_vgg16(path)


def test_a_file_behind_a_name_never_changes():
    """Names of weights are promises: saved models depend on them. New numbers get a new name."""
    vgg16 = {name: VGG16FeatureTransformer(weights=name) for name in (*WEIGHTS, None)}
    lites = {name: KerasFeatureTransformer(backbone=name) for name in LITES}
    assert {name: transformer.weights_digest for name, transformer in (vgg16 | lites).items()} == {
        "imagenet": "md5:6d6bbae143d832006294945121d1f1fc",
        "cifar95": "09fd7879a15955c90904493d1ad05ecc780c5cf3661fe279b49da364998a1d83",
        None: "445068498b46be786f81478fac472ed5d8fa0353daba41e6110df91378c5a906",
        "EfficientNetLite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "EfficientNetLite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "EfficientNetLite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    }


def test_the_installed_files_are_those_of_their_names():
    paths = [resolve_weights("cifar95").path, *map(find_weights, LITES)]
    digests = [resolve_weights("cifar95").digest, *(lite.sha256 for lite in LITES.values())]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths] == digests


def test_thirteen_convolutions_in_five_blocks():
    assert len(CONVOLUTIONS) == 13
    assert CONVOLUTIONS[0] == "block1_conv1"
    assert CONVOLUTIONS[-1] == "block5_conv3"


def test_weights_that_keras_saved_give_keras_features(keras_file, images):
    import keras

    path, model = keras_file
    maps = model(keras.applications.vgg16.preprocess_input(images.astype("float32")))
    expected = maps.numpy().mean(axis=(1, 2))
    np.testing.assert_allclose(features(path, images), expected, rtol=1e-3, atol=1e-5)


def test_the_older_layout_of_keras_applications_is_read(tmp_path, images):
    import h5py

    arrays = _draw_arrays((64, 128, 256, 512, 512))
    with h5py.File(tmp_path / "vgg16.h5", "w") as file:
        for name, (kernel, bias) in arrays.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            group[f"{name}_W_1:0"], group[f"{name}_b_1:0"] = kernel, bias
    layers = ["block1_pool", "block3_conv1"]
    got = features(tmp_path / "vgg16.h5", images, layers=layers)
    np.testing.assert_array_equal(got, features(None, images, layers=layers))


def test_a_narrow_network_has_its_own_size_and_preprocessing(tmp_path, images):
    path = write_safetensors(tmp_path / "narrow.safetensors")
    vgg16 = VGG16FeatureTransformer(weights=path, cache=None)
    assert vgg16.transform(images).shape == (3, 8)
    assert resolve_weights(path).image_size == (32, 32)
    by_hand = (images.astype(np.float32) - [120, 115, 100]) / 60
    maps = load_backbone(resolve_weights(path))(by_hand).numpy()
    np.testing.assert_allclose(vgg16.transform(images), maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_fault_08_other_weights_have_another_digest(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors")
    before = resolve_weights(path).digest
    write_safetensors(path, mean="[0, 0, 0]")
    assert len({before, resolve_weights(path).digest, resolve_weights(None).digest}) == 3


def test_equal_transformers_share_one_backbone(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors")
    source, twin = resolve_weights(path), resolve_weights(str(path))
    description = source.describe(None, None)
    assert _network._load(source, description, None) is _network._load(twin, description, None)


def test_fault_34_a_layer_of_another_shape_is_named(tmp_path, images):
    path = write_safetensors(tmp_path / "odd.safetensors", widths=(4, 4, 8, 9, 8))
    with pytest.raises(ValueError, match=r"odd\.safetensors.* layer 'block4_conv1'\. Got \[\(3, 3, 8, 9\)"):
        features(path, images)


def test_fault_34_a_missing_layer_is_named(tmp_path, images):
    path = write_safetensors(tmp_path / "less.safetensors", drop=("block3_conv2",))
    with pytest.raises(ValueError, match=r"less\.safetensors.*'block3_conv2'\. Got nothing"):
        features(path, images)


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"\x10\0\0\0\0\0\0\0{not json at all}"])
def test_fault_34_a_corrupt_file_is_named(tmp_path, images, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"bad\{suffix}"):
        features(path, images)


def test_fault_34_a_truncated_file_is_named(tmp_path, images):
    path = write_safetensors(tmp_path / "cut.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.safetensors"):
        features(path, images)


def test_fault_35_a_pickle_under_the_name_of_weights_is_not_loaded(tmp_path, images):

    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    for name in ("evil.h5", "evil.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(ValueError, match="evil"):
            features(tmp_path / name, images)
    assert not (tmp_path / "executed").exists()


def test_shipped_weights_are_refused_when_one_byte_is_flipped(tmp_path, images, monkeypatch):
    content = bytearray(_vgg16_network._CIFAR95_FILE.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "cifar95.safetensors"
    path.write_bytes(content)
    monkeypatch.setattr(_vgg16_network, "_CIFAR95_FILE", path)
    forget_networks()  # a file that another test has loaded is not read again
    _network._load.cache_clear()
    with pytest.raises(ValueError, match=r"cifar95\.safetensors' is not the file that fishsk ships"):
        features("cifar95", images)


def test_shipped_weights_are_plain_vgg16_layers_of_at_most_8_mb():
    tensors = load_file(_vgg16_network._CIFAR95_FILE)
    assert {name.partition("/")[0] for name in tensors} == set(CONVOLUTIONS)
    assert {str(array.dtype) for array in tensors.values()} == {"float16"}
    assert _vgg16_network._CIFAR95_FILE.stat().st_size <= 8e6
    assert resolve_weights("cifar95").image_size == (32, 32)


@pytest.fixture(scope="module")
def fold_convolution():
    """Return the function that the shipped weights were folded with."""
    path = Path(__file__).parents[2] / "tools" / "pretrain" / "folding.py"
    spec = importlib.util.spec_from_file_location("folding", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fold_convolution


@pytest.mark.parametrize(
    ("name", "skip"),
    [("block1_conv1", False), ("block1_conv2", True), ("block4_conv1", False), ("block5_conv3", True)],
)
def test_folding_is_exact_for_shipped_layers(fold_convolution, rng, name, skip):
    import keras

    kernel = load_file(_vgg16_network._CIFAR95_FILE)[f"{name}/kernel"].astype(np.float32)
    n_in, n_out = kernel.shape[2:]
    gamma, variance = rng.uniform(0.5, 2, n_out), rng.uniform(0.5, 2, n_out)
    beta, mean = rng.normal(size=n_out), rng.normal(size=n_out)
    x = rng.normal(size=(2, 8, 8, n_in)).astype(np.float32)

    convolve = keras.layers.Conv2D(n_out, 3, padding="same", use_bias=False)
    normalize = keras.layers.BatchNormalization(epsilon=1e-5)
    convolved = convolve(x)
    convolve.set_weights([kernel])
    normalize(convolved)
    normalize.set_weights([gamma, beta, mean, variance])
    apart = normalize(convolve(x), training=False).numpy() + (x if skip else 0)

    together = keras.layers.Conv2D(n_out, 3, padding="same")
    together(x)
    together.set_weights(fold_convolution(kernel, gamma, beta, mean, variance, epsilon=1e-5, skip=skip))
    np.testing.assert_allclose(together(x).numpy(), apart, rtol=1e-5, atol=1e-5 * np.abs(apart).max())


class ImagenetServer(http.server.BaseHTTPRequestHandler):
    """Serve wrong bytes, cut the answer short, or stall."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        if self.server.fault == "stall":
            self.server.release.wait(20)
        else:
            self.wfile.write(b"x" * (1000 if self.server.fault == "wrong" else 10))

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ImagenetServer)
    server.release = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(_vgg16_network, "_IMAGENET_URL", f"http://127.0.0.1:{server.server_port}/vgg16.h5")
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("fault", ["stall", "cut", "wrong"])
def test_faults_36_37_38_a_failed_download_says_how_to_work_offline(
    server, images, tmp_path, monkeypatch, fault
):
    server.fault = fault
    if fault == "stall":
        monkeypatch.setattr("fishsk._utils.downloads.TIMEOUT", 0.5)
    with pytest.raises(OSError, match="To work offline, pass weights='cifar95'") as failure:
        features("imagenet", images)
    assert "or a backbone that needs no download, 'EfficientNetLite0' or" in str(failure.value)
    assert ("timed out" in str(failure.value)) == (fault == "stall")
    assert not (tmp_path / "models" / "vgg16.h5").exists()


def test_imagenet_weights_that_lie_in_kerass_folder_are_used(keras_file, images, tmp_path, monkeypatch):
    path, _ = keras_file
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    target = tmp_path / "models" / _vgg16_network._IMAGENET_URL.rpartition("/")[2]
    target.write_bytes(path.read_bytes())
    import hashlib

    monkeypatch.setattr(_vgg16_network, "_IMAGENET_MD5", hashlib.md5(path.read_bytes()).hexdigest())
    np.testing.assert_array_equal(features("imagenet", images), features(path, images))


def test_a_file_of_small_images_gets_the_recipe_of_the_weights_that_ship(tmp_path):
    from fishsk import make_fish_pipeline

    path = write_safetensors(tmp_path / "own.safetensors")
    own, shipped = (make_fish_pipeline(weights=weights) for weights in (path, "cifar95"))
    for name in ("features__layers", "features__pooling", "features__views", "head__l2"):
        assert own.get_params()[name] == shipped.get_params()[name]


@pytest.mark.parametrize("name", [*WEIGHTS, None])
def test_each_entry_describes_itself_without_being_loaded(name):
    weights = resolve_weights(name)
    assert weights.origin
    assert len(weights.widths) == 5
    assert VGG16FeatureTransformer(weights=name).weights_digest == weights.digest
