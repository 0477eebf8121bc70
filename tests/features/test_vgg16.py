"""VGG16FeatureTransformer: what goes in, what comes out, and what is never computed twice."""

import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quick import make_quick_pipeline
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion

from fishsk import KerasFeatureTransformer, VGG16FeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _extraction, _transformer
from fishsk.features._images import check_images
from fishsk.features._vgg16_network import LAYERS, load_backbone
from fishsk.store import FeatureStore, _store


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(12, random_state=0)


@pytest.fixture
def vgg16():
    """Return a transformer that runs only the first block, for tests of what surrounds the network."""
    return VGG16FeatureTransformer(weights=None, image_size=32, layers=["block1_pool"], cache=None)


def save_images(folder, images):
    from PIL import Image

    paths = [folder / f"{index}.png" for index in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return [str(path) for path in paths]


def test_features_are_those_of_a_plain_keras_vgg16(fish):
    import keras

    model = keras.applications.VGG16(weights=None, include_top=False, input_shape=(32, 32, 3))
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, layers=["block3_conv2", "block5_pool"])
    ours = load_backbone(vgg16._settings().backbone.source)
    model.set_weights(ours.get_weights())
    maps = keras.Model(model.input, [model.get_layer(name).output for name in vgg16.layers])
    X = keras.applications.vgg16.preprocess_input(fish[0].astype("float32"))
    expected = np.hstack([each.numpy().mean(axis=(1, 2)) for each in maps(X)])
    np.testing.assert_allclose(vgg16.transform(fish[0]), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("pooling", ["avg", "max", None])
def test_pooling_reduces_the_maps_that_none_flattens(fish, vgg16, pooling):
    flat = clone(vgg16).set_params(pooling=None).transform(fish[0]).reshape(12, 256, 64)
    expected = {"avg": flat.mean(axis=1), "max": flat.max(axis=1), None: flat.reshape(12, -1)}[pooling]
    np.testing.assert_allclose(vgg16.set_params(pooling=pooling).transform(fish[0]), expected, rtol=1e-5)


def test_mirror_is_the_mean_of_both_sides(fish, vgg16):
    both = (vgg16.transform(fish[0]) + vgg16.transform(fish[0][:, :, ::-1])) / 2
    np.testing.assert_allclose(
        vgg16.set_params(views="mirror").transform(fish[0]), both, rtol=1e-5, atol=1e-5
    )


def test_unit_preprocessing_divides_by_255(fish, vgg16):
    unit = vgg16.set_params(preprocessing="unit")
    ranged = clone(unit).set_params(input_range=(0, 1))
    np.testing.assert_allclose(
        unit.transform(fish[0]), ranged.transform(fish[0] / 255.0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("batch_size", [1, 5, 12])
def test_fault_19_rows_do_not_depend_on_their_batch(fish, batch_size):
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, cache=None)
    alone = np.vstack([vgg16.transform(fish[0][index : index + 1]) for index in range(3)])
    np.testing.assert_array_equal(vgg16.set_params(batch_size=batch_size).transform(fish[0])[:3], alone)


@settings(deadline=None, max_examples=10)
@given(st.permutations(range(12)), st.booleans())
def test_permuted_images_have_permuted_features_cached_or_not(order, cached):
    X = make_fish_images(12, random_state=0)[0]
    vgg16 = VGG16FeatureTransformer(
        weights=None, image_size=32, layers="block1_pool", cache="auto" if cached else None
    )
    np.testing.assert_array_equal(vgg16.transform(X[order]), vgg16.transform(X)[order])


def test_every_form_of_the_same_images_gives_the_same_features(fish, vgg16, tmp_path):
    X = fish[0]
    paths = save_images(tmp_path, X)
    expected = vgg16.transform(X)
    flat = clone(vgg16).set_params(image_shape=(32, 32, 3))
    unit = clone(vgg16).set_params(input_range=(0, 1))
    for got in (
        vgg16.transform(X.astype(np.int64)),
        vgg16.transform(list(X)),
        vgg16.transform(paths),
        vgg16.transform(pd.Series(paths)),
        flat.transform(X.reshape(12, -1)),
        flat.transform(pd.DataFrame(X.reshape(12, -1))),
    ):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(unit.transform(X / 255.0), expected, rtol=1e-4, atol=1e-4)


def test_gray_images_are_rgb_images_of_equal_channels(fish, vgg16):
    gray = fish[0][..., 0]
    np.testing.assert_array_equal(vgg16.transform(gray), vgg16.transform(np.stack([gray] * 3, axis=-1)))


PROGRAM = """
import sys
import numpy as np
from fishsk import VGG16FeatureTransformer
X = np.load("X.npy")
vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, layers=["block1_pool"])
stored = vgg16.transform(X)
loaded = {"tensorflow", "keras"} & set(sys.modules)
np.savez("rows.npz", stored=stored, drawn=vgg16.set_params(cache=None).transform(X), loaded=[*loaded])
"""


def test_another_process_draws_the_same_weights_and_a_full_hit_loads_no_tensorflow(fish, vgg16, tmp_path):
    np.save(tmp_path / "X.npy", fish[0])
    rows = vgg16.set_params(cache="auto").transform(fish[0])
    subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, check=True)
    with np.load(tmp_path / "rows.npz") as found:
        np.testing.assert_array_equal(found["stored"], rows)
        np.testing.assert_array_equal(found["drawn"], rows)
        assert not found["loaded"].size


def test_names_tell_layer_pooling_and_channel(vgg16):
    vgg16.set_params(layers=["block4_pool", "block5_conv3"])
    names = vgg16.get_feature_names_out()
    assert len(names) == 1024
    assert names[0] == "block4_pool_avg_0"
    assert names[-1] == "block5_conv3_avg_511"
    assert VGG16FeatureTransformer(weights=None).get_feature_names_out()[0] == "block5_pool_avg_0"


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
@pytest.mark.parametrize("layer", list(LAYERS)[::3])
def test_as_many_names_as_columns_for_flattened_maps(size, layer):
    vgg16 = VGG16FeatureTransformer(weights=None, layers=layer, pooling=None, image_size=size, cache=None)
    X = np.zeros((1, 32, 32, 3), np.uint8)
    assert len(vgg16.get_feature_names_out()) == vgg16.transform(X).shape[1]


def test_pandas_output_has_the_names(fish, vgg16):
    frame = vgg16.set_output(transform="pandas").fit_transform(fish[0])
    assert list(frame.columns) == list(vgg16.get_feature_names_out())


def test_the_html_representation_shows_the_parameters(vgg16):
    assert "block1_pool" in vgg16._repr_html_()


def test_a_column_of_paths_in_a_table_of_other_columns(fish, vgg16, tmp_path):
    table = pd.DataFrame({"path": save_images(tmp_path, fish[0]), "depth": np.arange(12.0)})
    columns = ColumnTransformer([("image", vgg16, "path"), ("other", "passthrough", ["depth"])])
    assert columns.fit_transform(table).shape == (12, 65)
    frame = ColumnTransformer([("image", vgg16, ["path"])]).fit_transform(table)
    np.testing.assert_array_equal(frame, vgg16.transform(fish[0]))


def test_a_union_stacks_two_sets_of_features(fish, vgg16):
    union = FeatureUnion([("avg", vgg16), ("max", clone(vgg16).set_params(pooling="max"))])
    assert union.fit_transform(fish[0]).shape == (12, 128)
    assert union.get_feature_names_out()[64] == "max__block1_pool_max_0"


@pytest.mark.parametrize("copy", [clone, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_give_the_same_bits(fish, vgg16, copy):
    np.testing.assert_array_equal(copy(vgg16.fit(fish[0])).transform(fish[0]), vgg16.transform(fish[0]))


def test_joblib_files_hold_no_network(fish, vgg16, tmp_path):
    vgg16.fit_transform(fish[0])
    (file,) = joblib.dump(vgg16, tmp_path / "vgg16.joblib")
    assert os.path.getsize(file) < 10_000
    np.testing.assert_array_equal(joblib.load(file).transform(fish[0]), vgg16.transform(fish[0]))


def test_fitting_changes_nothing(fish, vgg16):
    before = vgg16.transform(fish[0])
    np.testing.assert_array_equal(vgg16.fit(fish[0]).fit(fish[0][:3]).transform(fish[0]), before)


def test_the_callers_images_are_untouched(fish, vgg16):
    X = fish[0].astype(np.float32)
    copy = X.copy()
    vgg16.transform(X)
    np.testing.assert_array_equal(X, copy)


def test_the_network_sees_an_image_once(fish, vgg16, n_extracted):
    vgg16.set_params(cache="auto")
    for X in (fish[0][:8], fish[0][::-1], fish[0][[3, 3, 3]]):
        clone(vgg16).transform(X)
    assert n_extracted() == 12


def test_identical_images_of_one_call_are_computed_once(fish, vgg16, n_extracted):
    features = vgg16.transform(fish[0][[0, 1, 0, 0, 1]])
    assert n_extracted() == 2
    np.testing.assert_array_equal(features, features[[0, 1, 0, 0, 1]])


@pytest.mark.parametrize(
    "change",
    [
        {"layers": ["block1_conv1"]},
        {"layers": ["block1_conv2", "block1_pool"]},
        {"pooling": "max"},
        {"pooling": None},
        {"image_size": 40},
        {"preprocessing": "unit"},
        {"weights": "cifar95", "preprocessing": "caffe"},
    ],
)
def test_fault_08_other_settings_are_a_miss(fish, vgg16, change, n_extracted):
    vgg16.set_params(cache="auto").transform(fish[0])
    vgg16.set_params(**change).transform(fish[0])
    assert n_extracted() == 24


def test_cached_equals_uncached(fish, vgg16):
    uncached = vgg16.transform(fish[0])
    vgg16.set_params(cache="auto").transform(fish[0])
    np.testing.assert_array_equal(vgg16.transform(fish[0]), uncached)


def test_rows_are_kept_while_the_network_runs(fish, vgg16, monkeypatch):
    monkeypatch.setattr(_extraction, "WRITE_EVERY", 0)
    vgg16.set_params(cache="auto", batch_size=4)
    load = _extraction.load_network

    def load_interrupted(*args, **kwargs):
        def run(batch, view):
            if store.read(keys)[1].any():
                raise KeyboardInterrupt
            return network(batch, view)

        network = load(*args, **kwargs)
        return run

    images = check_images(fish[0])
    keys = [images.digest(index) for index in range(12)]
    store = FeatureStore(os.environ["FISHSK_CACHE"], vgg16._settings().to_json(), 64)
    with monkeypatch.context() as patch:
        patch.setattr(_extraction, "load_network", load_interrupted)
        with pytest.raises(KeyboardInterrupt):
            vgg16.transform(fish[0])
    assert store.read(keys)[1].sum() == 4


def test_the_cache_is_opened_once_in_a_process(fish, vgg16, monkeypatch):
    features = vgg16.set_params(cache="auto").transform(fish[0])
    monkeypatch.setattr(_store, "FeatureStore", None)
    np.testing.assert_array_equal(clone(vgg16).transform(fish[0][:1]), features[:1])


def test_a_progress_bar_counts_images(fish, vgg16, capsys):
    vgg16.set_params(verbose=1).transform(fish[0])
    assert "12 of 12 images" in capsys.readouterr().err


def test_fault_41_features_that_would_fill_the_memory_are_refused(vgg16, monkeypatch):
    monkeypatch.setattr(_transformer.os, "sysconf", lambda name: 2**10)
    vgg16.set_params(pooling=None)
    with pytest.raises(ValueError, match=r"12 images of 16384 float32 .* Pass pooling='avg'"):
        vgg16.transform(np.zeros((12, 32, 32, 3), np.uint8))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"layers": ["block6_pool"]}, "nearest names are .*block5_pool"),
        ({"layers": []}, "layers must be"),
        ({"layers": ["block1_pool", "block1_pool"]}, "different names"),
        ({"image_size": 16}, "image_size"),
        ({"image_size": (32, 31)}, "integers >= 32"),
        ({"image_size": (32.5, "40")}, "integers >= 1"),
        ({"pooling": "mean"}, "pooling"),
        ({"preprocessing": "half"}, "preprocessing"),
        ({"weights": "resnet"}, "weights must be 'imagenet', 'cifar95'"),
        ({"weights": "missing.h5"}, "no file"),
        ({"input_range": (1, 0)}, "low < high"),
        ({"image_shape": (31, 32, 3)}, "image_shape"),
    ],
)
def test_wrong_parameters_are_named(fish, vgg16, params, match):
    vgg16.set_params(**params)
    X = fish[0].reshape(12, -1) if "image_shape" in params else fish[0]
    with pytest.raises(ValueError, match=match):
        vgg16.transform(X)


