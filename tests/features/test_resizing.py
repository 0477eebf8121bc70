"""resize="stretch", "crop" and "pad": in NumPy, in Keras, in what is stored, saved and explained."""

import functools

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from quick import make_quick_pipeline
from sklearn.base import clone

from fishsk import (
    ExplanationDisplay,
    KerasFeatureTransformer,
    VGG16FeatureTransformer,
    export_model,
    load_pipeline,
    save_pipeline,
)
from fishsk.datasets import make_fish_images
from fishsk.features import resize_image
from fishsk.features._resizing import RESIZES, resize_in_keras


@pytest.fixture
def wide(rng):
    """Return 12 images of 32 x 64 pixels, whose middle squares are fish, and their labels."""
    fish, y = make_fish_images(12, random_state=0)
    images = rng.integers(0, 256, (12, 32, 64, 3), dtype=np.uint8)
    images[:, :, 16:48] = fish
    return images, y


@pytest.mark.parametrize(
    ("shape", "size", "rows", "columns"),
    [
        ((40, 80), (32, 32), slice(None), slice(20, 60)),
        ((81, 40), (32, 32), slice(20, 60), slice(None)),
        ((40, 80), (16, 64), slice(10, 30), slice(None)),
        ((40, 80), (20, 40), slice(None), slice(None)),
    ],
)
def test_crop_takes_the_largest_middle_part_of_the_proportions(shape, size, rows, columns, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected = resize_image(image[rows, columns], size)
    np.testing.assert_array_equal(resize_image(image, size, "crop"), expected)


@pytest.mark.parametrize(
    ("shape", "size", "content", "rows", "columns"),
    [
        ((40, 80), (32, 32), (16, 32), slice(8, 24), slice(None)),
        ((90, 30), (32, 32), (32, 11), slice(None), slice(10, 21)),
        ((10, 20), (32, 64), (32, 64), slice(None), slice(None)),
        ((1, 1000), (8, 8), (1, 8), slice(3, 4), slice(None)),
    ],
)
def test_pad_shows_all_of_an_image_and_its_mean_color_around_it(shape, size, content, rows, columns, rng):
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    inside = resize_image(image, content)
    padded = resize_image(image, size, "pad")
    np.testing.assert_array_equal(padded[rows, columns], inside)
    padded[rows, columns] = inside.mean(axis=(0, 1))
    assert padded.shape == (*size, 3)
    np.testing.assert_allclose(padded, np.broadcast_to(inside.mean(axis=(0, 1)), padded.shape), rtol=1e-5)


@functools.cache
def build(size, resize):
    images = keras.Input((None, None, 3))
    return keras.Model(images, resize_in_keras(images, size, resize))


sides = st.integers(1, 90)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.tuples(sides, sides), st.sampled_from([(8, 8), (24, 16), (32, 33)]), st.sampled_from(RESIZES), sides
)
@example((3, 90), (8, 8), "pad", 0)
@example((90, 3), (8, 8), "crop", 0)
@example((1, 90), (32, 33), "crop", 0)
@example((31, 33), (32, 33), "pad", 0)
def test_the_graph_in_keras_resizes_as_opencv_does(shape, size, resize, seed):
    images = np.random.default_rng(seed).uniform(0, 255, (2, *shape, 3)).astype(np.float32)
    got = build(size, resize)(images).numpy()
    expected = [resize_image(image, size, resize) for image in images]
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("shape", [(533, 400), (1200, 1600), (288, 216), (150, 150)])
def test_the_graph_in_keras_resizes_photographs_as_exactly(shape, rng):
    images = rng.integers(0, 256, (1, *shape, 3)).astype(np.float32)
    expected = resize_image(images[0], (224, 224))
    np.testing.assert_allclose(build((224, 224), "stretch")(images)[0], expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("resize", ["crop", "pad"])
@pytest.mark.parametrize("kind", [VGG16FeatureTransformer, KerasFeatureTransformer])
def test_fault_08_each_resize_has_rows_of_its_own(kind, resize, wide, n_extracted):
    layers = "block1_pool" if kind is VGG16FeatureTransformer else "conv"
    options = {} if kind is VGG16FeatureTransformer else {"backbone": "MobileNetV3Small"}
    transformer = kind(weights=None, image_size=32, layers=layers, **options)
    stretched = transformer.transform(wide[0])
    other = clone(transformer).set_params(resize=resize)
    rows = other.transform(wide[0])
    assert n_extracted() == 24
    assert not np.allclose(rows, stretched)
    by_hand = np.stack([resize_image(image, (32, 32), resize) for image in wide[0]])
    np.testing.assert_array_equal(transformer.set_params(cache=None).transform(by_hand), rows)


def test_what_is_cropped_away_changes_no_feature(wide):
    transformer = VGG16FeatureTransformer(
        weights=None, image_size=32, layers="block1_pool", resize="crop", cache=None
    )
    expected = transformer.transform(wide[0][:, :, 16:48])
    np.testing.assert_array_equal(transformer.transform(wide[0]), expected)


@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_a_pipeline_is_saved_and_exported_with_its_resize(resize, wide, tmp_path):
    pipeline = make_quick_pipeline(features__resize=resize).fit(*wide)
    proba = pipeline.predict_proba(wide[0])
    save_pipeline(pipeline, tmp_path / "model.fishsk")
    loaded = load_pipeline(tmp_path / "model.fishsk")
    assert loaded["features"].resize == resize
    np.testing.assert_array_equal(loaded.predict_proba(wide[0]), proba)
    export_model(pipeline, tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(model.predict(wide[0], verbose=0), proba, atol=1e-5)
    assert not np.allclose(
        clone(pipeline).set_params(features__resize="stretch").fit(*wide).predict_proba(wide[0]), proba
    )


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_map_lies_on_the_whole_image_and_is_empty_where_it_is_cropped_away(method, wide):
    pipeline = make_quick_pipeline(features__resize="crop").fit(*wide)
    display = ExplanationDisplay.from_estimator(pipeline, wide[0][:2], method=method)
    for heat in display.maps:
        assert heat.shape == (32, 64)
        away = np.abs(heat[:, [*range(6), *range(58, 64)]]).max()
        assert away < 0.01 * np.abs(heat[:, 16:48]).max()


def test_dask_arrays_are_resized_in_the_same_way(wide):
    da = pytest.importorskip("dask.array", reason="needs dask: pip install 'fishsk[dask]'")
    transformer = VGG16FeatureTransformer(weights=None, image_size=32, layers="block1_pool", resize="pad")
    lazy = transformer.transform(da.from_array(wide[0], chunks=(5, 32, 64, 3)))
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), transformer.transform(wide[0]))


def test_another_resize_is_refused(wide):
    with pytest.raises(ValueError, match=r"'resize' parameter .* must be a str among .*'crop'"):
        VGG16FeatureTransformer(weights=None, resize="squeeze").fit(wide[0])
