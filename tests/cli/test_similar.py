"""``similar``: the images most like one, as a picture and as a table."""

import csv
import json
import shutil

import pytest
from PIL import Image

from fishsk.cli import main


@pytest.fixture
def query(photos, tmp_path):
    """Return a copy of one of the photographs, outside their folder, and where that lies."""
    original = sorted((photos / "shark").glob("*.png"))[1]
    return shutil.copy(original, tmp_path / "query.png"), str(original)


def test_a_copy_is_found_first_and_all_are_written(query, photos, tmp_path, capsys):
    image, original = query
    picture = tmp_path / "found" / "similar.png"
    assert main(["similar", str(image), str(photos), "--top", "5", "--output", str(picture)]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("Network:     VGG16, 32 x 32 pixels")
    rows = list(csv.DictReader(picture.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert (rows[0]["path"], float(rows[0]["distance"])) == (original, pytest.approx(0, abs=1e-4))
    with Image.open(picture) as drawn:
        assert drawn.width > 400


def test_a_models_features_can_be_used_and_the_list_is_json(query, photos, model, tmp_path, capsys):
    command = ["similar", query[1], str(photos), "--model", str(model), "--json"]
    assert main([*command, "--output", str(tmp_path / "similar.png")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["similar"]) == 12
    assert query[1] not in [row["path"] for row in facts["similar"]]


def test_a_folder_of_the_image_alone_is_refused(query, tmp_path, capsys):
    alone = tmp_path / "alone.png"
    shutil.copy(query[0], alone)
    assert main(["similar", str(alone), str(alone), "--output", str(tmp_path / "out.png")]) == 1
    assert "must hold other images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg", "."], "nowhere.jpg"),
        ([".", "."], "must be a file"),
        (["a.jpg", ".", "--top", "0"], "--top must be at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["similar", *arguments]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fishsk: error: ")
    assert message in line
