"""``sort``: copies or links in class folders, nothing overwritten, nothing done twice."""

import csv
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.cli.commands import sort as module
from fishsk.datasets import make_fish_images


@pytest.fixture
def new(tmp_path):
    """Return a folder of images without labels, two of them of one name."""
    folder = tmp_path / "new"
    for index, image in enumerate(make_fish_images(12, random_state=1)[0]):
        path = folder / str(index % 2) / f"{index // 4}.{'png' if index % 4 < 2 else 'bmp'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture
def run(model, new, tmp_path, capsys):
    """Return a function that sorts these images, and returns the facts and the rows of the table."""

    def run(*options):
        capsys.readouterr()
        output = tmp_path / "sorted"
        command = ["sort", str(new), "--model", str(model), "--output", str(output), "--json", *options]
        assert main(command) == 0
        text = (tmp_path / "sorted.csv").read_text(encoding="utf-8")
        return json.loads(capsys.readouterr().out), list(csv.DictReader(text.splitlines()))

    return run


def list_files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_each_image_is_copied_to_the_folder_of_its_class_or_of_the_unsure(run, new, tmp_path):
    before = list_files(new)
    facts, rows = run("--min-probability", "0.3")
    assert facts["n_sorted"] == len(rows) == 12
    assert list_files(new) == before
    for row in rows:
        folder = "unsure" if float(row["probability"]) < 0.3 else row["predicted"]
        assert row["file"].startswith(f"sorted/{folder}/")
        assert (tmp_path / row["file"]).read_bytes() == Path(row["path"]).read_bytes()
    assert len({row["file"] for row in rows}) == len(list_files(tmp_path / "sorted")) == 12
    assert facts["counts"].get("unsure", 0) == sum(float(row["probability"]) < 0.3 for row in rows)


def test_of_one_name_the_second_gets_a_number(run, tmp_path):
    _, rows = run("--min-probability", "1")
    names = sorted(os.path.basename(row["file"]) for row in rows)
    assert names == sorted(
        f"{i}{end}.{kind}" for i in range(3) for end in ("", "_2") for kind in ("png", "bmp")
    )
    (tmp_path / "sorted" / "unsure" / "0.png").write_bytes(b"mine")
    (tmp_path / "sorted.csv").unlink()
    run("--min-probability", "1")
    assert (tmp_path / "sorted" / "unsure" / "0.png").read_bytes() == b"mine"


def test_links_take_no_space(run, tmp_path):
    _, rows = run("--link")
    assert all(os.path.samefile(tmp_path / row["file"], row["path"]) for row in rows)


def test_a_second_run_does_nothing_for_what_is_done(run, new, tmp_path, counts):
    _, rows = run()
    moved = tmp_path / rows[0]["file"]
    moved.unlink()  # by its owner, who knows better
    for counter in counts:
        counter.clear()
    facts, again = run()
    assert (facts["n_sorted"], facts["n_before"]) == (0, 12)
    assert again == rows
    assert not moved.exists()
    assert counts == ({}, {})
    Image.new("RGB", (32, 32)).save(new / "late.png")
    facts, again = run()
    assert (facts["n_sorted"], len(again)) == (1, 13)
    (new / "broken.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="1 of 1 images cannot be read"):
        facts, again = run("--skip-bad")
    assert (facts["n_sorted"], list(facts["left_out"])) == (0, [str(new / "broken.png")])


def test_a_run_that_was_killed_between_a_file_and_its_row_goes_on_from_there(run, tmp_path):
    _, rows = run()
    files = list_files(tmp_path / "sorted")
    table = tmp_path / "sorted.csv"
    table.write_text("".join(table.read_text(encoding="utf-8").splitlines(True)[:6])[:-9], encoding="utf-8")
    facts, again = run()
    assert facts["n_sorted"] == 8  # the row that was cut, and seven after it
    assert list_files(tmp_path / "sorted") == files
    assert sorted(row["file"] for row in again) == sorted(row["file"] for row in rows)


def test_no_class_makes_a_folder_that_a_system_refuses():
    labels = ["a/b", "..", "", "CON", "nul.x", "Ray", "ray", ".hidden", "ends. ", "Unsure", "x" * 300, "a:b"]
    folders = module._name_folders(labels)
    names = [folders[label] for label in labels]
    assert names[:5] == ["a_b", "_", "__2", "_CON", "_nul.x"]
    assert names[5:8] == ["Ray", "ray_2", "_.hidden"]
    assert names[8:10] == ["ends", "Unsure_2"]
    assert len(names[10]) <= 60
    assert names[11] == "a_b_2"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-probability", "2"], "--min-probability must be in 0 to 1"),
        (["--output", "new/sorted"], "must not lie in a folder of images to sort"),
        (["--output", "other"], "must be a table that sort wrote"),
    ],
)
def test_what_is_wrong_is_one_line(new, model, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["sort", "new", "--model", str(model), *options]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert message in line
