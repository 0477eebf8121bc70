"""Check the links and anchors inside a built site: ``python docs/check_links.py docs/_build/html``.

Prints each dead one with the page that holds it, and exits with 1 if there is any. Links that leave the site
are not followed.
"""

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
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value is not None:
                self.links.add(value)
            elif name == "srcset" and value:
                self.links.update(part.split()[0] for part in value.split(","))


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
    """Print the dead links of a site, and return the exit code."""
    if not Path(site, "index.html").is_file():
        print(f"{site!r} must be a built site with an index.html: run sphinx-build first.")
        return 1
    dead = find_dead_links(Path(site))
    for page, link in dead:
        print(f"{page}: {link}")
    print(f"{len(dead)} dead links in {len(_list_pages(Path(site)))} pages")
    return 1 if dead else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or ["docs/_build/html"]))
