"""Boxes in images: what is cropped, how it is named and stored, and how often its file is read."""

import numpy as np
import pytest
from PIL import Image

from fishsk import VGG16FeatureTransformer
from fishsk.features import check_images, join_box, read_image, read_sides, split_box


@pytest.fixture
def photo(tmp_path, rng):
    """Return the path of a photograph of 40 x 30 pixels."""
    path = tmp_path / "reef.png"
    Image.fromarray(rng.integers(256, size=(30, 40, 3), dtype=np.uint8)).save(path)
    return str(path)


def test_pixels_and_fractions_name_the_same_part(photo):
    whole = read_image(photo)
    np.testing.assert_array_equal(read_image(join_box(photo, 10, 5, 20, 15)), whole[5:20, 10:30])
    fractions = join_box(photo, 0.25, 1 / 6, 0.5, 0.5)
    assert fractions.endswith("#xywh=percent:25,16.66666667,50,50")
    np.testing.assert_array_equal(read_image(fractions), whole[5:20, 10:30])
    assert read_sides(fractions) == (20, 15)


def test_boxes_are_those_of_the_image_upright(tmp_path, rng):
    pixels = rng.integers(256, size=(30, 40, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = np.rot90(pixels, -1)
    box = join_box(str(tmp_path / "turned.png"), 0, 20, 30, 20)
    np.testing.assert_array_equal(read_image(box), upright[20:40, 0:30])


@pytest.mark.parametrize("box", [(30, 0, 12, 10), (-2, 0, 10, 10), (0, 25, 10, 7), (50, 50, 5, 5)])
def test_a_box_outside_of_the_image_is_an_error_that_says_where(photo, box):
    with pytest.raises(ValueError, match=r"the box must lie in the image, 40 x 30 pixels. It reaches from"):
        read_image(join_box(photo, *box))


def test_a_pixel_over_the_edge_is_cut(photo):
    assert read_image(join_box(photo, -0.6, -1, 40, 32)).shape == (30, 39, 3)


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (0, 0, 5, -1), (0, float("nan"), 5, 5)])
def test_what_is_no_box_is_refused(box):
    with pytest.raises(ValueError, match="box must be"):
        join_box("reef.png", *box)


def test_files_of_such_names_are_read_as_paths(tmp_path, rng):
    path = tmp_path / "a.png"
    Image.fromarray(rng.integers(256, size=(3, 4, 3), dtype=np.uint8)).save(path)
    path.rename(tmp_path / "a#xywh=0,0,1,1")
    assert read_image(tmp_path / "a#xywh=0,0,1,1").shape == (3, 4, 3)
    assert split_box(str(tmp_path / "a#xywh=1.2.3,0,1,1"))[1] is None


def test_each_box_has_a_row_of_its_own_and_a_file_is_read_and_decoded_once(photo, counts, n_extracted):
    reads, decodes = counts
    boxes = [join_box(photo, 0, 0, 20, 20), join_box(photo, 20, 0, 20, 20), photo]
    vgg16 = VGG16FeatureTransformer(weights="cifar95", layers="block1_pool", pooling="avg")
    rows = vgg16.transform(boxes)
    assert reads.total() == decodes.total() == 1
    whole = read_image(photo)
    np.testing.assert_array_equal(rows, vgg16.transform([whole[:20, :20], whole[:20, 20:], whole]))
    assert n_extracted() == 6
    np.testing.assert_array_equal(vgg16.transform(boxes), rows)
    assert n_extracted() == 6
    assert len({check_images(boxes).digest(index) for index in range(3)}) == 3