def test_images_are_counted_over_clones_and_copies(fish, vgg16):
    vgg16.set_params(cache="auto")
    with VGG16FeatureTransformer.count_images() as count:
        vgg16.transform(np.concatenate([fish[0][:5], fish[0][:2]]))
        clone(vgg16).transform(fish[0][:6])
    assert (count.n_extracted, count.n_known) == (6, 7)
    vgg16.transform(fish[0])
    assert count.n_extracted == 6


def test_what_the_cache_forgets_is_counted_again(fish, vgg16, monkeypatch):
    monkeypatch.setenv("FISHSK_CACHE_LIMIT", "100")
    vgg16.set_params(cache="auto").transform(fish[0])
    with VGG16FeatureTransformer.count_images() as count:
        vgg16.transform(fish[0])
    assert count.n_extracted == len(fish[0])


def test_an_interrupted_transform_counts_what_was_run(fish, vgg16, tmp_path):
    paths = [*save_images(tmp_path, fish[0]), tmp_path / "bad.png"]
    paths[-1].write_bytes(b"")
    vgg16.set_params(batch_size=6)
    with VGG16FeatureTransformer.count_images() as count, pytest.raises(ValueError, match="is empty"):
        vgg16.transform(paths)
    assert (count.n_extracted, count.n_known) == (12, 0)


