"""The examples in docstrings and in the pages of docs/ do what they show."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import fishsk

DOCS = Path(__file__).parents[1] / "docs"
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def find_docstrings():
    """Return the docstrings of all modules that hold examples, by the names of what they document."""
    modules = [info.name for info in pkgutil.walk_packages(fishsk.__path__, "fishsk.")]
    finder = doctest.DocTestFinder(exclude_empty=True)
    return {
        test.name: test
        for name in modules
        if name != "fishsk.__main__"
        for test in finder.find(importlib.import_module(name))
        if test.examples
    }


DOCSTRINGS = find_docstrings()
PAGES = [page for page in sorted(DOCS.rglob("*.rst")) if ">>>" in page.read_text(encoding="utf-8")]


@pytest.fixture(autouse=True)
def own_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    plt.close("all")


def run(test):
    report = []
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append).failed
    assert not failed, "".join(report)


@pytest.mark.parametrize("name", DOCSTRINGS)
def test_docstrings(name):
    run(DOCSTRINGS[name])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages(page):
    text = page.read_text(encoding="utf-8")
    run(doctest.DocTestParser().get_doctest(text, {}, page.stem, str(page), 0))


def test_every_public_name_shows_an_example():
    public = [getattr(fishsk, name) for name in fishsk.__all__ if name != "datasets"]
    public += [getattr(fishsk.datasets, name) for name in fishsk.datasets.__all__]
    assert {f"{thing.__module__}.{thing.__name__}" for thing in public} <= set(DOCSTRINGS)
