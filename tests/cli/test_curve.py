"""``curve``: what more photographs would bring."""

import json

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import make_fish_images


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Return a folder of 30 images of each class."""
    folder = tmp_path_factory.mktemp("many")
    X, y = make_fish_images(150, random_state=1)
    for index, (image, label) in enumerate(zip(X, y, strict=True)):
        path = folder / f"kind {label}" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


def test_the_curve_and_the_forecast_are_printed_and_drawn(many, tmp_path, capsys):
    figure = tmp_path / "curve.png"
    assert main(["curve", str(many), "--more", "8", "1000", "--output", str(figure)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].startswith("Network:     VGG16, 32 x 32 pixels")
    assert "more per class" in out
    assert "1,000" in out
    with Image.open(figure) as picture:
        assert picture.width > 400


def test_a_models_parameters_can_be_used_and_the_numbers_are_json(many, model, tmp_path, capsys):
    command = ["curve", str(many), "--model", str(model), "--json"]
    assert main([*command, "--output", str(tmp_path / "curve.png")]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [row["n_train"] for row in facts["curve"]][-1] == 120
    assert [row["more_a_class"] for row in facts["forecast"]] == [0, 30, 90]
    for row in facts["forecast"]:
        assert row["interval"][0] <= row["accuracy"] <= row["interval"][1]
    assert facts["forecast"][0]["gain"] == 0


def test_fault_73_the_curve_can_be_a_table(many, model, tmp_path, capsys):
    table = tmp_path / "curve.csv"
    assert main(["curve", str(many), "--model", str(model), "--cv", "3", "--output", str(table)]) == 0
    first, *rows = table.read_text().splitlines()
    assert first == "n_train,accuracy,lowest_fold,highest_fold"
    assert rows[-1].startswith("100,")


def test_too_few_images_are_one_line(photos, tmp_path, capsys):
    assert main(["curve", str(photos), "--output", str(tmp_path / "curve.png")]) == 1
    assert "Add images" in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("more", ["0", "-5"])
def test_more_means_more(photos, capsys, more):
    assert main(["curve", str(photos), f"--more={more}"]) == 1
    assert capsys.readouterr().err.startswith("fishsk: error: --more must be numbers of images")
