"""Image folders: layout, odd files, odd names, links."""

import os
import re
import struct
import time
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image, features

from fishsk.datasets import load_image_folder
from fishsk.datasets._folder import find_images
from fishsk.features import IMAGE_SUFFIXES, check_images
from fishsk.features._decoding import _FORMATS


def write_image(path, value=100, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).save(path)
    return path


@pytest.fixture
def fish(tmp_path):
    """Return a folder of two classes with two images each."""
    for i, name in enumerate(["shark/b.png", "shark/a.jpg", "ray/2.bmp", "ray/10.png"]):
        write_image(tmp_path / "fish" / name, value=50 * i)
    return tmp_path / "fish"


def names_in(folder, images):
    return [os.path.relpath(image, folder) for image in images]


def test_sub_folders_are_classes_in_sorted_order(fish):
    data = load_image_folder(fish)
    assert names_in(fish, data.images) == ["ray/10.png", "ray/2.bmp", "shark/a.jpg", "shark/b.png"]
    assert data.target.tolist() == [0, 0, 1, 1]
    assert data.target.dtype == np.int64
    assert data.target_names == ["ray", "shark"]
    assert data.filenames is data.images
    assert str(fish) in data.DESCR
    assert "- ray: 2 images" in data.DESCR


def test_images_are_what_the_pipeline_takes(fish):
    X, y = load_image_folder(str(fish), return_X_y=True)
    images = check_images(X[y == 1])
    assert [images[i].shape for i in range(2)] == [(8, 8, 3)] * 2
    assert images[1][0, 0].tolist() == [0, 0, 0]


def test_suffixes_in_capitals_and_deeper_folders_count_other_files_do_not(fish):
    write_image(fish / "ray" / "2025" / "summer" / "x.PNG")
    for name in ("notes.txt", ".hidden.png", "archive.zip"):
        (fish / "ray" / name).write_bytes(b"no image")
    write_image(fish / ".thumbnails" / "t.png")
    write_image(fish / "cover.png")
    with pytest.warns(UserWarning, match="5 files were not looked at"):
        X, _ = load_image_folder(fish, return_X_y=True)
    expected = ["ray/10.png", "ray/2.bmp", "ray/2025/summer/x.PNG", "shark/a.jpg", "shark/b.png"]
    assert names_in(fish, X) == expected


def test_a_pipe_with_an_image_name_is_not_opened(fish):
    os.mkfifo(fish / "ray" / "pipe.png")
    found = list(find_images(fish / "ray", left_out={}))
    assert names_in(fish, found) == ["ray/10.png", "ray/2.bmp"]


def test_without_class_folders_the_layout_is_explained(tmp_path):
    write_image(tmp_path / "lonely.png")
    with pytest.raises(ValueError, match=r"must hold one sub-folder per class.*ray.*shark.*no sub-folder"):
        load_image_folder(tmp_path)


def test_class_folders_without_any_image_are_refused(tmp_path):
    (tmp_path / "ray").mkdir()
    with pytest.raises(ValueError, match=r"must hold images \(.apng, .*Got none in \['ray'\]"):
        load_image_folder(tmp_path)


def test_a_class_folder_without_images_keeps_its_place_and_warns(fish):
    (fish / "salmon").mkdir()
    with pytest.warns(UserWarning, match=r"\['salmon'\] hold no images"):
        data = load_image_folder(fish)
    assert data.target_names == ["ray", "salmon", "shark"]
    assert data.target.tolist() == [0, 0, 2, 2]


def test_a_missing_folder_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match=r"must be an existing folder.*nowhere"):
        load_image_folder(tmp_path / "nowhere")


def test_an_unknown_policy_is_refused(fish):
    with pytest.raises(ValueError, match=r"on_error must be .*'ignore'"):
        load_image_folder(fish, on_error="ignore")


