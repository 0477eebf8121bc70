"""Look at a built site in Chromium: ``python docs/check_pages.py docs/_build/html``.

A second argument, as ``auto_*``, names the pages to look at; ``!auto_*`` are all others. Prints each
page whose article is wider than the screen of a telephone or of a laptop, each link without a name, what axe
finds on the laptop in the way of people who use assistive technology, and each word whose search does not
find its page. Exits with 1 if there is any. Without Chromium it says so and exits with 0.
"""

import functools
import http.server
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

SCREENS = ((390, "light"), (1280, "dark"))
WITH_AXE = 1280  # it takes most of the time
# What a reader types, and a page that has to be among the first hits.
SEARCHES = {
    "augmentation": "how_to/small_data",
    "bounding box": "how_to/boxes",
    "curl": "how_to/service",
    "Dask": "user_guide/scaling",
    "Docker": "how_to/service",
    "drift": "how_to/drift",
    "EXIF": "user_guide/features",
    "GPU": "how_to/gpu",
    "imbalanced": "how_to/imbalance",
    "Kaggle": "how_to/kaggle",
    "label next": "how_to/label_next",
    "leakage": "how_to/groups",
    "license": "license",
    "LiteRT": "how_to/export",
    "MLflow": "how_to/mlflow",
    "mobile": "how_to/export",
    "model card": "user_guide/looking",
    "multi-label": "how_to/tags",
    "ONNX": "user_guide/backbones",
    "ONNX Runtime": "how_to/export",
    "Parquet": "how_to/features_file",
    "phone": "how_to/export",
    "proxy": "how_to/offline",
    "regression": "how_to/regression",
    "ResNet": "user_guide/features",
    "skorch": "coming_from",
    "threshold": "how_to/thresholds",
    "Windows": "how_to/windows",
}
N_FIRST = 5  # hits
# Parts whose markup is not ours: Sphinx's citations, scikit-learn's diagrams, the theme's arrows and code.
NOT_OURS = {"exclude": [[".citation-list"], [".sk-top-container"], [".bd-links summary"], [".highlight"]]}
OPTIONS = {"resultTypes": ["violations"]}
# Screen readers name a link by its text, unless it is not rendered, by its label, or by its pictures' texts.
FIND = """
() => {
    const wide = [...document.querySelectorAll("html, .bd-article-container, .bd-article")]
        .filter(box => box.scrollWidth > box.clientWidth + 1)
        .map(box => `${box.className || "page"} is ${box.scrollWidth} pixels wide, not ${box.clientWidth}`);
    const unnamed = [...document.querySelectorAll("article a[href]")]
        .filter(link => link.checkVisibility({visibilityProperty: true}) && !link.innerText.trim()
            && !link.title && !link.ariaLabel && ![...link.querySelectorAll("img")].some(image => image.alt))
        .map(link => `a link without a name: ${link.getAttribute("href")}`);
    return [...wide, ...unnamed];
}
"""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of requests."""


@contextmanager
def serve(site: Path):
    """Serve a folder on loopback, since browsers let no page of a file search, and yield its address."""
    handler = functools.partial(_Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "http://{}:{}".format(*server.server_address)
        server.shutdown()


@contextmanager
def open_browser(chromium: str):
    """Yield a browser of this thread's own."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def list_pages(site: Path, pattern: str) -> list[str]:
    """Return the names of the pages that people read and that match a pattern."""
    names = (path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")))
    return [
        name
        for name in names
        if not name.startswith(("_static/", "_modules/"))
        and fnmatch(name, pattern.removeprefix("!")) != pattern.startswith("!")
    ]


def find_faults(
    browser, names: list[str], address: str, width: int, scheme: str
) -> list[tuple[str, str, str]]:
    """Return (page, screen, what is wrong) of each fault on a screen."""
    axe = Axe()
    faults = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    for name in names:
        page.goto(f"{address}/{name}")
        found = page.evaluate(FIND)
        for violation in _run_axe(axe, page) if width == WITH_AXE else ():
            nodes = [node["html"][:100] for node in violation["nodes"]]
            found.append(f"{violation['help']} ({violation['id']}): {', '.join(nodes[:2])}")
        faults += [(name, f"{width} pixels, {scheme}", fault) for fault in found]
    page.close()
    return faults


def _run_axe(axe: Axe, page) -> list[dict]:
    return axe.run(page, context=NOT_OURS, options=OPTIONS).response["violations"]


def find_lost_searches(browser, address: str) -> list[tuple[str, str, str]]:
    """Return the searches that do not find their page among the first hits."""
    lost = []
    page = browser.new_page()
    for word, wanted in SEARCHES.items():
        page.goto(f"{address}/search.html?q={word}")
        page.wait_for_function(
            "/found|not match/.test(document.querySelector('#search-results .search-summary')?.innerText)"
        )
        page.wait_for_timeout(300)
        links = page.locator("#search-results ul.search li > a")
        links = links.evaluate_all("links => links.map(link => link.href)")
        hits = [link.removeprefix(f"{address}/").partition(".html")[0] for link in links]
        if wanted not in list(dict.fromkeys(hits))[:N_FIRST]:
            lost.append(("search.html", word, f"{wanted} is not among the first hits, {hits[:N_FIRST]}"))
    page.close()
    return lost


def main(site: str, pattern: str = "*") -> int:
    """Print the faults of a site, and return the exit code."""
    if not Path(site, "index.html").is_file():
        print(f"{site!r} must be a built site with an index.html: run sphinx-build first.")
        return 1
    chromium = shutil.which("chromium")
    if chromium is None:
        print("The pages were not looked at: that needs Chromium (apt-get install chromium).")
        return 0
    folder = Path(site).resolve()
    names = list_pages(folder, pattern)

    def look(screen: tuple[int, str]) -> list[tuple[str, str, str]]:
        with open_browser(chromium) as browser:
            faults = find_faults(browser, names, address, *screen)
            return faults if screen[0] == WITH_AXE else faults + find_lost_searches(browser, address)

    with serve(folder) as address, ThreadPoolExecutor(len(SCREENS)) as pool:
        faults = [fault for of_screen in pool.map(look, SCREENS) for fault in of_screen]
    for page, where, fault in faults:
        print(f"{page} ({where}): {fault}")
    print(f"{len(faults)} faults in {len(names)} pages")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3] or ["docs/_build/html"]))
