"""``compare``: two models on one folder."""

import json

import pytest

from fishsk.cli import main


@pytest.fixture(scope="module")
def other(photos, tmp_path_factory):
    """Return the file of a model that has hardly learned anything."""
    path = tmp_path_factory.mktemp("other") / "other.fishsk"
    command = ["fit", str(photos), "--backbone", "vgg16", "--model", str(path), "--set", "head__epochs=1"]
    assert main([*command, "--set", "head__learning_rate=1e-5"]) == 0
    return path


def test_two_models_are_compared_on_a_folder(other, model, photos, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["compare", str(other), str(model), str(photos), "--output", str(page)]) == 0
    out = capsys.readouterr().out
    assert "McNemar's exact test: p = " in out
    assert "aquarium_fish" in out
    assert "other and fish on 60 images" in page.read_text(encoding="utf-8")


def test_what_changed_is_json_too(other, model, photos, tmp_path, capsys):
    command = ["compare", str(other), str(model), str(photos), "--output", str(tmp_path / "page.html")]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["difference"] == pytest.approx(facts["accuracy_new"] - facts["accuracy_old"])
    assert len(facts["fixed"]) - len(facts["broken"]) == round(60 * facts["difference"])
    assert facts["per_class"]["ray"]["n_samples"] == 12
    assert all(path.endswith(".png") for path in facts["fixed"])


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_path_that_is_wrong_is_one_line(other, model, photos, tmp_path, capsys, bad):
    paths = [str(other), str(model), str(photos)]
    paths[bad] = str(tmp_path / "nowhere")
    capsys.readouterr()
    assert main(["compare", *paths, "--output", str(tmp_path / "page.html")]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("fishsk: error: ")
    assert "nowhere" in line