class Recorder:
    """A callback that writes down when it is called."""

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append("begin")

    def on_fit_task_end(self, estimator, context, **task):
        self.seen.append("end")

    def teardown(self, estimator, context):
        self.seen.append("teardown")


def test_callbacks_of_scikit_learn_see_the_fit(fish, vgg16):
    recorder = Recorder()
    assert vgg16.set_callbacks(recorder).fit(fish[0]) is vgg16
    assert recorder.seen == ["setup", "begin", "end", "teardown"]


def test_a_pipeline_shows_its_progress_without_a_warning(fish, capsys):
    make_quick_pipeline(head__epochs=1).set_callbacks(ProgressBar()).fit(*fish)
    assert "VGG16FeatureTransformer - fit" in capsys.readouterr().out


def test_names_of_other_columns_are_refused():
    vgg16 = VGG16FeatureTransformer(weights=None, image_shape=(8, 8)).fit(np.zeros((1, 64)))
    with pytest.raises(ValueError, match="number of features"):
        vgg16.get_feature_names_out(["nonsense"])
    vgg16.fit(pd.DataFrame(np.zeros((1, 64)), columns=[f"p{i}" for i in range(64)]))
    with pytest.raises(ValueError, match="input_features"):
        vgg16.get_feature_names_out(["nonsense"] * 64)


