"""A report in a real browser: Chromium, driven by Playwright."""

import shutil

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.naive_bayes import GaussianNB
from test_regression_page import write_numbers
from test_report import HOSTILE, flatten, make_images, write

from fishsk import (
    compare_images,
    compare_pipelines,
    find_data_issues,
    write_comparison,
    write_data_issues,
    write_drift,
)

playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install playwright)")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium)")

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write(tmp_path_factory.mktemp("report")).as_uri()


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory):
    return write(tmp_path_factory.mktemp("hostile"), HOSTILE, title=HOSTILE[1]).as_uri()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a page; it asserts in the end that all of them were silent and alone."""
    contexts, messages, requests = [], [], []

    def open_page(uri, **options):
        context = browser.new_context(**({"viewport": DESKTOP} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("dialog", lambda dialog: messages.append(dialog.message))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(uri)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert messages == []
    assert [url for url in requests if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in requests if url.startswith("file:")]) == len(contexts)


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("names", ["report", "hostile_report"])
def test_it_fits_the_width(open_page, names, viewport, request):
    page = open_page(request.getfixturevalue(names), viewport=viewport)
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    box = page.get_by_role("heading", level=1).bounding_box()
    assert 0 <= box["x"] < box["x"] + box["width"] <= viewport["width"]


def test_a_click_opens_a_cells_images_and_another_closes_them(open_page, report):
    page = open_page(report, viewport=PHONE)
    button, panel = page.locator(".matrix .wrong button").first, page.locator(".panel.wrong").first
    assert not panel.is_visible()
    button.click()
    images = panel.get_by_role("img")
    assert images.count() == int(button.inner_text())
    assert images.first.bounding_box()["width"] > 80
    panel.get_by_role("button", name="Close").click()
    assert not panel.is_visible()


def test_a_cell_works_by_keyboard_and_the_focus_comes_back(open_page, report):
    page = open_page(report)
    button, panel = page.locator(".matrix .right button").first, page.locator(".panel.right").first
    button.focus()
    page.keyboard.press("Enter")
    assert panel.is_visible()
    assert page.evaluate("document.activeElement.innerText") == "Close"
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == button.get_attribute(
        "aria-label"
    )
    assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_screen_readers_are_told_that_a_cell_opens_a_dialog_and_read_nothing_else_in_it(open_page, report):
    page = open_page(report)
    button = page.locator(".matrix .wrong button").first

    def find_roles():
        nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        return [node["role"]["value"] for node in nodes if not node["ignored"]]

    assert button.get_attribute("aria-haspopup") == "dialog"
    assert "dialog" not in find_roles()
    button.click()
    assert "dialog" in find_roles()
    assert find_roles().count("button") == 1  # the one that closes it


def test_the_focus_stays_in_an_open_panel(open_page, report):
    page = open_page(report)
    page.locator(".matrix .wrong button").first.click()
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )


def test_a_click_beside_a_panel_closes_it(open_page, report):
    page = open_page(report)
    page.locator(".matrix .wrong button").first.click()
    page.mouse.click(5, 5)
    assert not page.locator(".panel.wrong").first.is_visible()


def test_tables_side_by_side_begin_at_one_height(open_page, report):
    page = open_page(report)
    tops = [table.bounding_box()["y"] for table in page.locator("#reproduce .columns table").all()]
    assert len(tops) == 2
    assert tops[0] == tops[1]


def test_fault_40_markup_in_names_is_shown_as_text(open_page, hostile_report):
    page = open_page(hostile_report)
    assert page.get_by_role("heading", level=1).inner_text() == HOSTILE[1]
    assert page.title() == HOSTILE[1]
    cells = page.locator("#scores tbody th").all_inner_texts()
    assert [" ".join(cell.split()) for cell in cells] == list(HOSTILE)
    page.locator(".matrix button").first.click()
    assert page.evaluate("window.pwned") is None
    assert page.locator("script, img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_way_of_anybody(open_page, report, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_page(report, color_scheme=scheme)
    assert axe.Axe().run(page).response["violations"] == []
    page.locator(".matrix .wrong button").first.click()
    assert axe.Axe().run(page).response["violations"] == []


def test_it_is_dark_where_the_reader_wants_it_dark(open_page, report):
    page = open_page(report, color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 23, 29)"
    assert page.locator("#calibration .on-dark").is_visible()
    assert not page.locator("#calibration .on-light").is_visible()


def test_paper_shows_the_mistakes_of_every_cell_and_no_buttons(open_page, report):
    page = open_page(report, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator(".panel.wrong").first.is_visible()
    assert not page.locator(".panel.right").first.is_visible()
    assert not page.get_by_role("button", name="Close").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#calibration .on-light").is_visible()


@pytest.mark.parametrize("names", ["report", "hostile_report"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, names, scheme, request):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_page(request.getfixturevalue(names), color_scheme=scheme, bypass_csp=True)
    page.locator(".matrix .wrong button").first.click()
    found = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_a_point_of_the_map_shows_its_image(open_page, report):
    page = open_page(report)
    point = page.locator(".point").last  # which no other covers
    peek = point.locator(".peek")
    assert not peek.is_visible()
    point.locator("circle").hover(force=True)
    assert peek.is_visible()
    assert peek.bounding_box()["width"] > 80


def test_the_tab_key_goes_from_mistake_to_mistake_or_skips_the_map(open_page, report):
    page = open_page(report)
    page.locator(".skip.here").focus()
    page.keyboard.press("Tab")
    first = page.locator(".point[tabindex]").first
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == first.get_attribute(
        "aria-label"
    )
    assert first.locator(".peek").is_visible()
    page.locator(".skip.here").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert "t-SNE" in page.evaluate("document.activeElement.innerText")


@pytest.fixture(scope="module")
def other_pages(tmp_path_factory):
    """Return a comparison, a check and a page of drift of images whose classes have hostile names."""
    folder = tmp_path_factory.mktemp("other")
    X, y = make_images(np.random.default_rng(0), 90)
    names = np.asarray(HOSTILE)[y]
    X[20], names[20] = X[10], HOSTILE[(y[10] + 1) % 3]
    old, new = (head.fit(flatten(X), names) for head in (DummyClassifier(), GaussianNB()))
    comparison = compare_pipelines(old, new, flatten(X), names)
    pixels = {"image_shape": X.shape[1:], "input_range": (0, 1)}
    written = [
        write_comparison(comparison, X, folder / "comparison.html", names=HOSTILE[1:]),
        write_data_issues(find_data_issues(X, names, min_images=50), X, folder / "check.html"),
        write_drift(compare_images(flatten(X), flatten(X), new, **pixels), X, X, folder / "drift.html"),
    ]
    return [path.as_uri() for path in written]


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_other_pages_fit_the_width_and_show_names_as_text(open_page, other_pages, viewport):
    for uri in other_pages:
        page = open_page(uri, viewport=viewport)
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert page.evaluate("window.pwned") is None
        assert page.locator("script, img[src=x]").count() == 0
        assert HOSTILE[1] in page.locator("#classes").inner_text()
        assert page.get_by_role("img").first.bounding_box()["width"] > 60


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_other_pages(open_page, other_pages, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    for uri in other_pages:
        found = axe.Axe().run(open_page(uri, color_scheme=scheme, bypass_csp=True)).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.fixture(scope="module")
def pages_of_numbers(tmp_path_factory):
    """Return the report of a regressor, and a comparison of two, whose numbers have hostile names."""
    folder = tmp_path_factory.mktemp("numbers")
    report, (estimator, X, y) = write_numbers(folder, target_name=HOSTILE[1])
    other = DummyRegressor().fit(X, y)
    comparison = compare_pipelines(other, estimator, X, y)
    compared = write_comparison(comparison, X, folder / "comparison.html", names=HOSTILE[1:])
    return [report.as_uri(), compared.as_uri()]


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_pages_of_numbers_fit_the_width_and_show_names_as_text(open_page, pages_of_numbers, viewport):
    for uri in pages_of_numbers:
        page = open_page(uri, viewport=viewport)
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
        assert page.evaluate("window.pwned") is None
        assert page.locator("script, img[src=x]").count() == 0
        assert HOSTILE[1] in page.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_pages_of_numbers(open_page, pages_of_numbers, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    for uri in pages_of_numbers:
        found = axe.Axe().run(open_page(uri, color_scheme=scheme, bypass_csp=True)).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
