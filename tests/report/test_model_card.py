"""Model cards: the figures of the report as Markdown, whatever the data say."""

import json
import re

import numpy as np
import pytest
import yaml
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from fishsk import VGG16FeatureTransformer, write_model_card, write_report
from fishsk.features import describe_parts
from fishsk.features._applications import Application
from fishsk.features._vgg16_network import resolve_weights
from fishsk.report import _report

PIXELS = {"image_shape": (8, 8), "input_range": (0, 255)}
HOSTILE = ("a|b", "`c` <script>\n- d", '"e": {{ 7 * 7 }}\n---')


@pytest.fixture(scope="module")
def data():
    """Return dark, gray and light images, training ones before test ones, and their classes."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(120) % 3)
    return np.clip(rng.normal(80 * y[:, np.newaxis] + 40, 60, (120, 64)), 0, 255), y


def write(data, folder, names=("cod", "eel", "ray"), **options):
    """Write the card of a classifier, and return its text and its front matter."""
    X, y = data[0], np.array(names)[data[1]]
    classifier = KNeighborsClassifier().fit(X[:60], y[:60])
    path = write_model_card(classifier, X[60:], y[60:], folder / "card.md", **PIXELS | options)
    text = path.read_text(encoding="utf-8")
    return classifier, text, yaml.safe_load(text.split("---\n")[1])


def test_the_front_matter_is_what_hugging_face_reads(data, tmp_path):
    classifier, _, front = write(data, tmp_path, license="mit", title='Tones: "three" & more')
    assert (front["license"], front["pipeline_tag"]) == ("mit", "image-classification")
    (model,) = front["model-index"]
    assert model["name"] == 'Tones: "three" & more'
    values = {each["type"]: each["value"] for each in model["results"][0]["metrics"]}
    accuracy = classifier.score(data[0][60:], np.array(["cod", "eel", "ray"])[data[1][60:]])
    assert values["accuracy"] == pytest.approx(accuracy, abs=1e-6)


def test_it_holds_what_a_stranger_has_to_know(data, tmp_path):
    X, y = data[0][:60], np.array(["cod", "eel", "ray"])[data[1][:60]]
    _, text, _ = write(data, tmp_path, X_train=X, y_train=y, intended_use="To sort *tones*.")
    titles = re.findall("^## (.*)", text, re.MULTILINE)
    assert titles == [
        "Intended use",
        "Data",
        "Metrics",
        "Confusion",
        "Calibration",
        "Limits",
        "Model",
    ]
    assert r"To sort \*tones\*." in text
    assert "60 test images, 60 training images" in text
    assert re.search(r"unlike all training images; of images like these, 5\.0", text)
    assert re.search(r"^\| \*\*cod\*\* \| \d+ \| \d+ \| \d+ \|$", text, re.MULTILINE)
    assert "KNeighborsClassifier()" in text


def test_without_training_images_it_says_that_nobody_looked(data, tmp_path):
    assert "Nobody looked for test images unlike those" in write(data, tmp_path)[1]


def test_what_the_data_say_is_text(data, tmp_path):
    _, text, front = write(data, tmp_path, names=HOSTILE)
    assert front["library_name"] == "fishsk"
    assert r"a\|b" in text
    assert r"\`c\` \<script\> - d" in text
    assert "<script" not in text.replace(r"\<", "")
    rows = re.findall(r"^\| \*\*.*", text, re.MULTILINE)
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [5, 5, 5]


def test_a_regressor_has_errors_in_its_own_unit(data, tmp_path):
    X, y = data[0], 10.0 * data[1]
    regressor = KNeighborsRegressor().fit(X[:60], y[:60])
    path = write_model_card(regressor, X[60:], y[60:], tmp_path / "card.md", target_name="grams", **PIXELS)
    text = path.read_text(encoding="utf-8")
    values = {
        each["type"]: each["value"]
        for each in yaml.safe_load(text.split("---\n")[1])["model-index"][0]["results"][0]["metrics"]
    }
    assert values["mae"] == pytest.approx(np.abs(regressor.predict(X[60:]) - y[60:]).mean(), rel=1e-4)
    assert "Predicted grams is" in text
    assert "Confusion" not in text


def test_report_and_card_are_made_of_one_gathering(data, tmp_path, monkeypatch):
    found = []
    gather = _report.gather_report
    monkeypatch.setattr(_report, "gather_report", lambda *a, **k: found.append(gather(*a, **k)) or found[-1])
    X, y = data
    classifier = KNeighborsClassifier().fit(X[:60], y[:60])
    page, card = tmp_path / "report.html", tmp_path / "card.md"
    write_report(classifier, X[60:], y[60:], page, card=card, explain=False, **PIXELS)
    assert len(found) == 1
    assert f"{100 * found[0]['summary']['accuracy']:.1f}" in card.read_text(encoding="utf-8")
    assert page.exists()


def test_networks_are_named_with_their_origin_and_license(data, tmp_path):
    (part,) = describe_parts(VGG16FeatureTransformer(weights="cifar95")).values()
    assert part["license"].startswith("BSD-3-Clause")
    assert json.dumps(part)


@pytest.mark.parametrize(
    ("weights", "license"),
    [
        (resolve_weights("imagenet"), "CC BY"),
        (resolve_weights(None), "none"),
        (Application("ResNet50", True), "that of their authors"),
        (Application("EfficientNetLite0", True), "Apache-2.0"),
    ],
    ids=["VGG16", "drawn", "Keras", "EfficientNet-Lite"],
)
def test_weights_name_their_license(weights, license):
    assert weights.license.startswith(license)


def test_tags_have_no_card_and_are_refused_before_any_work(data, tmp_path):
    X, tags = data[0], np.eye(3, dtype=int)[data[1]]
    classifier = KNeighborsClassifier().fit(X, tags)
    with pytest.raises(ValueError, match="predicts tags"):
        write_model_card(classifier, X, tags, tmp_path / "card.md", **PIXELS)
    assert not list(tmp_path.iterdir())
