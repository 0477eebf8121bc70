"""What users call images: every form is accepted, and every mistake is named."""

import hashlib
import io
import os
import time
from collections import UserList
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile, ImageOps
from quick import make_quick_pipeline
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from fishsk import VGG16FeatureTransformer
from fishsk.features import FrozenUnion, _decoding, _images, check_images, read_image, resize_image
from fishsk.features._decoding import MAX_PIXELS, PixelBudget, convert_pil

SIZES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(5, 9))


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def write_png(path, image):
    Image.fromarray(image).save(path)
    return path


def test_uint8_images_pass_untouched(image):
    images = check_images(image[np.newaxis])
    assert len(images) == 1
    assert np.shares_memory(images[0], image)


def test_a_float_range_is_mapped_onto_0_to_255(image):
    images = check_images(image[np.newaxis] / 255.0, input_range=(0, 1))
    np.testing.assert_allclose(images[0], image, atol=1e-4)


def test_flattened_images_are_unfolded(image):
    images = check_images(image.reshape(1, -1), image_shape=(20, 30, 3))
    np.testing.assert_array_equal(images[0], image)


def test_flattened_gray_images_need_no_channel(rng):
    digits = rng.integers(0, 17, (5, 64)).astype(float)
    images = check_images(digits, image_shape=(8, 8), input_range=(0, 16))
    assert images[4].shape == (8, 8, 3)
    assert images[4][7, 7, 0] == pytest.approx(digits[4, 63] * 255 / 16)


def test_paths_pil_images_and_arrays_mix(tmp_path, image):
    path = write_png(tmp_path / "a.png", image)
    images = check_images([str(path), path, Image.fromarray(image), image])
    for each in images:
        np.testing.assert_array_equal(each, image)


@pytest.mark.parametrize("wrap", [pd.Series, lambda x: pd.DataFrame({"path": x}), np.array, list])
def test_paths_come_in_every_container(tmp_path, image, wrap):
    path = str(write_png(tmp_path / "a.png", image))
    np.testing.assert_array_equal(check_images(wrap([path]))[0], image)


def test_a_table_of_several_columns_is_refused():
    with pytest.raises(ValueError, match="one column of paths"):
        check_images(pd.DataFrame({"a": ["x"], "b": ["y"]}))


def test_equal_content_has_equal_digests(image, tmp_path):
    images = check_images([image, image.copy(), image[::-1], write_png(tmp_path / "a.png", image)])
    assert images.digest(0) == images.digest(1)
    assert len({images.digest(index) for index in (0, 2, 3)}) == 3


def test_images_of_other_shapes_with_equal_bytes_differ():
    pixels = np.arange(48, dtype=np.uint8)
    images = check_images([pixels.reshape(4, 4, 3), pixels.reshape(2, 8, 3)])
    assert images.digest(0) != images.digest(1)


def test_load_resizes_to_float32(image):
    batch = check_images([image, image[:5]]).load([1, 0], (32, 40))
    assert batch.shape == (2, 32, 40, 3)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[1], resize_image(image, (32, 40)))


def test_shrinking_averages_the_area():
    checkers = np.indices((8, 8)).sum(axis=0) % 2 * 255
    np.testing.assert_allclose(resize_image(np.repeat(checkers[..., None], 3, 2), (4, 4)), 127.5)


def test_the_orientation_tag_is_obeyed(tmp_path, image):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(image, -1))


@pytest.mark.parametrize("mode", ["L", "P", "1", "CMYK", "RGBA"])
def test_files_of_every_usual_mode_become_rgb(tmp_path, image, mode):
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(image).convert(mode).save(path)
    assert read_image(path).shape == (20, 30, 3)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_fault_11_pixels_that_are_not_finite_are_refused_by_index(data):
    n, height, width = data.draw(SIZES)
    X = data.draw(hnp.arrays(np.float64, (n, height, width, 3), elements=st.floats(2, 255)))
    bad = data.draw(st.integers(0, n - 1))
    X[bad, 0, 0, 0] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.raises(ValueError, match=f"first in image {bad}"):
        check_images(X)


@settings(deadline=None, max_examples=30)
@given(
    SIZES,
    st.sampled_from([np.float16, np.float32, np.float64, np.int16, np.int64]),
    st.sampled_from([-1, 256]),
)
def test_fault_12_values_outside_of_the_range_are_refused(size, dtype, value):
    X = np.zeros((*size, 3), dtype)
    X[-1, 0, 0, 0] = value
    with pytest.raises(ValueError, match=rf"input_range=\(0, 255\). Image {len(X) - 1} has values"):
        check_images(X)


