"""What cannot be written is said before the work, and no result is lost after it."""

from pathlib import Path

import pytest

from fishsk.cli import main
from fishsk.cli._screen import Screen
from fishsk.cli._targets import MODELS, prepare_file, write_or_keep


def test_a_missing_folder_is_made(tmp_path):
    assert prepare_file(tmp_path / "new" / "folder" / "a.fishsk", MODELS).parent.is_dir()
    assert list((tmp_path / "new" / "folder").iterdir()) == []


@pytest.mark.parametrize("command", ["fit", "tune"])
@pytest.mark.parametrize(
    ("name", "words"), [("", "must not be a folder"), ("file/x.fishsk", "Name another place")]
)
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
        write_or_keep(
            Screen(), "Table", tmp_path / "gone" / "a.csv", lambda path: path.write_text("all of it")
        )
    kept = Path(str(raised.value).split("kept in '")[1].split("'")[0])
    assert kept.read_text() == "all of it"


def test_fault_60_a_trained_model_outlives_its_folder(photos, tmp_path, capsys, monkeypatch):
    from fishsk import KerasHeadClassifier, load_pipeline

    fit = KerasHeadClassifier.fit

    def fit_and_remove(self, *args, **kwargs):
        if (tmp_path / "models").is_dir():  # the first of several fits
            (tmp_path / "models").rmdir()
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(KerasHeadClassifier, "fit", fit_and_remove)
    model = tmp_path / "models" / "a.fishsk"
    assert main(["fit", str(photos), "--model", str(model), "--set", "head__epochs=1"]) == 1
    kept = capsys.readouterr().err.split("kept in '")[1].split("'")[0]
    assert len(load_pipeline(kept).classes_) == 5


KNOWN = {  # endings in the order of the message, of the last argument of each command
    "fit photos --model": [".fishsk"],
    "tune photos --model": [".fishsk"],
    "check photos --output": [".html", ".htm"],
    "report m.fishsk photos --output": [".html", ".htm"],
    "compare a.fishsk b.fishsk photos --output": [".html", ".htm"],
    "curve photos --output": [".png", ".jpg", ".pdf", ".svg", ".csv"],
    "similar a.jpg photos --output": [".png", ".jpg", ".pdf", ".svg", ".csv"],
    "predict m.fishsk a.jpg --output": [".csv"],
}


@pytest.mark.parametrize("command", KNOWN)
@pytest.mark.parametrize("ending", ["", ".txt", ".xlsx", ".pkl"])
def test_fault_73_an_unknown_ending_is_refused_first(command, ending, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)  # none of the files is there
    assert main([*command.split(), f"new/out{ending}"]) == 1
    error = capsys.readouterr().err
    assert all(known in error for known in KNOWN[command])
    assert f"Got 'new/out{ending}'" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["demo", "evaluate m.fishsk photos", "tune photos"])
def test_fault_73_no_folder_is_named_like_a_file(command, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([*command.split(), "--output", "figures.png"]) == 1
    assert "Pass 'figures'" in capsys.readouterr().err
    assert not (tmp_path / "figures.png").exists()


def test_fault_73_the_ending_says_what_is_written(photos, tmp_path, capsys):
    query = next(photos.glob("*/*.png"))
    start = {"png": b"\x89PNG", "jpg": b"\xff\xd8", "pdf": b"%PDF", "SVG": b"<?xml", "csv": b"rank,path"}
    for ending, content in start.items():
        target = tmp_path / ending / f"found.{ending}"
        assert main(["similar", str(query), str(photos), "--top", "2", "--output", str(target)]) == 0
        assert target.read_bytes().startswith(content)
        assert len(list(target.parent.iterdir())) == (1 if ending == "csv" else 2)
    words = capsys.readouterr().out.splitlines()
    assert words[-1].split() == ["Table:", str(target)]
    assert not words[-2].startswith("Figures:")