def test_fault_48_a_file_replaced_while_it_is_read_is_never_stored_as_the_old_one(
    fish, vgg16, tmp_path, monkeypatch
):
    paths = save_images(tmp_path, fish[0])
    vgg16.set_params(cache="auto")
    old = shutil.copy(paths[0], tmp_path / "old.png")
    read = _extraction._read

    def read_then_swap(*args):
        keys = read(*args)
        shutil.copy(paths[-2], paths[0])
        return keys

    with monkeypatch.context() as patch:
        patch.setattr(_extraction, "_read", read_then_swap)
        features = vgg16.transform([*paths, str(old)])
    plain = clone(vgg16).set_params(cache=None).transform(fish[0])
    np.testing.assert_array_equal(features[[0, -1]], plain[[0, 0]])  # what was read is what counts
    np.testing.assert_array_equal(vgg16.transform(paths)[0], plain[-2])
    np.testing.assert_array_equal(vgg16.transform(fish[0][:1]), plain[:1])


def test_batches_of_large_files_are_small():
    def cut(most, most_bytes=2**20):
        return [*_extraction._cut(range(12), lambda index: 5, most, most_bytes)]

    assert cut(20) == [list(range(12))]
    assert cut(8) == [[*range(8)], [*range(8, 12)]]
    assert [len(batch) for batch in cut(8, 15)] == [3, 3, 3, 3]


