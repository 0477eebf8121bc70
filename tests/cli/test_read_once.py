"""How often commands read and decode a photograph."""

import json

import numpy as np
import pytest
from PIL import Image

from fishsk import VGG16FeatureTransformer
from fishsk._utils.reading import read_once
from fishsk.cli import main
from fishsk.cli._main import build_parser
from fishsk.cli._networks import make_pipeline
from fishsk.features._recipes import BACKBONES


@pytest.fixture
def new(tmp_path):
    """Return a folder of images that no command has seen."""
    folder = tmp_path / "new"
    folder.mkdir()
    for index in range(12):
        noise = np.random.default_rng(index).integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.png")
    return folder


def test_predict_reads_a_file_once_and_decodes_none_that_is_known(model, new, tmp_path, counts):
    command = ["predict", str(model), str(new), "--output", str(tmp_path / "answers.csv")]
    paths = [str(path) for path in new.iterdir()]
    assert main(command) == 0
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))
    for counter in counts:
        counter.clear()
    answers = (tmp_path / "answers.csv").read_bytes()
    (tmp_path / "answers.csv").unlink()
    assert main(command) == 0
    assert counts == (dict.fromkeys(paths, 1), {})
    assert (tmp_path / "answers.csv").read_bytes() == answers


def test_what_predict_compares_with_is_read_once_too(model, photos, new, tmp_path, counts):
    command = ["predict", str(model), str(new), "--train", str(photos)]
    assert main([*command, "--output", str(tmp_path / "answers.csv")]) == 0
    reads, _ = counts
    assert set(reads.values()) == {1}
    assert len(reads) == 72


def test_the_first_fit_of_a_folder_reads_and_decodes_each_file_once(photos, tmp_path, counts):
    networks = ["--backbone", "vgg16", "--backbone", "vgg16", "--set", "features__vgg16_2__image_size=48"]
    model = ["--model", str(tmp_path / "m.fishsk"), "--set", "head__epochs=1"]
    assert main(["fit", str(photos), *networks, *model]) == 0
    paths = [str(path) for path in photos.rglob("*.png")]
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))


def test_a_look_at_the_sides_of_small_files_reads_them_for_what_comes_after(photos, counts, monkeypatch):
    monkeypatch.setattr("fishsk.features.BACKBONES", BACKBONES)
    paths = [str(path) for path in photos.rglob("*.png")]
    with read_once():
        make_pipeline(build_parser().parse_args(["fit", str(photos)]), paths)
        VGG16FeatureTransformer(weights="cifar95").transform(paths)
    assert counts[0] == dict.fromkeys(paths, 1)


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_what_answers_of_a_folder_reads_and_decodes_each_file_once(model, photos, tmp_path, counts, command):
    arguments = {
        "evaluate": ["evaluate", str(model), str(photos)],
        "compare": ["compare", *[str(model)] * 2, str(photos), "--output", str(tmp_path / "page.html")],
    }[command]
    paths = [str(path) for path in photos.rglob("*.png")]
    assert main(arguments) == 0
    assert counts == (dict.fromkeys(paths, 1), dict.fromkeys(paths, 1))
    for counter in counts:
        counter.clear()
    assert main(arguments) == 0
    assert counts == (dict.fromkeys(paths, 1), {})


def test_similar_decodes_of_known_files_only_those_that_it_shows(photos, tmp_path, counts):
    query = next(photos.rglob("*.png"))
    command = ["similar", str(query), str(photos), "--top", "3", "--output", str(tmp_path / "s.png")]
    assert main(command) == 0
    for counter in counts:
        counter.clear()
    assert main(command) == 0
    reads, decodes = counts
    assert len(decodes) == 4
    assert set(decodes.values()) == {1}
    assert set(reads) == {str(path) for path in photos.rglob("*.png")}
    assert {path for path, count in reads.items() if count > 1} == set(decodes)


def test_check_reads_known_files_once_to_measure_them(photos, tmp_path, counts):
    command = ["check", str(photos), "--cv", "0", "--min-images", "1", "--output", str(tmp_path / "c.html")]
    assert main(command) == 0
    for counter in counts:
        counter.clear()
    assert main(command) == 0
    reads, decodes = counts
    assert reads == decodes  # twice those that may be near-duplicates, and none to be hashed
    assert set(reads) == {str(path) for path in photos.rglob("*.png")}


@pytest.mark.parametrize("command", ["fit", "evaluate"])
def test_bad_files_of_a_table_are_named_by_their_rows(model, photos, tmp_path, capsys, command):
    paths = sorted(photos.rglob("*.png"))
    rows = ["path,kind", *(f"{path},{path.parent.name}" for path in paths)]
    (tmp_path / "cut.png").write_bytes(paths[0].read_bytes()[:60])
    table = tmp_path / "photos.csv"
    table.write_text("\n".join([*rows, "cut.png,ray", "missing.png,ray"]), encoding="utf-8")
    end = ["--model", str(tmp_path / "m.fishsk"), "--set", "head__epochs=1"] if command == "fit" else []
    start = [command] if command == "fit" else [command, str(model)]
    words = (r"row 63, column 'path': .*missing\.png", r"61 images cannot be read:\nrow 62: '.*cut\.png'")
    with pytest.warns(UserWarning, match=words[0]), pytest.warns(UserWarning, match=words[1]):
        assert main([*start, str(table), "--target", "kind", *end, "--skip-bad", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["left_out"]) == {"row 62", "row 63"}
    assert facts["n_images" if command == "fit" else "n_test"] == 60
