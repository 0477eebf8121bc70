"""Check the links and the pictures inside a built site: ``python docs/check_links.py docs/_build/html``.

Prints each dead link, each picture without a description and each raw citation key, with the
page that holds it, and exits with 1 if there is any. Links that leave the site are not followed.
"""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """The links of a page, and what in it can be linked to."""

    def __init__(self, text: str):
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {"", "top"}
        self.unnamed: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "img" and not is_description(dict(attrs).get("alt"), dict(attrs).get("src") or ""):
            self.unnamed.add(dict(attrs).get("src") or "")
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.add(value)
            elif name == "srcset" and value:
                self.links.update(part.split()[0] for part in value.split(","))


def is_description(alt: str | None, source: str) -> bool:
    """Return whether an alternative text says more than the file's name; an empty one marks decoration."""
    return alt is not None and (not alt or alt.replace(" ", "_") not in Path(source).stem)


def find_unnamed_pictures(site: Path) -> list[tuple[str, str]]:
    """Return (page, picture) of each picture that a screen reader can say nothing about."""
    return [
        (path.relative_to(site).as_posix(), source)
        for path in _list_pages(site)
        for source in sorted(_Page(path.read_text(encoding="utf-8")).unnamed)
    ]


def find_raw_citations(site: Path) -> list[tuple[str, str]]:
    """Return (page, key) of each citation shown by numpydoc's key instead of its number."""
    return [
        (path.relative_to(site).as_posix(), key)
        for path in _list_pages(site)
        for key in re.findall(r"\[R[0-9a-f]{8,}-\d+\]", path.read_text(encoding="utf-8"))
    ]


def find_dead_links(site: Path) -> list[tuple[str, str]]:
    """Return (page, link) of each link inside the site that leads nowhere."""
    site = site.resolve()
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in _list_pages(site)}
    dead = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            inside = target.is_relative_to(site) and target.exists()
            if not inside or (target in pages and unquote(parts.fragment) not in pages[target].anchors):
                dead.append((path.relative_to(site).as_posix(), link))
    return dead


def _list_pages(site: Path) -> list[Path]:
    """Return the pages of a site; what themes keep in _static are templates."""
    return [path for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts]


def main(site: str) -> int:
    """Print what is wrong with a site, and return the exit code."""
    if not Path(site, "index.html").is_file():
        print(f"{site!r} must be a built site with an index.html: run sphinx-build first.")
        return 1
    checks = {
        "dead links": find_dead_links,
        "pictures without a description": find_unnamed_pictures,
        "raw citation keys": find_raw_citations,
    }
    n_wrong = 0
    for name, find in checks.items():
        wrong = find(Path(site))
        for page, what in wrong:
            print(f"{page}: {what}")
        print(f"{len(wrong)} {name} in {len(_list_pages(Path(site)))} pages")
        n_wrong += len(wrong)
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["docs/_build/html"]))