def test_fault_12_floats_up_to_one_in_the_wide_range_warn():
    with pytest.warns(UserWarning, match=r"input_range=\(0, 1\) if 1 is white"):
        check_images(np.full((1, 8, 8, 3), 0.5))


@pytest.mark.parametrize("wrong", [(1, 0), (0,), (0, np.inf), (np.nan, 1), (None, 1), "01", 5])
def test_fault_12_a_wrong_range_is_refused(wrong):
    with pytest.raises(ValueError, match="low < high"):
        check_images(np.zeros((1, 8, 8, 3)), input_range=wrong)


def test_fault_13_uint16_images_ask_for_their_range():
    X = np.full((1, 8, 8, 3), 40_000, np.uint16)
    with pytest.raises(ValueError, match=r"input_range=\(0, 65535\)"):
        check_images(X)
    assert check_images(X, input_range=(0, 65535))[0][0, 0, 0] == pytest.approx(40_000 / 257)


@settings(deadline=None, max_examples=30)
@given(SIZES, st.sampled_from([np.int64, np.float16, np.float64, np.int32, np.uint16]))
def test_fault_14_other_dtypes_are_cast(size, dtype):
    X = np.random.default_rng(0).integers(2, 256, (*size, 3))
    for got, expected in zip(check_images(X.astype(dtype)), X, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, expected)


def test_fault_14_bool_is_black_and_white():
    X = np.eye(8, dtype=bool)[np.newaxis]
    np.testing.assert_array_equal(check_images(X)[0][..., 0], np.eye(8) * 255)


@settings(deadline=None, max_examples=30)
@given(SIZES, st.booleans())
def test_fault_15_gray_is_repeated_in_three_channels(size, with_axis):
    X = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    images = check_images(X[..., np.newaxis] if with_axis else X)
    for channel in range(3):
        np.testing.assert_array_equal(images[0][..., channel], X[0])


@settings(deadline=None, max_examples=20)
@given(SIZES)
def test_fault_16_rgba_is_laid_on_white(size):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (*size, 4), dtype=np.uint8)
    alpha = X[..., 3:] / 255
    expected = X[..., :3] * alpha + 255 * (1 - alpha)
    np.testing.assert_allclose(list(check_images(X)), expected, atol=0.51)
    shares = check_images(X / 255, input_range=(0, 1))
    np.testing.assert_allclose(list(shares), expected, atol=0.01)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P"])
def test_fault_16_transparency_is_the_same_in_arrays_images_and_files(tmp_path, image, mode):
    rgba = Image.fromarray(np.dstack([image, np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))]))
    pil = rgba.convert(mode) if mode != "P" else rgba.convert("RGB").quantize(8)
    if mode == "P":
        pil.info["transparency"] = 0
    path = tmp_path / ("a.tif" if mode == "PA" else "a.png")
    pil.save(path) if mode != "PA" else rgba.save(path)
    pil = Image.open(path) if mode in "PA" else pil
    array = np.asarray(pil.convert("RGBA"))
    expected = check_images(array[np.newaxis])[0]
    assert expected.max() == 255
    np.testing.assert_array_equal(check_images([pil])[0], expected)
    np.testing.assert_array_equal(read_image(path), expected)


def test_fault_16_files_that_were_read_without_their_transparency_have_another_key(tmp_path, image):
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).convert("RGBA").save(tmp_path / "b.png")
    keys = [check_images([tmp_path / name]).digest(0) for name in ("a.png", "b.png")]
    plain = [hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("a.png", "b.png")]
    assert [key == digest for key, digest in zip(keys, plain, strict=True)] == [True, False]


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3), st.integers(5, 9), st.integers(5, 9))
def test_fault_17_channels_first_is_refused(n, height, width):
    with pytest.raises(ValueError, match=r"np.moveaxis\(X, 1, -1\)"):
        check_images(np.zeros((n, 3, height, width), np.uint8))


@pytest.mark.parametrize("X", [np.zeros((0, 32, 32, 3)), [], np.zeros((0, 8, 8))])
def test_fault_18_an_empty_batch_is_refused_as_scikit_learn_words_it(X):
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        check_images(X)


def test_fault_20_a_single_image_is_refused(image):
    with pytest.raises(ValueError, match=r"Pass X\[np.newaxis\]"):
        check_images(image)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=4))
