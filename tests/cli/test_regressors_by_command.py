"""A table with a column of numbers, from training to comparison, and what the commands refuse."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import FISH_NAMES, make_fish_images

QUICK = ["--set", "head__regressor__epochs=12", "--set", "head__regressor__hidden_units=32"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a table of drawn fish with their lengths and kinds, beside a folder of the images."""
    folder = tmp_path_factory.mktemp("a table")
    X, lengths = make_fish_images(60, target="length", random_state=0)
    _, kinds = make_fish_images(60, random_state=0)
    (folder / "images").mkdir()
    with (folder / "fish.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "length in px", "kind", "number"])
        for index, (image, length, kind) in enumerate(zip(X, lengths, kinds, strict=True)):
            Image.fromarray(image).save(folder / "images" / f"{index}.png")
            writer.writerow([f"images/{index}.png", f"{length:.3f}", FISH_NAMES[kind], kind])
    return str(folder / "fish.csv")


@pytest.fixture(scope="module")
def lengths(table, tmp_path_factory):
    """Return the file of a model of lengths that ``fit`` has saved."""
    path = str(tmp_path_factory.mktemp("lengths") / "lengths.fishsk")
    command = ["fit", table, "--target", "length in px", "--backbone", "vgg16", "--model", path, *QUICK]
    assert main(command) == 0
    return path


def read_facts(capsys, *command):
    capsys.readouterr()
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refuse(capsys, *command):
    """Return the one line in which a command says what is wrong."""
    capsys.readouterr()
    assert main(list(command)) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("fishsk: error: ")
    return line


def test_training_tells_the_error_in_the_tables_unit(table, tmp_path, capsys):
    command = ["fit", table, "--target", "length in px", "--model", str(tmp_path / "a.fishsk"), *QUICK]
    facts = read_facts(capsys, *command)
    assert (facts["task"], facts["n_images"]) == ("regression", 60)
    assert 0.1 < facts["training_mean_absolute_error"] < 8
    assert facts["validation_mean_absolute_error"] is None  # all images train


def test_evaluate_shows_errors_beside_those_of_the_mean(lengths, table, tmp_path, capsys):
    command = ["evaluate", lengths, table, "--target", "length in px", "--output", str(tmp_path / "f")]
    facts = read_facts(capsys, *command)
    assert facts["mae"]["interval"][0] < facts["mae"]["value"] < facts["mae"]["interval"][1]
    assert facts["mae"]["value"] < facts["mae"]["always_the_mean"]
    assert facts["baseline_is_of"] == "training"
    errors = [abs(row["error"]) for row in facts["worst"]]
    assert errors == sorted(errors, reverse=True)
    assert {path.name for path in (tmp_path / "f").iterdir()} == {
        "largest_errors.png",
        "predicted_against_true.png",
        "residuals.png",
        "training_curves.png",
    }
    assert main(command[:5]) == 0
    out = capsys.readouterr().out
    assert "length in px is" in out
    assert "Largest errors" in out


def test_predict_writes_a_column_of_numbers(lengths, table, tmp_path, capsys):
    images = str(table).replace("fish.csv", "images")
    facts = read_facts(capsys, "predict", lengths, images, "--output", str(tmp_path / "a.csv"))
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()))
    assert set(rows[0]) == {"path", "predicted"}
    numbers = np.array([float(row["predicted"]) for row in rows])
    assert facts["mean"] == pytest.approx(numbers.mean(), abs=1e-5)
    assert 5 < facts["lowest"] <= facts["highest"] < 40


def test_numbers_have_no_probability(lengths, table, capsys):
    images = str(table).replace("fish.csv", "images")
    line = refuse(capsys, "predict", lengths, images, "--min-probability", "0.5")
    assert "--min-probability needs a model that gives probabilities" in line


