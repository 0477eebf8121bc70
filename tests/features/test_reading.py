"""Files that are read once, and those that cannot be read."""

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.pipeline import FeatureUnion

from fishsk import VGG16FeatureTransformer
from fishsk.datasets import make_fish_images
from fishsk.features import _reading, read_once


@pytest.fixture
def paths(tmp_path):
    """Return the files of nine images."""
    paths = [str(tmp_path / f"{index}.png") for index in range(9)]
    for image, path in zip(make_fish_images(9, random_state=0)[0], paths, strict=True):
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def union():
    """Return two networks side by side."""
    vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")
    return FeatureUnion([("one", vgg16), ("two", clone(vgg16).set_params(layers="block1_conv1"))])


def test_new_files_of_two_networks_are_read_once(union, paths, counts):
    with read_once():
        union.fit_transform(paths)
        union.transform(paths)
    reads, decodes = counts
    assert reads == dict.fromkeys(paths, 1)
    assert decodes == dict.fromkeys(paths, 2)  # each network has its own size


def test_known_files_are_read_once_and_never_decoded(union, paths, counts):
    expected = union.transform(paths)
    for counter in counts:
        counter.clear()
    with read_once():
        for _ in range(3):
            np.testing.assert_array_equal(union.transform(paths), expected)
    assert counts == (dict.fromkeys(paths, 1), {})


def test_what_does_not_fit_into_the_memory_is_read_again(union, paths, counts, monkeypatch):
    monkeypatch.setattr(_reading, "_MAX_BYTES", 1)
    expected = clone(union).set_params(one__cache=None, two__cache=None).transform(paths)
    counts[0].clear()
    with read_once():
        np.testing.assert_array_equal(union.transform(paths), expected)
    assert counts[0] == dict.fromkeys(paths, 3)  # hashed, and decoded for each network


@pytest.mark.parametrize("n_bad", [1, 2, 9])
def test_files_that_cannot_be_read_are_told_and_the_others_stored(paths, tmp_path, n_extracted, n_bad):
    vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool", batch_size=3)
    expected = clone(vgg16).set_params(cache=None).transform(paths)
    for index in range(n_bad):
        with open(paths[index], "r+b") as file:
            file.truncate(100)
    missing = str(tmp_path / "missing.png")
    before = n_extracted()
    with read_once() as reading:
        rows = vgg16.transform([*paths, missing])
    assert set(reading.errors) == {*paths[:n_bad], missing}
    assert all(repr(path) in error for path, error in reading.errors.items())
    np.testing.assert_array_equal(rows[n_bad:-1], expected[n_bad:])
    assert n_extracted() - before == 9 - n_bad
    if n_bad < 9:
        np.testing.assert_array_equal(vgg16.transform(paths[n_bad:]), expected[n_bad:])
    assert n_extracted() - before == 9 - n_bad


def test_a_copy_of_a_file_that_cannot_be_decoded_is_told_too(paths, tmp_path):
    copies = [str(tmp_path / name) for name in ("bad.png", "copy.png")]
    for copy in copies:
        with open(paths[0], "rb") as file, open(copy, "wb") as target:
            target.write(file.read()[:100])
    with read_once() as reading:
        VGG16FeatureTransformer(weights="cifar95", layers="block1_pool").transform([*paths, *copies])
    assert set(reading.errors) == set(copies)


def test_afterwards_errors_are_raised_again(paths, tmp_path):
    vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")
    with read_once():
        vgg16.transform([*paths, str(tmp_path / "missing.png")])
    with pytest.raises(FileNotFoundError):
        vgg16.transform([*paths, str(tmp_path / "missing.png")])
