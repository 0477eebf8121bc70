"""Tags and boxes on the command line, from a table to a report."""

import csv
import json

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import make_fish_images

FIT = ["--weights", "cifar95", "--set", "head__epochs=2"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with tables of tags and of boxes, and a model of tags."""
    folder = tmp_path_factory.mktemp("tags")
    images, kinds = make_fish_images(40, random_state=0)
    tags, columns, boxes = (
        [["path", "tags"]],
        [["path", "flat", "long"]],
        [["path", "kind", "x", "y", "width", "height"]],
    )
    for index, (image, kind) in enumerate(zip(images, kinds.tolist(), strict=True)):
        Image.fromarray(image).save(folder / f"{index}.png")
        flat, long = kind in (1, 2), kind in (2, 3, 4)
        tags.append([f"{index}.png", ";".join(["flat"] * flat + ["long"] * long)])
        columns.append([f"{index}.png", int(flat), int(long)])
        boxes += [
            [f"{index}.png", f"kind {kind}", 0, 0, 16, 16],
            [f"{index}.png", f"kind {kind}", 8, 8, 24, 24],
        ]
    for name, rows in {"tags": tags, "columns": columns, "boxes": boxes}.items():
        with open(folder / f"{name}.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
    assert (
        main(["fit", str(folder / "tags.csv"), "--target", "tags", "--model", str(folder / "m.fishsk"), *FIT])
        == 0
    )
    return folder


def run(capsys, *command):
    """Return what a command says to machines."""
    code = main([*map(str, command), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_fit_tells_a_threshold_for_each_tag(folder, tmp_path, capsys):
    targets = ["--target", "flat", "--target", "long"]
    found = run(capsys, "fit", folder / "columns.csv", *targets, "--model", tmp_path / "m.fishsk", *FIT)
    assert found["task"] == "tags"
    assert [*found["thresholds"]] == ["flat", "long"]
    assert 0 <= found["cross_validation_f1_macro"] <= 1


def test_evaluate_tells_the_scores_of_each_tag(folder, tmp_path, capsys):
    found = run(
        capsys, "evaluate", folder / "m.fishsk", folder / "tags.csv", "--target", "tags", "--output", tmp_path
    )
    assert [tag["name"] for tag in found["tags"]] == ["flat", "long"]
    assert {"precision", "recall", "recall_interval", "average_precision", "threshold"} <= found["tags"][
        0
    ].keys()
    assert (tmp_path / "tags.png").exists()


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_writes_tags_and_a_probability_of_each(folder, tmp_path, capsys, ending):
    target = tmp_path / f"answers.{ending}"
    counts = run(capsys, "predict", folder / "m.fishsk", folder / "tags.csv", "--output", target)["counts"]
    if ending == "csv":
        with open(target, newline="") as file:
            rows = list(csv.DictReader(file))
    else:
        rows = pytest.importorskip("pandas").read_parquet(target).to_dict("records")
    assert [*rows[0]] == ["path", "predicted", "p_flat", "p_long"]
    assert sum("flat" in row["predicted"].split(";") for row in rows) == counts["flat"]


def test_the_report_shows_each_tag(folder, tmp_path, capsys):
    page = tmp_path / "r.html"
    run(capsys, "report", folder / "m.fishsk", folder / "tags.csv", "--target", "tags", "--output", page)
    text = page.read_text(encoding="utf-8")
    for words in (
        "Mean average precision",
        "Threshold",
        "Images with a wrong tag",
        '<th scope="row">flat</th>',
    ):
        assert words in text


def test_tags_that_the_model_does_not_know_are_told_and_end_with_1(folder, tmp_path, capsys):
    table = folder / "other.csv"
    table.write_text("path,tags\n0.png,flat;new\n1.png,\n")
    with pytest.warns(UserWarning, match=r"tags that the model does not know \('new', 1 images\)"):
        assert main(["evaluate", str(folder / "m.fishsk"), str(table), "--target", "tags", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["unknown_classes"] == {"new": 1}


@pytest.mark.parametrize("command", ["compare {m} {m} {t}", "curve {t}", "check {t}"])
def test_what_is_for_classes_refuses_tags(folder, capsys, command):
    words = command.format(m=folder / "m.fishsk", t=folder / "tags.csv").split()
    assert main([*words, "--target", "tags"]) == 1
    assert "tags" in capsys.readouterr().err


def test_boxes_are_learned_and_predicted_from_a_table(folder, tmp_path, capsys):
    model = tmp_path / "boxes.fishsk"
    found = run(capsys, "fit", folder / "boxes.csv", "--target", "kind", "--model", model, *FIT)
    assert found["n_images"] == 80
    target = tmp_path / "answers.csv"
    run(capsys, "predict", model, folder / "boxes.csv", "--output", target)
    assert "0.png#xywh=8,8,24,24" in target.read_text()


def test_a_box_outside_of_its_image_is_told_by_its_row(folder, capsys):
    table = folder / "outside.csv"
    table.write_text("path,kind,x,y,width,height\n0.png,a,0,0,9,9\n1.png,b,9,9,9,90\n")
    assert main(["fit", str(table), "--target", "kind", *FIT]) == 1
    assert "row 3: " in (told := capsys.readouterr().err)
    assert "the box must lie in the image, 32 x 32 pixels" in told


def test_check_takes_a_table_of_boxes(folder, tmp_path, capsys):
    page = tmp_path / "check.html"
    command = ["check", folder / "boxes.csv", "--target", "kind", "--cv", "0", "--fail-on", "never"]
    found = run(capsys, *command, "--weights", "cifar95", "--output", page)
    assert found["n_images"] == 80
