"""Files found are files used and files told of; classes that a model does not know are told of, too."""

import json
import os
import unicodedata

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import make_fish_images

KINDS = {  # of files that are no photographs, by their endings
    ".heic": b"\0\0\0\x18ftypheic",
    ".txt": b"notes",
    ".json": b"{}",
    ".mp4": b"\0\0\0\x18ftypmp42",
    ".jpg.download": b"\xff\xd8\xff",
    "": b"no ending",
    ".jpg": b"\xff\xd8\xff\xe0 cut off",  # the rest cannot be read
    ".png": b"",
    ".gif": b"GIF89a",
    ".webp": b"RIFF\0\0\0\0WEBP",
}
ODD_NAMES = (".hidden.jpg", "\u00fcber.HEIC", "a b.tar.gz")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Return a folder of 48 photographs of four classes, of all endings, and 206 odd files among them."""
    folder = tmp_path_factory.mktemp("mixed")
    X, y = make_fish_images(48, random_state=1)
    endings = ("jpg", "png", "JPEG", "jfif", "jpe", "tif")
    for index, (image, label) in enumerate(zip(X, y % 4, strict=True)):
        path = folder / f"class {label}" / f"{index % 3}" / f"{index}.{endings[index % len(endings)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    for index in range(200):
        ending, content = list(KINDS.items())[index % len(KINDS)]
        (folder / f"class {index % 4}" / f"odd {index}{ending}").write_bytes(content)
    for name in ODD_NAMES:
        (folder / "class 0" / name).write_bytes(b"anything")
        (folder / name).write_bytes(b"anything")
    return folder


def run(capsys, *arguments):
    """Return the exit status of a command, and its facts."""
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def find_files(folder):
    return {os.path.join(place, name) for place, _, names in os.walk(folder) for name in names}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*(not looked at|cannot be read)")
def test_fault_62_files_found_are_files_used_and_files_told_of(mixed, tmp_path, capsys):
    found = find_files(mixed)
    assert len(found) == 254
    model = tmp_path / "m.fishsk"

    code, facts = run(capsys, "check", mixed, "--cv", "0", "--output", tmp_path / "c.html")
    unreadable = {
        image
        for issue in facts["issues"]
        if issue["kind"] == "unreadable"
        for each in issue["found"]
        for image in each["images"]
    }
    assert (code, facts["n_images"], len(unreadable)) == (1, 128, 80)
    assert len(found) == facts["n_images"] + len(facts["left_out"])
    assert "126 files were not looked at" in (tmp_path / "c.html").read_text(encoding="utf-8")

    fit = ("fit", mixed, "--skip-bad", "--model", model, "--set", "head__epochs=2")
    evaluate = ("evaluate", model, mixed, "--skip-bad")
    predict = ("predict", model, mixed, "--skip-bad", "--output", tmp_path / "p.csv")
    for command, number in ((fit, "n_images"), (evaluate, "n_test"), (predict, "n_images")):
        code, facts = run(capsys, *command)
        assert (code, facts[number]) == (0, 48)
        assert len(found) == 48 + len(facts["left_out"])
        assert found > set(facts["left_out"]) > unreadable


def rename(photos, folder, change):
    """Return a copy of a folder of classes whose names are changed."""
    for path in photos.glob("*/*"):
        target = folder / change(path.parent.name) / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    return folder


def test_fault_69_classes_that_the_model_does_not_know_are_named(model, photos, tmp_path, capsys):
    test = rename(photos, tmp_path / "test", lambda name: {"ray": "Ray"}.get(name, name))
    words = r"does not know \('Ray', \d+ images: is it 'ray'\?\)"
    with pytest.warns(UserWarning, match=words):
        code, facts = run(capsys, "evaluate", model, test)
    n_unknown = len(list((test / "Ray").iterdir()))
    assert code == 1
    assert facts["unknown_classes"] == {"Ray": n_unknown}
    assert facts["probabilities"]["n_known"] == facts["n_test"] - n_unknown
    with pytest.warns(UserWarning, match=words):
        assert main(["evaluate", str(model), str(test)]) == 1
    out = capsys.readouterr().out
    assert f"log loss {facts['probabilities']['log_loss']:.3f}" in out
    assert f"of the {facts['probabilities']['n_known']} images of known classes" in out


@pytest.mark.filterwarnings("ignore:.*does not know")
def test_fault_69_the_report_and_a_comparison_name_them_too(model, photos, tmp_path, capsys):
    test = rename(photos, tmp_path / "test", lambda name: {"ray": "Ray"}.get(name, name))
    page = tmp_path / "report.html"
    code, facts = run(capsys, "report", model, test, "--output", page, "--no-maps")
    assert (code, list(facts["unknown_classes"])) == (1, ["Ray"])
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert "The classifier does not know the class Ray" in text
    code, facts = run(capsys, "compare", model, model, test, "--output", tmp_path / "c.html")
    assert (code, list(facts["unknown_classes"])) == (1, ["Ray"])


def test_fault_68_names_of_another_unicode_form_are_the_same_classes(photos, tmp_path, capsys):
    def write(form):
        names = {"ray": "K\u00f6nigslachs", "shark": "\u00c5l"}
        return rename(
            photos, tmp_path / form, lambda name: unicodedata.normalize(form, names.get(name, name))
        )

    train, test = write("NFC"), write("NFD")
    assert sorted(map(len, os.listdir(train))) != sorted(map(len, os.listdir(test)))
    model = tmp_path / "m.fishsk"
    assert run(capsys, "fit", train, "--model", model, "--set", "head__epochs=2")[0] == 0
    (code, facts), (other_code, other_facts) = (
        run(capsys, "evaluate", model, each) for each in (train, test)
    )
    assert code == other_code == 0
    assert facts["accuracy"] == other_facts["accuracy"]