@pytest.fixture
def damaged(fish):
    """Return the folder with an empty, a corrupt and a truncated file among the others."""
    (fish / "ray" / "1.png").write_bytes(b"")
    (fish / "ray" / "9.jpg").write_bytes(b"this is text")
    content = write_image(fish / "shark" / "aa.jpg", size=(64, 64)).read_bytes()
    (fish / "shark" / "aa.jpg").write_bytes(content[: len(content) // 2])
    return fish


def test_fault_24_all_bad_files_are_listed(damaged):
    with pytest.raises(ValueError, match="3 of 7 images cannot be read") as caught:
        load_image_folder(damaged)
    assert [name in str(caught.value) for name in ("1.png", "9.jpg", "aa.jpg", "b.png")] == [True] * 3 + [
        False
    ]


def test_fault_24_bad_files_are_skipped_with_labels_aligned(damaged):
    with pytest.warns(UserWarning, match="3 of 7 images cannot be read") as caught:
        X, y = load_image_folder(damaged, on_error="skip", return_X_y=True)
    assert len(caught) == 1
    assert names_in(damaged, X) == ["ray/10.png", "ray/2.bmp", "shark/a.jpg", "shark/b.png"]
    assert y.tolist() == [0, 0, 1, 1]


def test_no_file_is_opened_where_files_are_not_to_be_checked(damaged, counts):
    X, y = load_image_folder(damaged, check_files=False, return_X_y=True)
    assert (len(X), y.tolist()) == (7, [0, 0, 0, 0, 1, 1, 1])
    assert counts == ({}, {})


def test_fault_24_nothing_but_bad_files_is_an_error_even_when_skipping(tmp_path):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "1.png").write_bytes(b"")
    with pytest.raises(ValueError, match="1 of 1 images cannot be read"):
        load_image_folder(tmp_path, on_error="skip")


def png_chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def test_fault_25_an_image_bomb_is_refused_from_its_header(fish):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    rows = png_chunk(b"IDAT", zlib.compress(bytes(10_000)))
    (fish / "ray" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + rows + png_chunk(b"IEND", b""))
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"1 of 5 images cannot be read:\n.*bomb.png.*too large"):
        load_image_folder(fish)
    assert time.monotonic() - start < 5


def test_fault_26_links_are_not_followed(fish, tmp_path):
    outside = write_image(tmp_path / "outside" / "secret.png")
    (fish / "ray" / "loop").symlink_to(fish, target_is_directory=True)
    (fish / "ray" / "out").symlink_to(outside.parent, target_is_directory=True)
    (fish / "ray" / "link.png").symlink_to(outside)
    (fish / "whale").symlink_to(outside.parent, target_is_directory=True)
    with pytest.warns(UserWarning, match="4 files were not looked at: 4 symbolic link") as caught:
        data = load_image_folder(fish)
    assert len(caught) == 1
    assert len(data.images) == 4
    assert data.target_names == ["ray", "shark"]


def test_fault_26_the_folder_itself_may_be_a_link(fish, tmp_path):
    (tmp_path / "link").symlink_to(fish, target_is_directory=True)
    assert len(load_image_folder(tmp_path / "link").images) == 4


def test_fault_27_spaces_and_letters_of_any_script_work(tmp_path):
    paths = [write_image(tmp_path / "poissons ünd 魚" / name) for name in ("mój węgorz.png", "サメ 1.jpg")]
    data = load_image_folder(tmp_path)
    assert data.target_names == ["poissons ünd 魚"]
    assert sorted(data.images) == sorted(map(str, paths))
    assert check_images(data.images)[0].shape == (8, 8, 3)


def test_fault_62_all_endings_of_formats_that_pillow_reads_here_are_images(fish):
    known = {suffix for suffix, form in Image.registered_extensions().items() if form in _FORMATS}
    # A PFM file holds floats, which `read_image` refuses; Pillow reads MPO files as JPEG.
    assert known - {".pfm"} | {".mpo"} == set(IMAGE_SUFFIXES)
    assert features.check("avif") == (".avif" in IMAGE_SUFFIXES)


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JPE", ".Jpeg", ".apng", ".pnm"])
def test_fault_62_other_endings_of_known_formats_are_images(fish, ending):
    path = fish / "ray" / f"x{ending}"
    Image.new("RGB", (8, 8)).save(path, "PNG" if ending == ".apng" else "PPM" if ending == ".pnm" else "JPEG")
    assert str(path) in load_image_folder(fish).images


@pytest.mark.skipif(".avif" not in IMAGE_SUFFIXES, reason="this Pillow was built without libavif")
def test_fault_62_avif_files_are_images(fish):
    path = write_image(fish / "ray" / "x.avif", value=200, size=(16, 16))
    data = load_image_folder(fish)
    assert abs(int(check_images(data.images)[data.images.tolist().index(str(path))][0, 0, 0]) - 200) < 5


