"""``drift``: an exit status that tells drift from none."""

import json

import numpy as np
import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import make_fish_images


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Return two folders of images without labels: of the kind of the training images, and in fog."""
    folder = tmp_path_factory.mktemp("new")
    for index, image in enumerate(make_fish_images(40, random_state=1)[0]):
        for name, each in {"same": image, "fog": (image // 2 + 120).astype(np.uint8)}.items():
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(each).save(folder / name / f"{index}.png")
    return folder


@pytest.mark.parametrize(("kind", "status"), [("same", 0), ("fog", 3)])
def test_the_exit_status_tells_drift(model, photos, new, tmp_path, capsys, kind, status):
    page = tmp_path / "drift.html"
    command = ["drift", str(model), str(new / kind), "--train", str(photos), "--output", str(page)]
    assert main([*command, "--permutations", "199"]) == status
    out = capsys.readouterr().out
    assert f"Drift:       {'yes' if status else 'not seen'}: p = " in out
    assert "40 new, 60 of training" in out
    assert ("beyond what chance explains. Scores" in page.read_text(encoding="utf-8")) == bool(status)


def test_the_numbers_are_json_too(model, photos, new, tmp_path, capsys):
    command = ["drift", str(model), str(new / "fog"), "--train", str(photos), "--json"]
    assert main([*command, "--output", str(tmp_path / "drift.html")]) == 3
    facts = json.loads(capsys.readouterr().out)
    assert facts["has_drifted"] is True
    assert facts["p_value"] == 0.001
    assert sum(each["n_new"] for each in facts["classes"]) == 40
    distances = [each["distance"] for each in facts["moved"]]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "0"], "--level must be between 0 and 1"),
        (["--permutations", "5"], "--permutations must be at least 19"),
        (["--level", "0.001", "--permutations", "500"], "--permutations must be at least 999"),
        ([], "m.fishsk"),
    ],
)
def test_what_is_wrong_is_one_line(new, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["drift", "m.fishsk", str(new / "same"), "--train", str(new / "fog"), *options]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fishsk: error: ")
    assert message in line
