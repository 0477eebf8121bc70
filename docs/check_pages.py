"""Look at a built site in Chromium: ``python docs/check_pages.py docs/_build/html``.

Prints each page whose article is wider than the screen of a telephone or of a laptop, and each link without a
name, and exits with 1 if there is any. Without Chromium it says so and exits with 0.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTHS = (390, 1280)
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


def find_faults(browser, site: Path) -> list[tuple[str, int, str]]:
    """Return (page, width of the screen, what is wrong) of each fault."""
    faults = []
    for width in WIDTHS:
        page = browser.new_page(viewport={"width": width, "height": 900})
        for path in sorted(site.rglob("*.html")):
            if "_static" not in path.relative_to(site).parts:
                page.goto(path.as_uri())
                faults += [(path.relative_to(site).as_posix(), width, fault) for fault in page.evaluate(FIND)]
        page.close()
    return faults


def main(site: str) -> int:
    """Print the faults of a site, and return the exit code."""
    if not Path(site, "index.html").is_file():
        print(f"{site!r} must be a built site with an index.html: run sphinx-build first.")
        return 1
    chromium = shutil.which("chromium")
    if chromium is None:
        print("The pages' widths were not checked: that needs Chromium (apt-get install chromium).")
        return 0
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        faults = find_faults(browser, Path(site).resolve())
        browser.close()
    for page, width, fault in faults:
        print(f"{page} at {width} pixels: {fault}")
    print(f"{len(faults)} faults at {' and '.join(map(str, WIDTHS))} pixels")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["docs/_build/html"]))
