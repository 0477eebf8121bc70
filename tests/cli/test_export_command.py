"""The export command."""

import json

import pytest

from fishsk.cli import main


def test_a_saved_model_is_exported_and_the_difference_is_told(model, tmp_path, capsys):
    target = tmp_path / "phone" / "fish.tflite"
    assert main(["export", str(model), "--output", str(target), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["difference"] < 1e-4
    assert facts["export"] == str(target)
    assert facts["size"] == target.stat().st_size


@pytest.mark.parametrize("name", ["fish.pt", "fish"])
def test_another_ending_is_refused_before_any_work(model, tmp_path, capsys, name):
    assert main(["export", str(model), "--output", str(tmp_path / name)]) == 1
    assert "must end in .tflite, .onnx, .xml or .keras" in capsys.readouterr().err
