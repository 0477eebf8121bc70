"""The command line, as a user types it."""

import csv
import json
import os
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import fishsk.cli._fish
from fishsk import load_pipeline
from fishsk.cli import main
from fishsk.cli._main import COMMANDS
from fishsk.datasets import FISH_NAMES


def test_help_teaches_by_example(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "python -m fishsk demo" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples(command, capsys):
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"python -m fishsk {command}" in capsys.readouterr().out


def test_unknown_commands_exit_with_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train"])
    assert stopped.value.code == 2
    assert "invalid choice: 'train'" in capsys.readouterr().err


def test_an_error_is_one_line_and_exits_with_1(capsys, tmp_path):
    assert main(["fit", str(tmp_path / "nowhere")]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert error[0].startswith("fishsk: error: ")
    assert "nowhere" in error[0]


def test_debug_shows_where_an_error_came_from(tmp_path):
    with pytest.raises(NotADirectoryError):
        main(["fit", str(tmp_path / "nowhere"), "--debug"])


@pytest.mark.parametrize("setting", ["head__epochs", "epochs=3"])
def test_settings_must_name_a_step(setting, capsys, photos):
    assert main(["fit", str(photos), "--set", setting]) == 1
    assert "STEP__NAME=VALUE" in capsys.readouterr().err


def test_fit_tells_a_score_of_folds_where_all_images_train(photos, tmp_path, capsys):
    options = ["--set", "head__epochs=2", "--set", "head__validation_fraction=0"]
    command = ["fit", str(photos), "--backbone", "vgg16", "--model", str(tmp_path / "a.fishsk"), *options]
    assert main([*command, "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    score = facts["cross_validation_accuracy"]
    assert f"2 epochs, accuracy {score:.3f} in 5-fold cross-validation" in shown.err
    assert facts["validation_accuracy"] is None
    assert 0.2 < score < 1
    assert load_pipeline(tmp_path / "a.fishsk").predict([str(next(photos.rglob("*.png")))]).shape == (1,)


@pytest.mark.slow
def test_the_demo_without_real_fish_says_so_first(capsys, tmp_path):
    assert main(["demo", "--offline", "--output", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "SYNTHETIC fish" in out.splitlines()[0]
    for part in (
        "Network:",
        "images a second",
        "95 % interval",
        "macro avg",
        "Confusion matrix",
        "Seconds of",
    ):
        assert part in out
    for name in ("training_curves.png", "confusion_matrix.png", "predictions.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 400
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_demo_goes_on_without_a_network(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(fishsk.cli._fish, "_N_DRAWN", 60)
    assert main(["demo", "--output", str(tmp_path)]) == 0
    assert "SYNTHETIC fish" in capsys.readouterr().out.splitlines()[0]


def test_the_demo_takes_a_folder_of_photographs(capsys, tmp_path, photos):
    data = shutil.copytree(photos, tmp_path / "photos")
    for index, path in enumerate(sorted(data.rglob("*.png"))[::2]):  # which makes mistakes certain
        path.rename(data / ("ray" if index % 2 else "shark") / f"moved{index}.png")
    assert main(["demo", "--data", str(data), "--output", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_test"] == 15
    assert len(facts["mistakes"]) <= 5
    assert facts["mistakes"][0]["image"].endswith(".png")


@pytest.mark.slow
@pytest.mark.shared_data
def test_the_demo_on_real_fish_repeats_itself_bit_for_bit(shared_dir, tmp_path):
    command = [sys.executable, "-m", "fishsk", "demo", "--json", "--output", str(tmp_path)]
    environment = os.environ | {"FISHSK_DATA": str(shared_dir)}
    first, second = (
        json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)
        for _ in range(2)
    )
    assert "cifar-100-binary" in first["data"]
    assert first["n_test"] == 500
    assert f"FISHSK_DATA={shared_dir} python -m fishsk demo" in (tmp_path / "report.html").read_text("utf-8")
    for name in ("accuracy", "confusion_matrix", "mistakes"):
        assert first[name] == second[name]
    assert first["n_extracted"] > 2400
    assert second["n_extracted"] == 0


def test_a_saved_model_is_scored_on_another_folder(model, photos, capsys, tmp_path):
    assert main(["evaluate", str(model), str(photos), "--output", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_test"] == 60
    assert (tmp_path / "confusion_matrix.png").is_file()


def test_predictions_are_a_csv_of_paths_classes_and_probabilities(model, photos, capsys, tmp_path):
    target = tmp_path / "answers.csv"
    assert main(["predict", str(model), str(photos), "--output", str(target)]) == 0
    rows = list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 60
    assert rows[0]["predicted"] in FISH_NAMES
    assert sum(float(rows[0][f"p_{name}"]) for name in FISH_NAMES) == pytest.approx(1, abs=1e-4)


def test_predictions_of_one_file_go_to_standard_output(model, photos, capsys):
    image = next(photos.rglob("*.png"))
    assert main(["predict", str(model), str(image), "--output", "-"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("path,predicted,probability,p_")
    assert out[1].startswith(str(image))


def test_predict_names_a_folder_without_images(model, tmp_path, capsys):
    assert main(["predict", str(model), str(tmp_path)]) == 1
    assert "It holds none" in capsys.readouterr().err


def test_a_report_is_written_for_a_saved_model(model, photos, capsys, tmp_path):
    page = tmp_path / "fish.html"
    tested = shutil.copytree(photos, tmp_path / "photos")
    misfiled = next((tested / "shark").glob("*.png"))  # which counts as a mistake of the model
    misfiled.rename(tested / "ray" / misfiled.name)
    assert main(["report", str(model), str(tested), "--train", str(photos), "--output", str(page)]) == 0
    assert "open it in a browser" in capsys.readouterr().out
    assert "aquarium_fish" in page.read_text(encoding="utf-8")
    assert "Heat map of" in page.read_text(encoding="utf-8")
    card = tmp_path / "README.md"
    options = ["--no-maps", "--card", str(card), "--output", str(page)]
    assert main(["report", str(model), str(tested), *options]) == 0
    assert "Heat map of" not in page.read_text(encoding="utf-8")
    assert "License of the weights: BSD-3-Clause" in card.read_text(encoding="utf-8")


def test_fault_26_predict_follows_no_link(model, photos, tmp_path):
    image = next(photos.rglob("*.png"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "own.png").write_bytes(image.read_bytes())
    (tmp_path / "in" / "link.png").symlink_to(image)
    with pytest.warns(UserWarning, match="1 file was not looked at: 1 symbolic link"):
        assert main(["predict", str(model), str(tmp_path / "in"), "--output", str(tmp_path / "a.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == [str(tmp_path / "in" / "own.png")]


def test_tune_saves_the_best_model_and_optunas_plots(photos, tmp_path, capsys):
    model, plots = tmp_path / "best.fishsk", tmp_path / "plots"
    command = ["tune", str(photos), "--trials", "2", "--model", str(model), "--output", str(plots)]
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert 0 <= facts["best_score"] <= 1
    assert facts["networks"][0].startswith("VGG16, 32 x 32 pixels, weights: cifar95")
    assert model.is_file()
    assert (plots / "history.png").is_file()


def test_the_cache_is_counted_verified_and_cleared(model, photos, capsys):
    main(["predict", str(model), str(photos), "--output", "-"])
    capsys.readouterr()
    for action, expected in (
        ("info", {"n_rows": 120}),
        ("verify", {"n_corrupt": 0}),
        ("clear", {}),
        ("info", {"n_rows": 0}),
    ):
        assert main(["cache", action, "--json"]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert expected.items() <= facts.items()


def test_bad_files_can_be_left_out(photos, tmp_path, capsys, recwarn):
    import shutil

    folder = tmp_path / "photos"
    shutil.copytree(photos, folder)
    (folder / "ray" / "broken.jpg").write_bytes(b"")
    command = ["fit", str(folder), "--model", str(tmp_path / "m.fishsk"), "--set", "head__epochs=1"]
    assert main(command) == 1
    assert "broken.jpg" in capsys.readouterr().err
    with pytest.warns(UserWarning, match="broken.jpg"):
        assert main([*command, "--skip-bad", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_images"] == 60


def test_an_interrupt_exits_with_130(monkeypatch, capsys, photos):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("fishsk.datasets.load_image_folder", interrupt)
    assert main(["fit", str(photos)]) == 130
    assert "interrupted" in capsys.readouterr().err
