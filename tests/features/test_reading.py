"""Files that are read once, and those that cannot be read."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline

from fishsk import VGG16FeatureTransformer
from fishsk._utils.reading import read_once
from fishsk.datasets import make_fish_images
from fishsk.features import _extraction, find_frozen_parts, join_parts


@pytest.fixture
def paths(tmp_path):
    """Return the files of nine images."""
    paths = [str(tmp_path / f"{index}.png") for index in range(9)]
    for image, path in zip(make_fish_images(9, random_state=0)[0], paths, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def vgg16():
    return VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")


@pytest.fixture
def union(vgg16):
    """Return two networks side by side, which see images of two sizes."""
    return FeatureUnion([("one", vgg16), ("two", clone(vgg16).set_params(image_size=48))])


def test_a_pipeline_of_networks_side_by_side_reads_and_decodes_each_file_once(vgg16, paths, counts):
    union = join_parts([vgg16.set_params(cache=None), clone(vgg16).set_params(image_size=48)])
    pipeline = make_pipeline(union, DummyClassifier()).fit(paths, range(9))
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))
    pipeline.predict(paths)
    assert counts == (dict.fromkeys(paths, 2), dict.fromkeys(paths, 2))
    assert isinstance(union, FeatureUnion)


def share(reading, step):
    return reading.share(list(find_frozen_parts(step).values()))


@pytest.mark.parametrize("cache", ["auto", None])
@pytest.mark.parametrize("chunk_bytes", [2**27, 1])
def test_two_networks_read_and_decode_each_file_once(union, paths, counts, monkeypatch, cache, chunk_bytes):
    union.set_params(one__cache=None, two__cache=None)
    expected = union.transform(paths)
    for counter in counts:
        counter.clear()
    monkeypatch.setattr(_extraction, "_CHUNK_BYTES", chunk_bytes)
    union.set_params(one__cache=cache, two__cache=cache)
    with read_once() as reading, share(reading, union):
        np.testing.assert_array_equal(union.fit_transform(paths), expected)
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))


def test_a_network_that_knows_the_files_does_not_run_again_beside_one_that_is_new(
    union, paths, counts, n_extracted
):
    expected = union.transform(paths)[:, -1000:]
    with read_once() as reading, share(reading, union):
        union.set_params(two__image_size=40).transform(paths)
    before = n_extracted()
    with read_once() as reading, share(reading, union):
        rows = union.set_params(two__image_size=48).transform(paths)
    np.testing.assert_array_equal(rows[:, -1000:], expected)
    assert n_extracted() == before == 3 * 9


def test_known_files_are_read_once_by_many_calls_and_never_decoded(union, paths, counts):
    expected = union.transform(paths)
    for counter in counts:
        counter.clear()
    with read_once():
        for _ in range(3):
            np.testing.assert_array_equal(union.transform(paths), expected)
    assert counts == (dict.fromkeys(paths, 1), {})


def test_files_whose_rows_are_not_kept_are_read_again(vgg16, paths, counts):
    vgg16.set_params(cache=None)
    with read_once():
        expected = vgg16.transform(paths)
        np.testing.assert_array_equal(vgg16.transform(paths), expected)
    assert counts == (dict.fromkeys(paths, 2), dict.fromkeys(paths, 2))


def test_a_network_that_two_models_share_runs_once(vgg16, paths, n_extracted):
    vgg16.set_params(cache=None)
    other = clone(vgg16)
    with read_once() as reading, reading.share([vgg16, other]):
        rows, others = vgg16.transform(paths), other.transform(paths)
    assert n_extracted() == 9
    assert not np.shares_memory(rows, others)
    np.testing.assert_array_equal(rows, others)


def test_shared_rows_are_of_the_images_that_are_asked_for(union, paths):
    expected = union.transform(paths[:3])
    one, two = union.named_transformers.values()
    with read_once() as reading, share(reading, union):
        one.transform(paths)
        np.testing.assert_array_equal(two.transform(paths[:3]), expected[:, one.n_features_out :])


@pytest.mark.parametrize("n_bad", [1, 2, 9])
def test_files_that_cannot_be_read_are_told_and_the_others_stored(vgg16, paths, tmp_path, n_extracted, n_bad):
    vgg16.set_params(batch_size=3)
    expected = clone(vgg16).set_params(cache=None).transform(paths)
    for index in range(n_bad):
        with open(paths[index], "r+b") as file:
            file.truncate(100)
    missing = str(tmp_path / "missing.png")
    before = n_extracted()
    with read_once() as reading, share(reading, vgg16):
        rows = vgg16.transform([*paths, missing])
    assert set(reading.errors) == {*paths[:n_bad], missing}
    assert all(repr(path) in error for path, error in reading.errors.items())
    np.testing.assert_array_equal(rows[n_bad:-1], expected[n_bad:])
    assert not rows[:n_bad].any()
    assert n_extracted() - before == 9 - n_bad
    if n_bad < 9:
        np.testing.assert_array_equal(vgg16.transform(paths[n_bad:]), expected[n_bad:])
    assert n_extracted() - before == 9 - n_bad


def test_a_copy_of_a_file_that_cannot_be_decoded_is_told_too(vgg16, paths, tmp_path):
    copies = [str(tmp_path / name) for name in ("bad.png", "copy.png")]
    for copy in copies:
        with open(paths[0], "rb") as file, open(copy, "wb") as target:
            target.write(file.read()[:100])
    with read_once() as reading, share(reading, vgg16):
        vgg16.transform([*paths, *copies])
    assert set(reading.errors) == set(copies)


def test_errors_are_raised_where_nobody_asks_for_them(vgg16, paths, tmp_path):
    files = [*paths, str(tmp_path / "missing.png")]
    with read_once() as reading:
        with share(reading, vgg16):
            vgg16.transform(files)
        with pytest.raises(FileNotFoundError):
            vgg16.transform(files)