def test_the_report_is_that_of_numbers(lengths, table, tmp_path, capsys):
    page = tmp_path / "report.html"
    command = ["report", lengths, table, "--target", "length in px", "--output", str(page), "--train", table]
    assert main([*command, "--no-maps"]) == 0
    assert "Predicted length in px of 60 test images" in page.read_text(encoding="utf-8")
    assert "--cv looks for wrong labels" in refuse(capsys, *command, "--cv", "3")


def test_two_models_of_numbers_are_compared(lengths, table, tmp_path, capsys):
    other = str(tmp_path / "other.fishsk")
    command = ["fit", table, "--target", "length in px", "--model", other, *QUICK]
    assert main([*command, "--set", "head__regressor__learning_rate=1e-6"]) == 0
    page = tmp_path / "page.html"
    command = ["compare", other, lengths, table, "--target", "length in px", "--output", str(page)]
    facts = read_facts(capsys, *command)
    assert facts["difference"] == pytest.approx(facts["mae_new"] - facts["mae_old"])
    assert facts["difference"] < 0
    text = page.read_text(encoding="utf-8")
    assert "other and lengths on 60 images" in text
    assert "Nearer to the truth" in text


def test_models_of_two_kinds_are_not_compared(lengths, model, table, capsys):
    line = refuse(capsys, "compare", str(model), lengths, table, "--target", "kind")
    assert "predicts classes" in line
    assert "numbers" in line


def test_tune_looks_for_the_highest_r2(table, tmp_path, capsys):
    model = tmp_path / "best.fishsk"
    command = ["tune", table, "--target", "length in px", "--trials", "2", "--cv", "2"]
    facts = read_facts(capsys, *command, "--model", str(model), "--output", str(tmp_path / "figures"))
    assert facts["best_score"] < 1
    assert all(name.startswith("head__regressor__") for name in facts["best_params"])
    assert model.is_file()


def test_tune_shuffles_the_rows_of_a_table_into_its_folds(table, tmp_path, monkeypatch):
    given = {}

    def record(*_, **options):
        given.update(options)
        raise ValueError("seen enough")

    monkeypatch.setattr("fishsk.search.OptunaSearchCV", record)
    command = ["tune", table, "--target", "length in px", "--cv", "3", "--seed", "7"]
    assert main([*command, "--model", str(tmp_path / "a.fishsk"), "--output", str(tmp_path)]) == 1
    assert (given["cv"].n_splits, given["cv"].shuffle, given["cv"].random_state) == (3, True, 7)


def test_a_column_of_text_is_one_of_classes(table, tmp_path, capsys):
    path = str(tmp_path / "kinds.fishsk")
    facts = read_facts(capsys, "fit", table, "--target", "kind", "--model", path, "--set", "head__epochs=2")
    assert facts["task"] == "classification"
    assert set(read_facts(capsys, "evaluate", path, table, "--target", "kind")["classes"]) == set(FISH_NAMES)


def test_numbers_are_classes_where_it_is_said(table, tmp_path, capsys):
    path = str(tmp_path / "numbered.fishsk")
    command = ["fit", table, "--target", "number", "--task", "classification", "--model", path]
    assert read_facts(capsys, *command, "--set", "head__epochs=2")["task"] == "classification"
    facts = read_facts(capsys, "evaluate", path, table, "--target", "number")
    assert facts["classes"] == ["0", "1", "2", "3", "4"]


def test_what_needs_classes_says_so(table, capsys):
    assert "needs classes" in refuse(capsys, "curve", table, "--target", "length in px")
    assert "pass --target with the column" in refuse(capsys, "check", table)


def test_a_source_that_does_not_suit_is_one_line(lengths, photos, table, capsys):
    assert "pass a table (CSV) and --target" in refuse(capsys, "evaluate", lengths, str(photos))
    assert "pass --target with the column" in refuse(capsys, "fit", table)
    assert "--target is a column of a table" in refuse(capsys, "fit", str(photos), "--target", "kind")
    assert "No such file or directory: 'nowhere.csv'" in refuse(capsys, "fit", "nowhere.csv", "--target", "a")
    assert "must have a column 'weight'" in refuse(capsys, "fit", table, "--target", "weight")