def test_fault_21_images_of_different_sizes_are_each_resized(sizes):
    images = check_images([np.full((*size, 3), 7, np.uint8) for size in sizes])
    batch = images.load(range(len(sizes)), (32, 32))
    np.testing.assert_allclose(batch, np.full((len(sizes), 32, 32, 3), 7), rtol=1e-6)


@pytest.mark.parametrize("item", [None, 3, {"a": 1}, np.zeros(4), np.zeros((4, 4), complex)])
def test_fault_22_an_object_array_of_anything_else_is_refused(item):
    X = np.empty(2, dtype=object)
    X[:] = [np.zeros((4, 4, 3), np.uint8), item]
    with pytest.raises(ValueError, match="Item 1 is"):
        check_images(X)


def test_fault_23_images_of_one_pixel_are_resized():
    assert check_images(np.full((1, 1, 1, 3), 9, np.uint8)).load([0], (32, 32)).mean() == 9


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_fault_24_a_file_that_is_no_image_is_named(tmp_path, content):
    (tmp_path / "bad.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.png' is no readable" if content else r"bad\.png' is empty"):
        read_image(tmp_path / "bad.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tif", "webp"])
def test_fault_24_a_truncated_file_is_named(tmp_path, image, suffix):
    path = write_png(tmp_path / f"cut.{suffix}", image)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="cut"):
        read_image(path)


def test_fault_24_sixteen_bit_files_are_refused(tmp_path):
    path = write_png(tmp_path / "deep.png", np.full((8, 8), 40_000, np.uint16))
    with pytest.raises(ValueError, match="more than 8 bits"):
        read_image(path)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 20_000])
def test_fault_25_an_image_bomb_is_refused_from_its_header(tmp_path, monkeypatch, side):
    content = io.BytesIO()
    Image.new("1", (side, side)).save(content, "png")
    (tmp_path / "bomb.png").write_bytes(content.getvalue())
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(ValueError, match=r"bomb.png"):
        read_image(tmp_path / "bomb.png")
    assert side**2 > MAX_PIXELS


def test_fault_27_odd_names_work(tmp_path, image):
    path = write_png(tmp_path / "poisson d'été 鱼.png", image)
    np.testing.assert_array_equal(read_image(path), image)


FORMS = {
    "list": list,
    "tuple": tuple,
    "list of bytes": lambda paths: [os.fsencode(path) for path in paths],
    "list of Path": lambda paths: [Path(path) for path in paths],
    "array of str": np.array,
    "array of objects": lambda paths: np.array(paths, dtype=object),
    "column of objects": lambda paths: np.array(paths, dtype=object)[:, np.newaxis],
    "array of bytes": lambda paths: np.array([os.fsencode(path) for path in paths]),
    "array of StringDType": lambda paths: np.array(paths, dtype=np.dtypes.StringDType()),
    "pandas Series": pd.Series,
    "pandas strings": lambda paths: pd.Series(paths, dtype="string"),
    "pandas Index": pd.Index,
    "pandas DataFrame": lambda paths: pd.DataFrame({"path": paths}),
    "polars Series": pl.Series,
    "polars DataFrame": lambda paths: pl.DataFrame({"path": paths}),
    "pyarrow Array": pa.array,
    "pyarrow ChunkedArray": lambda paths: pa.chunked_array([paths[:1], paths[1:]]),
    "pyarrow Table": lambda paths: pa.table({"path": paths}),
}


@pytest.fixture
def paths(tmp_path, image):
    paths = [str(tmp_path / f"{i}.png") for i in range(3)]
    for i, path in enumerate(paths):
        Image.fromarray(np.roll(image, i, axis=1)).save(path)
    return paths


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_paths_in_every_form(paths, form):
    images = check_images(FORMS[form](paths))
    assert [images.digest(i) for i in range(3)] == [check_images(paths).digest(i) for i in range(3)]


# scikit-learn cannot take rows out of a pandas Index.
@pytest.mark.parametrize("form", [form for form in FORMS if form != "pandas Index"])
def test_columns_of_paths_pass_through_cross_validation(paths, form):
    X, y = FORMS[form](paths * 4), np.repeat([0, 1], 6)
    pipeline = make_quick_pipeline(head__epochs=1)
    assert len(cross_val_score(pipeline, X, y, cv=2, error_score="raise")) == 2


