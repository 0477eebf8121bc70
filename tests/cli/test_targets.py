"""What cannot be written is said before the work, and no result is lost after it."""

from pathlib import Path

import pytest

from fishsk.cli import main
from fishsk.cli._targets import prepare_file, write_or_keep


def test_a_missing_folder_is_made(tmp_path):
    assert prepare_file(tmp_path / "new" / "folder" / "a.fishsk").parent.is_dir()
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize("command", ["fit", "tune"])
@pytest.mark.parametrize(("name", "words"), [("", "must not be a folder"), ("file/x", "Name another place")])
def test_a_target_is_refused_before_the_work(command, name, words, photos, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("fishsk.datasets.load_image_folder", None)  # the work does not start
    assert main([command, str(photos), "--model", str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err


def test_predict_and_report_refuse_a_target_first(tmp_path, capsys):
    for command in (["predict", "no.fishsk", "no.png"], ["report", "no.fishsk", "no"]):
        assert main([*command, "--output", str(tmp_path)]) == 1
        assert "must not be a folder" in capsys.readouterr().err


def test_fault_60_a_result_outlives_its_folder(tmp_path):
    with pytest.raises(OSError, match="can no longer be written") as raised:
        write_or_keep(tmp_path / "gone" / "a.csv", lambda path: path.write_text("all of it"))
    kept = Path(str(raised.value).split("kept in '")[1].split("'")[0])
    assert kept.read_text() == "all of it"


def test_fault_60_a_trained_model_outlives_its_folder(photos, tmp_path, capsys, monkeypatch):
    from fishsk import KerasHeadClassifier, load_pipeline

    fit = KerasHeadClassifier.fit

    def fit_and_remove(self, *args, **kwargs):
        (tmp_path / "models").rmdir()
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(KerasHeadClassifier, "fit", fit_and_remove)
    model = tmp_path / "models" / "a.fishsk"
    assert main(["fit", str(photos), "--model", str(model), "--set", "head__epochs=1"]) == 1
    kept = capsys.readouterr().err.split("kept in '")[1].split("'")[0]
    assert len(load_pipeline(kept).classes_) == 5
