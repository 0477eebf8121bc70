"""The page to label images on: what it holds, that no other script may run on it, and in a browser."""

import base64
import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from test_report import HOSTILE, NAMES, Page, make_images
from test_report_browser import DESKTOP, PHONE, SWITCHES

from fishsk.inspection import LabelSuggestions
from fishsk.report import write_suggestions

AWKWARD = ('a "quoted", file.png', "ünïcode.png", "plain.png")  # and a comma


def write(folder, names=NAMES, **options):
    """Write a page of three suggestions and one image that is unlike the labeled ones."""
    paths = [folder / name for name in (*AWKWARD, "strange.png", "copy.png")]
    for image, path in zip(make_images(np.random.default_rng(0), 5)[0], paths, strict=True):
        Image.fromarray(image).save(path)
    found = LabelSuggestions(
        rows=np.array([2, 0, 1]),
        guess=np.array([*names, *names])[:5],
        probability=np.full(5, 0.4),
        score=np.array([0.9, 0.8, 0.7]),
        reason=[f"{names[0]} 0.40 or {names[1]} 0.39"] * 3,
        duplicate={4: "equal to plain.png"},
        unfamiliar={3: "unlike all labeled images"},
        unreadable={5: "broken.png is no readable image"},
    )
    labeled = [(str(folder / "before.png"), names[0])]
    options = {"classes": names, "labeled": labeled} | options
    return write_suggestions(found, [str(path) for path in paths], folder / "next.html", **options)


def test_it_shows_suggestions_first_then_what_is_strange_and_names_what_is_apart(tmp_path):
    page = Page(write(tmp_path))
    cards = [card for card in page.find("button") if card.get("class") == "card"]
    names = ("plain.png", AWKWARD[0], AWKWARD[1], "strange.png")
    assert [card["data-path"] for card in cards] == [str(tmp_path / name) for name in names]
    assert [each["id"] for each in page.find("section")] == ["label", "suggested", "unfamiliar", "apart"]
    assert "equal to plain.png" in page.text
    assert "broken.png is no readable image" in page.text
    (save,) = (each for each in page.find("button") if each.get("id") == "save")
    assert json.loads(save["data-labeled"]) == [[str(tmp_path / "before.png"), NAMES[0]]]


def test_a_page_may_have_nothing_but_suggestions_or_nothing_at_all(tmp_path):
    images = make_images(np.random.default_rng(0), 3)[0]
    none = {"duplicate": {}, "unfamiliar": {}}
    for n_found, ids in ((3, ["label", "suggested"]), (0, ["label", "suggested"])):
        found = LabelSuggestions(
            np.arange(n_found), np.array(NAMES), np.ones(3), np.ones(n_found), ["unsure"] * n_found, **none
        )
        page = Page(write_suggestions(found, images, tmp_path / "next.html", classes=NAMES))
        assert [each["id"] for each in page.find("section")] == ids
    assert "There is nothing to label." in page.text


def test_only_its_own_script_may_run_and_names_stay_text(tmp_path):
    (tmp_path / "plain").mkdir()
    plain, hostile = Page(write(tmp_path / "plain")), Page(write(tmp_path, HOSTILE, title=HOSTILE[1]))
    tags = [[tag for tag, _ in page.elements if tag != "wbr"] for page in (plain, hostile)]
    assert tags[0] == tags[1]
    text = (tmp_path / "next.html").read_text(encoding="utf-8")
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (each["content"] for each in hostile.find("meta") if "http-equiv" in each)
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    )


playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
CHROMIUM = shutil.which("chromium")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def open_next(chromium, tmp_path):
    """Return a function that opens the page; it asserts in the end that all was silent and alone."""
    messages, requests, contexts = [], [], []

    def open_next(names=NAMES, viewport=DESKTOP, **options):
        contexts.append(chromium.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(write(tmp_path, names).as_uri())
        return page

    yield open_next
    for context in contexts:
        context.close()
    assert messages == []
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}


def save(page, tmp_path):
    with page.expect_download() as download:
        page.locator("#save").click()
    download.value.save_as(tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def read_given(page):
    return page.locator(".card .given").all_inner_texts()


@in_browser
def test_keys_label_skip_move_and_take_back(open_next, tmp_path):
    page = open_next()
    status, place = page.locator("#status"), page.locator("#place")
    page.keyboard.press("2")
    assert status.inner_text().startswith(f"Image 1 is {NAMES[1]}. 1 labeled. Image 2 of 4: ")
    page.keyboard.press("0")
    page.keyboard.press("3")
    assert read_given(page) == [NAMES[1], "no label", NAMES[2], "no label"]
    page.keyboard.press("u")
    assert read_given(page)[2] == "no label"
    assert place.inner_text() == "Image 3 of 4"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert place.inner_text() == "Image 1 of 4"
    assert page.locator("#classes [aria-pressed=true]").inner_text().endswith(NAMES[1])
    page.keyboard.press("ArrowRight")
    assert place.inner_text() == "Image 2 of 4"
    page.keyboard.press("9")  # there is no ninth class
    page.keyboard.press("Control+1")
    assert read_given(page) == [NAMES[1], "no label", "no label", "no label"]


@in_browser
def test_the_table_has_the_labels_after_those_of_before_and_quotes_what_needs_it(open_next, tmp_path):
    page = open_next(HOSTILE)
    for key in "123":
        page.keyboard.press(key)
    rows = save(page, tmp_path)
    names = ("before.png", "plain.png", AWKWARD[0], AWKWARD[1])
    labels = (HOSTILE[0], *HOSTILE)
    assert rows == [
        ["path", "label"],
        *([str(tmp_path / n), lb] for n, lb in zip(names, labels, strict=True)),
    ]
    page.locator("#whole").uncheck()
    assert len(save(page, tmp_path)) == 4
    assert page.evaluate("window.pwned") is None


@in_browser
def test_a_class_that_is_missing_is_added_with_a_key_of_its_own(open_next, tmp_path):
    page = open_next()
    page.locator("#another").fill("eel 1")  # whose digit labels nothing
    page.keyboard.press("Enter")
    page.locator("h1").click()
    page.keyboard.press("4")
    page.locator("#keys").uncheck()
    page.keyboard.press("1")
    assert read_given(page) == ["eel 1", "no label", "no label", "no label"]
    page.get_by_role("button", name=NAMES[0]).click()
    assert read_given(page)[:2] == ["eel 1", NAMES[0]]


@in_browser
def test_labels_outlive_the_page(open_next):
    page = open_next()
    page.keyboard.press("1")
    page.reload()
    assert read_given(page)[0] == NAMES[0]
    assert page.locator("#place").inner_text() == "Image 2 of 4"
    assert page.locator("#status").inner_text() == "1 labels of before are here."


@in_browser
def test_an_image_of_the_list_is_chosen_and_the_focus_goes_where_it_is_shown(open_next):
    page = open_next()
    page.locator(".card").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "place"
    assert page.locator("#place").inner_text() == "Image 4 of 4"
    assert page.locator(".card[aria-current]").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_fits_the_width_and_axe_finds_nothing(open_next, viewport, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_next(HOSTILE, viewport=viewport, color_scheme=scheme, bypass_csp=True)
    page.keyboard.press("1")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
