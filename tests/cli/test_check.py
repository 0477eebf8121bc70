"""``check``: what it prints, and what it exits with."""

import json
import shutil

import pytest
from PIL import Image

from fishsk.cli import main


@pytest.fixture
def spoiled(photos, tmp_path):
    """Return a folder with an empty file, the same picture in two classes, and a class without images."""
    folder = tmp_path / "spoiled"
    shutil.copytree(photos, folder)
    (folder / "ray" / "broken.jpg").write_bytes(b"")
    image = next((folder / "shark").glob("*.png"))
    shutil.copy(image, folder / "trout" / "same.png")
    (folder / "whale").mkdir()
    return folder


def run(*arguments, output):
    return main(["check", *map(str, arguments), "--cv", "0", "--output", str(output)])


def test_a_sound_folder_exits_with_0(photos, tmp_path, capsys):
    assert run(photos, "--min-images", 5, output=tmp_path / "check.html") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("Network:     VGG16, 32 x 32 pixels")
    assert "Nothing was found." in out


def test_errors_exit_with_1_and_are_printed_and_shown(spoiled, tmp_path, capsys):
    page = tmp_path / "check.html"
    assert run(spoiled, output=page) == 1
    out = capsys.readouterr().out
    for words in (
        "Files that cannot be read",
        "The same picture with different labels",
        "broken.jpg",
        "whale: 0",
    ):
        assert words in out
    assert "same.png" in page.read_text(encoding="utf-8")


def test_what_is_found_is_json_too(spoiled, photos, tmp_path, capsys):
    assert run(spoiled, "--test", photos, "--json", output=tmp_path / "check.html") == 1
    facts = json.loads(capsys.readouterr().out)
    found = {issue["kind"]: issue["found"] for issue in facts["issues"]}
    assert found["unreadable"][0]["images"] == [str(spoiled / "ray" / "broken.jpg")]
    assert len(found["leak"]) == 60
    assert facts["level"] == "error"


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 1), ("never", 0)])
def test_warnings_fail_where_they_shall(photos, tmp_path, level, code):
    assert (
        run(photos, "--fail-on", level, output=tmp_path / "check.html") == code
    )  # 12 images per class are few


@pytest.mark.filterwarnings("ignore:A validation part")  # so few images have none
def test_likely_wrong_labels_are_looked_for_in_folds(photos, tmp_path, capsys):
    command = ["check", str(photos), "--cv", "3", "--min-images", "1", "--json"]
    assert main([*command, "--output", str(tmp_path / "check.html")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {issue["kind"] for issue in facts["issues"]} <= {"label"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cv", "1"], "--cv must be 0 or at least 2"),
        (["--test", "nowhere"], "path must be an existing folder"),
    ],
)
def test_what_is_wrong_is_one_line(photos, tmp_path, capsys, arguments, message):
    assert main(["check", str(photos), *arguments, "--output", str(tmp_path / "check.html")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fishsk: error: ")
    assert message in line


def test_a_folder_without_images_is_one_line(tmp_path, capsys):
    (tmp_path / "photos" / "ray").mkdir(parents=True)
    assert main(["check", str(tmp_path / "photos")]) == 1
    assert "Got none in ['ray']" in capsys.readouterr().err


def test_an_all_broken_folder_is_checked(tmp_path, capsys):
    for name in ("ray", "shark"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_bytes(b"x")
    assert main(["check", str(tmp_path / "photos"), "--output", str(tmp_path / "check.html")]) == 1
    assert "Files that cannot be read" in capsys.readouterr().out


def test_one_readable_image_is_checked(tmp_path, capsys):
    for name in ("ray", "shark"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    Image.new("RGB", (40, 40), (0, 128, 255)).save(tmp_path / "photos" / "ray" / "1.png")
    assert main(["check", str(tmp_path / "photos"), "--output", str(tmp_path / "check.html")]) == 0
    assert "Images of hardly more than one color" in capsys.readouterr().out