WITH_GAPS = {
    "None": list,
    "pandas Series": pd.Series,
    "pandas strings": lambda paths: pd.Series(paths, dtype="string"),
    "pandas DataFrame": lambda paths: pd.DataFrame({"path": paths}),
    "NaN": lambda paths: pd.Series(paths, dtype=object).fillna(np.nan),
    "array of StringDType": lambda paths: np.array(paths, dtype=np.dtypes.StringDType(na_object=None)),
    "polars Series": pl.Series,
    "pyarrow Array": pa.array,
}


@pytest.mark.parametrize("form", WITH_GAPS)
def test_fault_53_a_missing_path_is_named_by_its_row(paths, form):
    with pytest.raises(ValueError, match=r"Item 1 is .* Leave out"):
        check_images(WITH_GAPS[form]([paths[0], None, paths[1]]))


def test_a_column_of_nothing_is_refused():
    with pytest.raises(ValueError, match="Item 0 is None"):
        check_images([None, None])


@pytest.mark.parametrize("unordered", [iter, set, lambda paths: dict(enumerate(paths)).values()])
def test_what_has_no_order_or_can_be_read_only_once_is_refused(paths, unordered):
    with pytest.raises(TypeError, match=r"Pass list\(X\)"):
        check_images(unordered(paths))


@pytest.mark.parametrize("single", [str, os.fsencode, Path, lambda _: Image.new("L", (9, 9))])
def test_fault_20_a_single_path_or_pil_image_is_refused(paths, single):
    with pytest.raises(ValueError, match=r"Got a single one, .* Pass \[X\]"):
        check_images(single(paths[0]))


@pytest.mark.parametrize(
    "image",
    [Image.new("RGB", (0, 5)), Image.new("RGB", (5, 0)), np.zeros((0, 5, 3), np.uint8), np.zeros((5, 0))],
)
def test_fault_54_an_image_of_no_pixels_is_refused(image):
    with pytest.raises(ValueError, match=r"Image 1 of X.* at least one pixel"):
        check_images([np.zeros((4, 4, 3), np.uint8), image])