def test_fault_62_files_that_are_no_images_are_counted_by_their_endings(fish):
    told = [".hidden.jpg", "a.heic", "b.HEIC", "jpeg", "notes.txt", "photo.jpg.download"]
    for name in (*told, ".DS_Store", "Thumbs.db", "._a.jpg"):
        (fish / "ray" / name).write_bytes(b"anything")
    (fish / "cover.png").write_bytes(b"anything")
    words = (
        "7 files were not looked at: 2 .heic, 1 .png beside the class folders, 1 hidden, 1 without an "
        "ending, 1 .txt, 1 .download. Rename"
    )
    with pytest.warns(UserWarning, match=re.escape(words)) as caught:
        data = load_image_folder(fish)
    assert [warning.filename for warning in caught] == [__file__]
    left_out = ["cover.png", *(f"ray/{name}" for name in told)]
    assert sorted(names_in(fish, data.left_out)) == sorted(left_out)
    assert len(data.images) == 4


@pytest.mark.filterwarnings("ignore")
def test_fault_62_what_is_skipped_or_linked_is_told_too(damaged):
    (damaged / "ray" / "link.png").symlink_to(damaged / "ray" / "2.bmp")
    data = load_image_folder(damaged, on_error="skip")
    reasons = dict(zip(names_in(damaged, data.left_out), data.left_out.values(), strict=True))
    assert reasons.pop("ray/link.png") == "symbolic link"
    assert list(reasons) == ["ray/1.png", "ray/9.jpg", "shark/aa.jpg"]
    assert "is empty" in reasons["ray/1.png"]


def test_fault_68_names_of_classes_are_composed(tmp_path):
    name = "K\u00f6nigslachs"
    write_image(tmp_path / unicodedata.normalize("NFD", name) / "a.png")
    write_image(tmp_path / unicodedata.normalize("NFC", name) / "b.png")
    write_image(tmp_path / "Ray" / "c.png")
    data = load_image_folder(tmp_path)
    assert data.target_names == [name, "Ray"]
    assert data.target.tolist() == [0, 0, 1]
    assert all(os.path.isfile(image) for image in data.images)


def test_fault_76_folders_that_differ_in_capitals_or_spaces_alone_warn(fish):
    write_image(fish / "Ray " / "1.png")
    with pytest.warns(UserWarning, match="the classes 'Ray ' and 'ray' differ in capitals or spaces alone"):
        assert load_image_folder(fish).target_names == ["Ray ", "ray", "shark"]


def test_fault_76_parts_of_a_data_set_in_the_place_of_classes_warn(tmp_path):
    for name in ("train/ray/1.png", "train/shark/1.png", "Test/ray/1.png"):
        write_image(tmp_path / name)
    with pytest.warns(UserWarning, match=r"named \['Test', 'train'\], and taken for classes"):
        load_image_folder(tmp_path)
    assert load_image_folder(tmp_path / "train").target_names == ["ray", "shark"]


def test_fault_77_the_content_tells_the_format_and_the_class_its_name(fish):
    image = Image.new("RGB", (8, 8), (200, 0, 0))
    image.save(fish / "ray" / "really.jpg", "WEBP")
    write_image(fish / ".ipynb_checkpoints" / "1.png")
    with pytest.warns(UserWarning, match="1 file was not looked at: 1 hidden folder"):
        data = load_image_folder(fish)
    assert data.target_names == ["ray", "shark"]
    assert any(path.endswith("really.jpg") for path in data.images)


@pytest.mark.parametrize("name", ["@eaDir", "__MACOSX", "$RECYCLE.BIN", "#recycle", "lost+found"])
def test_fault_81_folders_of_systems_are_neither_classes_nor_images(fish, name):
    write_image(fish / name / "ray" / "1.png")
    write_image(fish / "ray" / name / "10.png" / "SYNOPHOTO_THUMB_XL.jpg")
    with pytest.warns(UserWarning, match="2 files were not looked at: 2 folder of the system"):
        data = load_image_folder(fish)
    assert data.target_names == ["ray", "shark"]
    assert len(data.images) == 4


def test_fault_82_labels_of_test_images_are_those_of_training(fish, tmp_path):
    train = load_image_folder(fish)
    write_image(tmp_path / "test" / "shark" / "1.png")
    test = load_image_folder(tmp_path / "test", target_names=train.target_names)
    assert test.target.tolist() == [1]
    assert test.target_names == train.target_names == ["ray", "shark"]
    assert load_image_folder(tmp_path / "test").target.tolist() == [0]
    with pytest.raises(ValueError, match=r"among target_names, \['ray'\]. Got also \['shark'\]"):
        load_image_folder(fish, target_names=["ray"])


def test_fault_76_letters_of_no_width_are_not_seen(fish):
    write_image(fish / "ray\u200b" / "1.png")
    with pytest.warns(UserWarning, match=r"'ray' and 'ray\\u200b' differ in capitals or spaces alone"):
        load_image_folder(fish)
