"""``next``: a page to label images on, whose table ``fit`` takes; and tables, and what is set apart."""

import csv
import json
import re
import shutil

import pytest
from PIL import Image

from fishsk.cli import main
from fishsk.datasets import make_fish_images


@pytest.fixture
def new(photos, tmp_path):
    """Return a folder of images without labels, one of them labeled in `photos`, and one that is broken."""
    folder = tmp_path / "new, unlabeled"
    folder.mkdir()
    for index, image in enumerate(make_fish_images(30, random_state=1)[0]):
        Image.fromarray(image).save(folder / f"{index}.png")
    shutil.copy(
        photos / "ray" / sorted(path.name for path in (photos / "ray").iterdir())[0], folder / "copy.png"
    )
    (folder / "broken.png").write_bytes(b"broken")
    return folder


@pytest.fixture
def run(model, new, tmp_path):
    """Return a function that runs ``next`` on these images, and returns the file that it wrote."""

    def run(*options, name="next.html"):
        target = tmp_path / name
        command = ["next", str(new), "--model", str(model), "--n", "6", "--output", str(target), *options]
        with pytest.warns(UserWarning, match="1 of 32 images cannot be read"):
            assert main(command) == 0
        return target

    return run


def test_a_table_has_the_images_worth_a_label_and_room_for_it(run, new):
    rows = list(csv.DictReader(run(name="next.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 6
    assert [row["label"] for row in rows] == [""] * 6
    assert all(row["path"].startswith(str(new)) for row in rows)
    assert all(re.fullmatch(r"\w+ 0\.\d\d or \w+ 0\.\d\d", row["reason"]) for row in rows)
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_what_is_set_apart_is_in_both_kinds_of_json(run, new, photos, capsys):
    capsys.readouterr()
    written = json.loads(run("--train", str(photos), "--json", name="next.json").read_text(encoding="utf-8"))
    printed = json.loads(capsys.readouterr().out)
    assert written["suggested"] == printed["suggested"]
    assert list(written["apart"]["unreadable"]) == [str(new / "broken.png")]
    assert written["apart"]["duplicate"][str(new / "copy.png")].startswith("equal to labeled ")
    assert not {str(new / "broken.png"), str(new / "copy.png")} & {
        row["path"] for row in written["suggested"]
    }


def test_known_files_are_read_once_and_decoded_only_where_they_are_shown_or_compared(
    run, photos, new, counts
):
    run("--train", str(photos), name="next.csv")
    for counter in counts:
        counter.clear()
    run("--train", str(photos), name="again.csv")
    reads, decodes = counts
    n_known = 60 + 31
    assert len(reads) == n_known + 1
    assert sum(count == 1 for path, count in reads.items() if path not in decodes) == n_known + 1 - len(
        decodes
    )
    assert len(decodes) <= 9 + 9 * 3  # one and a half times as many as are wanted, with their neighbors


@pytest.fixture
def page(run, photos):
    """Return the page in a browser, and in the end it must have been silent and alone."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright (pip install playwright)"
    )
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    written, messages, requests = run("--train", str(photos)), [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(written.as_uri())
        yield page
        browser.close()
    assert messages == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []


def save(page, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save labels.csv").click()
    assert download.value.suggested_filename == "labels.csv"
    download.value.save_as(tmp_path / "labels.csv")
    return tmp_path / "labels.csv"


def test_labels_given_by_keys_are_a_table_that_fit_takes(page, photos, tmp_path, capsys):
    for key in "12345":
        page.keyboard.press(key)
    table = save(page, tmp_path)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 60 + 5
    assert [row["label"] for row in rows[60:]] == ["aquarium_fish", "flatfish", "ray", "shark", "trout"]
    command = ["fit", str(table), "--target", "label", "--task", "classification", "--backbone", "vgg16"]
    end = ["--set", "head__epochs=1", "--model", str(tmp_path / "m.fishsk"), "--json"]
    capsys.readouterr()
    assert main([*command, *end]) == 0
    assert json.loads(capsys.readouterr().out)["n_images"] == 65
    again = ["next", str(photos), "--train", str(table), "--model", str(tmp_path / "m.fishsk")]
    assert main([*again, "--output", str(tmp_path / "again.csv")]) == 1  # all of these are labeled
    assert "All 60 are set apart" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["."], "must hold images"),
        (["a.png", "--n", "0"], "--n must be at least 1"),
        (["a.png", "--output", "next.txt"], "must end in .html, .htm, .csv or .json"),
        (["a.png", "--train", "nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert main(["next", *arguments]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("fishsk: error: ")
    assert message in line
