"""Models that other programs made, and what is said of their training."""

import csv
import json
import shutil

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from fishsk import KerasHeadClassifier, VGG16FeatureTransformer, save_pipeline
from fishsk.cli import main
from fishsk.datasets import load_image_folder


def fit_with_other_names(folder, labels, path):
    """Save a pipeline whose steps are named by scikit-learn."""
    images, target = load_image_folder(folder, return_X_y=True)
    features = VGG16FeatureTransformer(weights=None, layers=["block1_pool"], image_size=32)
    head = KerasHeadClassifier(hidden_units=0, epochs=2, validation_fraction=0, random_state=0)
    pipeline = make_pipeline(features, head).fit(images, np.asarray(labels)[target])
    save_pipeline(pipeline, path)
    return path


@pytest.fixture(scope="module")
def foreign(photos, tmp_path_factory):
    names = np.array(sorted(path.name for path in photos.iterdir()), dtype=object)  # as a pandas column
    return fit_with_other_names(photos, names, tmp_path_factory.mktemp("foreign") / "a.fishsk")


def test_steps_may_have_any_name(foreign, photos, tmp_path):
    assert main(["predict", str(foreign), str(photos), "--output", str(tmp_path / "a.csv")]) == 0
    assert len((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()) == 61


def test_labels_may_be_of_dtype_object(foreign, photos, capsys):
    assert main(["evaluate", str(foreign), str(photos), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_test"] == 60


def test_folders_are_named_after_labels_that_are_no_text(photos, tmp_path, capsys):
    numbered = tmp_path / "numbered"
    for number, folder in enumerate(sorted(photos.iterdir())):
        (numbered / str(number)).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:4]:
            (numbered / str(number) / image.name).write_bytes(image.read_bytes())
    model = fit_with_other_names(numbered, range(5), tmp_path / "a.fishsk")
    capsys.readouterr()
    assert main(["evaluate", str(model), str(numbered), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["classes"] == [0, 1, 2, 3, 4]
    assert main(["evaluate", str(model), str(photos)]) == 1
    assert "must be named after the model's classes" in capsys.readouterr().err


def test_accuracy_on_the_images_trained_on_is_called_so(photos, tmp_path, capsys):
    for kind in ("ray", "shark"):  # too few images for folds
        (tmp_path / "photos" / kind).mkdir(parents=True)
        shutil.copy(next((photos / kind).iterdir()), tmp_path / "photos" / kind)
    command = [
        "fit",
        str(tmp_path / "photos"),
        "--model",
        str(tmp_path / "a.fishsk"),
        "--set",
        "head__epochs=1",
    ]
    assert main([*command, "--set", "head__validation_fraction=0", "--json"]) == 0
    shown = capsys.readouterr()
    facts = json.loads(shown.out)
    assert "on the images trained on" in shown.err
    assert facts["validation_accuracy"] is None
    assert "cross_validation_accuracy" not in facts
    assert 0 <= facts["training_accuracy"] <= 1


def test_json_on_standard_output_holds_the_predictions(model, photos, capsys):
    assert main(["predict", str(model), str(photos), "--output", "-", "--json"]) == 0
    predictions = json.loads(capsys.readouterr().out)["predictions"]
    assert len(predictions) == 60
    assert set(predictions[0]) > {"path", "predicted", "probability", "p_ray"}


def test_predict_can_leave_out_bad_files(model, photos, tmp_path, capsys):
    image = next(photos.rglob("*.png"))
    (tmp_path / "bad.png").write_bytes(b"")
    target = tmp_path / "answers.csv"
    command = ["predict", str(model), str(image), str(tmp_path / "bad.png"), "--output", str(target)]
    assert main(command) == 1
    assert not target.exists()
    with pytest.warns(UserWarning, match=r"bad\.png"):
        assert main([*command, "--skip-bad"]) == 0
    rows = list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))
    assert [row["path"] for row in rows] == [str(image)]


def read(target):
    return list(csv.DictReader(target.read_text(encoding="utf-8").splitlines()))


def test_below_a_probability_predict_is_unsure(model, photos, tmp_path, capsys):
    target = tmp_path / "answers.csv"
    command = ["predict", str(model), str(photos), "--output", str(target), "--json"]
    assert main(command) == 0
    least = float(np.median([float(row["probability"]) for row in read(target)]))
    capsys.readouterr()
    assert main([*command, "--min-probability", str(least)]) == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    rows = read(target)
    unsure = [row for row in rows if row["predicted"] == "unsure"]
    assert 0 < len(unsure) == counts["unsure"] < len(rows) == sum(counts.values())
    assert all((float(row["probability"]) < least) == (row["predicted"] == "unsure") for row in rows)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv"]


def test_what_cannot_be_unsure_is_one_line(model, photos, tmp_path, capsys):
    target = tmp_path / "answers.csv"
    assert main(["predict", str(model), str(photos), "--output", str(target), "--min-probability", "80"]) == 1
    assert "--min-probability must be in 0 to 1. Got 80" in capsys.readouterr().err
    silent = make_pipeline(VGG16FeatureTransformer(weights="cifar95"), KerasHeadClassifier(epochs=1))
    images, target = load_image_folder(photos, return_X_y=True)
    names = np.array(["unsure", "b", "c", "d", "e"])[target]
    save_pipeline(silent.fit(images, names), tmp_path / "a.fishsk")
    assert main(["predict", str(tmp_path / "a.fishsk"), str(photos), "--min-probability", "0.5"]) == 1
    assert "which is a class of this model" in capsys.readouterr().err


def test_predict_flags_what_is_unlike_the_training_images(model, photos, tmp_path, rng, capsys):
    from PIL import Image

    noise = tmp_path / "noise.png"
    Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(noise)
    image, target = next(photos.rglob("*.png")), tmp_path / "answers.csv"
    command = ["predict", str(model), str(noise), str(image), "--output", str(target), "--train", str(photos)]
    assert main(command) == 0
    assert [row["unfamiliar"] for row in read(target)] == ["True", "False"]
    assert "1 of 2 images are unlike all of" in capsys.readouterr().out
    assert main([*command, "--false-alarms", "0.001", "--json"]) == 1
    assert "at least 999 different images" in capsys.readouterr().err
    assert main(["predict", str(model), str(image), "--output", "-", "--false-alarms", "0.1"]) == 1
    assert "pass --train FOLDER" in capsys.readouterr().err