def test_fault_55_a_pil_image_of_a_truncated_file_is_named(paths):
    content = Path(paths[0]).read_bytes()
    image = Image.open(io.BytesIO(content[: len(content) // 2]))
    with pytest.raises(ValueError, match="Image 0 of X is corrupt"):
        check_images([image])


@pytest.mark.parametrize("shape", [(8, 6, 3, 1), (144,), (0, 144), (-1, -1), (8.0, 18), "88"])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(ValueError, match="image_shape must be"):
        check_images(np.zeros((2, 144)), image_shape=shape)


def test_a_batch_size_beyond_reason_is_refused():
    with pytest.raises(ValueError, match="batch_size"):
        VGG16FeatureTransformer(weights=None, batch_size=2**63).transform(np.zeros((1, 8, 8)))


def test_almost_black_images_warn_whatever_the_range_is_written_as():
    with pytest.warns(UserWarning, match="almost black"):
        check_images(np.ones((1, 8, 8)), input_range=[0, 255])


def read_forms(path):
    """Return the pixels of a photograph in each form that users have it in."""
    content = Path(path).read_bytes()
    opened = Image.open(path)
    loaded = Image.open(path)
    loaded.load()
    mapped = memoryview(bytearray(content))
    forms = [str(path), Path(path), content, bytearray(content), mapped, io.BytesIO(content), opened, loaded]
    with open(path, "rb") as stream:
        stream.read(7)  # as one that was looked into leaves it
        return [*check_images([*forms, stream]), read_image(io.BytesIO(content)), read_image(content)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_fault_63_one_photograph_has_the_same_pixels_in_every_form(tmp_path, image, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / f"a.{suffix}", exif=exif)
    first, *others = read_forms(tmp_path / f"a.{suffix}")
    assert first.shape == ((30, 20, 3) if orientation > 4 else (20, 30, 3))
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr"])
def test_fault_63_so_have_files_of_every_mode(tmp_path, image, mode):
    path = tmp_path / ("a.tif" if mode in ("CMYK", "YCbCr") else "a.png")
    pil = Image.fromarray(np.dstack([image, image[..., 0]])).convert("RGB" if mode == "YCbCr" else "RGBA")
    (pil.convert("P") if mode == "PA" else pil.convert(mode)).save(path)
    first, *others = read_forms(path)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_fault_63_opening_an_image_and_copying_it_turn_it_once(tmp_path, image):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    opened = Image.open(tmp_path / "a.png")
    forms = [opened, opened, opened.convert("RGB"), opened.copy(), ImageOps.exif_transpose(opened)]
    for pixels in check_images(forms):
        np.testing.assert_array_equal(pixels, np.rot90(image, -1))
    assert opened.size == (30, 20)


CONTENTS = {
    "list": list,
    "pandas Series": pd.Series,
    "pandas DataFrame": lambda contents: pd.DataFrame({"bytes": contents}),
    "pyarrow Array": pa.array,
    "polars Series": pl.Series,
    "array of objects": lambda contents: np.array(contents, dtype=object),
    "streams": lambda contents: [io.BytesIO(content) for content in contents],
}


@pytest.mark.parametrize("form", CONTENTS)
def test_fault_64_the_bytes_of_files_are_images(paths, form):
    X = CONTENTS[form]([Path(path).read_bytes() for path in paths])
    expected = check_images(paths)
    for _ in range(2):  # a stream is read from its start each time
        images = check_images(X)
        assert [images.digest(i) for i in range(3)] == [expected.digest(i) for i in range(3)]
        np.testing.assert_array_equal(images.load([2, 0], (8, 8)), expected.load([2, 0], (8, 8)))
    assert images.are_large
    assert images.file_size(1) == os.path.getsize(paths[1])


def test_fault_64_a_plain_ppm_of_text_is_content_and_bytes_without_a_zero_are_a_path(tmp_path):
    assert check_images([b"P3\n1 1\n255\n9 8 7\n"])[0].tolist() == [[[9, 8, 7]]]
    with pytest.raises(FileNotFoundError, match="P3 photo"):
        check_images([b"P3 photo.ppm"])[0]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (lambda path: b"", "'image 1' is empty"),
        (lambda path: b"\0 no image", "'image 1' is no readable image"),
        (lambda path: io.StringIO("text"), "Image 1 of X.*binary mode"),
        (lambda path: close(io.BytesIO()), "Image 1 of X.*closed file"),
        (lambda path: close(Image.open(path)), r"Image 1 of X.*closed. Pass its path, or call its load\(\)"),
        (lambda path: {"bytes": path, "label": 3}, r"Item 1 is {'bytes.*\[row\['bytes'\] for row in X\]"),
        (lambda path: (path, 3), r"Item 1 is .* Pass \[row\[0\] for row in X\]"),
        (lambda path: (3, Image.new("L", (9, 9))), r"Item 1 is .* Pass \[row\[1\] for row in X\]"),
        (lambda path: 3.5, r"Item 1 is 3.5. Leave out what is no image"),
    ],
)
def test_fault_65_what_is_no_image_is_named_by_its_row_with_what_to_do(paths, item, message):
    with pytest.raises(ValueError, match=message):
        list(check_images([paths[0], item(paths[1])]))


def close(opened):
    opened.close()
    return opened


def test_fault_65_rows_of_data_sets_say_what_to_pass(paths):
    for row in ({"image": paths[0], "label": 3}, (paths[0], 3), [Image.new("L", (9, 9)), 3]):
        with pytest.raises(ValueError, match=r"Item 0 is .* Pass \[row\[('image'|0)\] for row in X\]"):
            check_images([row, row])


def test_fault_65_what_is_no_sequence_says_what_to_pass(paths):
    class Loader:
        def __getitem__(self, index):
            return None

    with pytest.raises(TypeError, match=r"Got a dict with the keys 'a', 'b'.* list\(X.values\(\)\)"):
        check_images({"a": paths[0], "b": paths[1]})
    with pytest.raises(TypeError, match=r"Got a Loader. Pass list\(X\) .* np.concatenate"):
        check_images(Loader())
    assert len(check_images(UserList(paths))) == 3


@pytest.fixture
def lenient(monkeypatch):
    """Let Pillow read truncated files, as other packages do for all in their process."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)


@pytest.mark.parametrize("form", [bytes, io.BytesIO, lambda content: Image.open(io.BytesIO(content))])
def test_fault_78_half_an_image_is_refused_whatever_pillow_is_told(lenient, rng, form):
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (99, 99, 3), dtype=np.uint8)).save(file, "JPEG")
    content = file.getvalue()
    with pytest.raises(ValueError, match="truncated"):
        list(check_images([form(content[: len(content) // 2])]))
    assert ImageFile.LOAD_TRUNCATED_IMAGES  # what is asked for elsewhere stays
    assert check_images([form(content)])[0].shape == (99, 99, 3)


@pytest.mark.parametrize(
    ("dtype", "message"), [(np.uint8, "bytes .* Multiply them by 255"), (np.int64, r"integers .*\(0, 1\)")]
)
def test_fault_79_integers_of_0_and_1_warn(image, dtype, message):
    with pytest.warns(UserWarning, match=message):
        check_images((image[np.newaxis] / 255).round().astype(dtype))
    check_images(np.zeros((2, 5, 5), dtype))  # black


def test_fault_79_bytes_of_0_and_1_have_no_other_range(image):
    with pytest.warns(UserWarning, match="bytes of at most 1"):
        check_images(image[np.newaxis] // 128, input_range=(0, 1))
    check_images((image[np.newaxis] // 128).astype(np.int64), input_range=(0, 1))


@pytest.mark.parametrize("form", [np.asarray, list])
def test_fault_79_some_images_in_another_range_warn(image, form):
    mixed = np.stack([image, image / 255.0, image, np.zeros_like(image)])
    with pytest.warns(UserWarning, match=r"(first image 1,|The images) are floats of at most 1"):
        check_images(form(mixed))
    check_images(form(mixed[[0, 3]]))


@pytest.mark.parametrize(
    "text",
    ["data:image/png;base64,iVBORw0KGgo", "https://example.org/ray.jpg", "iVBOR" * 10_000, b"/9j/" * 10_000],
)
def test_fault_80_text_that_is_no_path_is_named_in_a_line(paths, text):
    with pytest.raises(ValueError, match=r"Image 1 of X .* base64\.b64decode") as error:
        check_images([paths[0], text])
    assert len(str(error.value)) < 250


@pytest.mark.parametrize("single", [Path.read_bytes, lambda path: io.BytesIO(path.read_bytes())])
def test_fault_20_the_content_of_a_single_file_is_refused(paths, single):
    with pytest.raises(ValueError, match=r"Got a single one, .{,250} Pass \[X\]"):
        check_images(single(Path(paths[0])))


def test_fault_66_threads_share_a_budget_of_pixels():
    budget, held, most = PixelBudget(100), [], []

    def work(n_pixels):
        with budget.hold(n_pixels):
            held.append(n_pixels)
            most.append(sum(held))
            time.sleep(0.001)
            with budget.hold(99):  # what reads a second image does not wait for itself
                held.remove(n_pixels)

    sizes = [40, 70, 30, 100, 250, 10] * 10
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, sizes))
    assert len(most) == len(sizes)
    assert max(total for total in most if total != 250) <= 100


def test_fault_66_an_image_is_held_until_it_is_resized(paths, monkeypatch):
    held = []
    monkeypatch.setattr("fishsk.features._decoding._BUDGET", PixelBudget(1))
    monkeypatch.setattr(
        "fishsk.features._sequence.resize_image",
        lambda *of: held.append(_decoding._BUDGET._n_held) or resize_image(*of),
    )
    check_images(paths).load(range(3), (8, 8))
    assert held == [600] * 3
    assert _decoding._BUDGET._n_held == 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK"])
def test_fault_66_large_images_have_the_same_pixels_in_parts(image, mode, monkeypatch):
    pil = Image.fromarray(np.dstack([image, image[..., 0]])).convert(mode)
    whole = convert_pil(pil)
    small = resize_image(whole, (7, 9))
    monkeypatch.setattr("fishsk.features._decoding._STRIP", 70)
    monkeypatch.setattr("fishsk.features._resizing._MANY", 70)
    np.testing.assert_array_equal(convert_pil(pil), whole)
    np.testing.assert_array_equal(resize_image(whole, (7, 9)), small)
    assert resize_image(whole[..., 0], (7, 9)).shape == (7, 9)


def test_a_pil_image_is_converted_once_by_fit_transform_and_by_networks_side_by_side(image, monkeypatch):
    converted = []
    monkeypatch.setattr(_images, "convert_pil", lambda each: converted.append(each) or convert_pil(each))
    vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool")
    images = [Image.fromarray(image)]
    rows = vgg16.fit_transform(images)
    assert len(converted) == 1
    union = FrozenUnion([("one", vgg16), ("two", clone(vgg16).set_params(image_size=48))])
    np.testing.assert_array_equal(union.fit_transform(images)[:, : rows.shape[1]], rows)
    assert len(converted) == 2