@pytest.mark.parametrize("side", [32, 400])
def test_hashing_in_threads_keeps_keys_and_order(rng, monkeypatch, side):
    images = check_images(rng.integers(0, 256, (130, side, side), dtype=np.uint8))
    monkeypatch.setattr(_extraction, "N_READERS", 3)
    assert images.are_large == (side == 400)
    with ThreadPoolExecutor(3) as readers:
        keys = _extraction._read(images, range(130), {}, readers)
    assert keys == {index: images.digest(index) for index in range(130)}


def test_a_progress_bar_is_there_while_known_files_are_hashed(fish, vgg16, tmp_path, capsys):
    paths = save_images(tmp_path, fish[0])
    vgg16.set_params(cache="auto").transform(paths)
    vgg16.set_params(verbose=1).transform(paths)
    assert "12 of 12 images" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["_CHUNK_BYTES", "_CHUNK"])
def test_images_that_are_read_in_parts_have_the_same_rows_and_run_once(
    fish, vgg16, tmp_path, monkeypatch, n_extracted, limit
):
    paths = save_images(tmp_path, fish[0])
    expected = vgg16.transform(fish[0])
    monkeypatch.setattr(_extraction, limit, 1)
    np.testing.assert_array_equal(vgg16.transform([*paths, *paths]), np.concatenate([expected] * 2))
    assert n_extracted() == 24


def test_readers_in_threads_change_no_bit(fish, vgg16, tmp_path, monkeypatch):
    paths = save_images(tmp_path, fish[0])
    monkeypatch.setattr(_extraction, "N_READERS", 3)
    np.testing.assert_array_equal(vgg16.set_params(batch_size=5).transform(paths), vgg16.transform(fish[0]))


@pytest.mark.parametrize("params", [{}, {"weights": "cifar95", "pooling": None, "views": "mirror"}])
def test_it_is_the_transformer_of_any_network_with_the_same_rows(fish, params, n_extracted):
    params = {"weights": None, "image_size": 32, "layers": ["block2_pool", "block1_pool"]} | params
    vgg16, general = VGG16FeatureTransformer(**params), KerasFeatureTransformer(backbone="VGG16", **params)
    rows = vgg16.transform(fish[0])
    np.testing.assert_array_equal(general.transform(fish[0]), rows)
    assert n_extracted() == 12
    np.testing.assert_array_equal(general.get_feature_names_out(), vgg16.get_feature_names_out())
    assert "backbone" not in vgg16.get_params()
