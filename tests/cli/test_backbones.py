"""Commands with another network than VGG16."""

import sys

import keras
import pytest

from fishsk import KerasFeatureTransformer, load_pipeline, make_fish_pipeline
from fishsk.cli import main
from fishsk.cli._networks import list_candidates


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Return the files of two small networks."""
    folder = tmp_path_factory.mktemp("networks")
    for name, width in (("narrow", 4), ("wide", 8)):
        x = images = keras.Input((32, 32, 3))
        for number in range(2):
            drawn = keras.initializers.GlorotUniform(seed=number)
            x = keras.layers.Conv2D(
                width, 3, strides=2, activation="relu", kernel_initializer=drawn, name=f"map{number}"
            )(x)
        keras.Model(images, x).save(folder / f"{name}.keras")
    return [str(folder / f"{name}.keras") for name in ("narrow", "wide")]


def test_a_model_of_another_network_is_fitted_and_predicts(networks, photos, tmp_path, capsys):
    model, table = str(tmp_path / "model.fishsk"), str(tmp_path / "predictions.csv")
    command = ["fit", str(photos), "--backbone", networks[0], "--model", model, "--set", "head__epochs=2"]
    assert main(command) == 0
    assert load_pipeline(model)["features"].backbone == networks[0]
    assert main(["predict", model, str(photos / "ray"), "--output", table]) == 0
    assert main(["cache", "info"]) == 0
    assert "map1" in capsys.readouterr().out


def test_resize_keeps_the_proportions_of_photographs(networks, photos, tmp_path):
    model = str(tmp_path / "model.fishsk")
    command = ["fit", str(photos), "--backbone", networks[0], "--model", model, "--set", "head__epochs=1"]
    assert main([*command, "--resize", "pad"]) == 0
    assert load_pipeline(model)["features"].resize == "pad"


def test_tune_tries_networks_and_their_layers(networks, photos, tmp_path, capsys):
    model, folder = str(tmp_path / "model.fishsk"), str(tmp_path / "figures")
    command = ["tune", str(photos), "--backbone", *networks, "--trials", "3"]
    assert main([*command, "--cv", "5", "--model", model, "--output", folder]) == 0
    out = capsys.readouterr().out
    assert out.count("the last map") == 2
    assert out.count("map0, map1") == 2
    assert load_pipeline(model)["features"].backbone in networks


def test_vgg16_is_tried_beside_others_with_one_head_for_all(networks):
    pipelines = [make_fish_pipeline(weights="cifar95"), make_fish_pipeline(backbone=networks[0])]
    candidates = list_candidates(pipelines)
    assert [type(each).__name__ for each in candidates] == ["VGG16FeatureTransformer"] + 2 * [
        "KerasFeatureTransformer"
    ]


def test_without_its_weights_a_network_says_in_one_line_which_file_goes_where(
    photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    module = sys.modules[keras.applications.MobileNetV3Small.__module__]
    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", "http://127.0.0.1:9/")
    monkeypatch.setattr("fishsk._utils.downloads.TIMEOUT", 0.1)
    assert main(["fit", str(photos), "--backbone", "MobileNetV3Small"]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fishsk: error: ")]
    name = KerasFeatureTransformer(backbone="MobileNetV3Small")._backbone().description.download[0]
    assert len(error) == 1
    assert f"put the file at {str(tmp_path / 'models' / name)!r}" in error[0]


def test_a_typo_is_answered_with_the_nearest_names(photos, capsys):
    assert main(["fit", str(photos), "--backbone", "EfficientNetV2-B0"]) == 1
    assert "The nearest names are EfficientNetV2B0" in capsys.readouterr().err


def test_a_model_of_int8_is_fitted_and_predicts(networks, photos, tmp_path, capsys):
    pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'fishsk[int8]'")
    model = str(tmp_path / "model.fishsk")
    command = ["fit", str(photos), "--backbone", networks[0], "--precision", "int8", "--model", model]
    assert main([*command, "--set", "head__epochs=2"]) == 0
    assert load_pipeline(model)["features"].precision == "int8"
    assert main(["predict", model, str(photos / "ray"), "--output", "-"]) == 0
    assert main(["cache", "info"]) == 0
    assert "1 in int8" in capsys.readouterr().out


def test_without_openvino_int8_is_one_line(networks, photos, capsys, monkeypatch):
    monkeypatch.setattr("fishsk.features._int8.find_version", lambda name: None)
    assert main(["fit", str(photos), "--backbone", networks[0], "--precision", "int8"]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fishsk: error: ")]
    assert len(error) == 1
    assert 'pip install "fishsk[int8]"' in error[0]


def test_two_networks_stand_side_by_side(networks, photos, tmp_path, capsys):
    model = str(tmp_path / "model.fishsk")
    command = ["fit", str(photos), "--backbone", networks[0], "--backbone", "vgg16", "--model", model]
    assert main([*command, "--set", "head__epochs=2", "--set", "features__pooling=avg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if line.startswith("Network:"))
    second = lines[lines.index(first) + 1]
    assert first == f"Network:     narrow, 32 x 32 pixels, weights: those in {networks[0]}"
    assert second.startswith("             VGG16, 32 x 32 pixels, weights: cifar95, shipped with fishsk")
    features = load_pipeline(model)["features"]
    assert [part.pooling for _, part in features.transformer_list] == ["avg", "avg"]
    picture = str(tmp_path / "similar.png")
    assert (
        main(
            ["similar", str(next(photos.rglob("*.png"))), str(photos), "--model", model, "--output", picture]
        )
        == 0
    )


def test_tune_tries_networks_beside_another(networks, photos, tmp_path, capsys):
    model, folder = str(tmp_path / "model.fishsk"), str(tmp_path / "figures")
    command = ["tune", str(photos), "--backbone", *networks, "--backbone", "vgg16.cifar95"]
    assert main([*command, "--trials", "2", "--cv", "5", "--model", model, "--output", folder]) == 0
    out = capsys.readouterr().out
    assert "narrow + VGG16" in out
    assert "wide + VGG16" in out
    assert list(load_pipeline(model)["features"].named_transformers)[1] == "vgg16"
