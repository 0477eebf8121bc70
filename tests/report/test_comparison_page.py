"""The page of a comparison: what it says, and that what the data say stays text."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from test_report import HOSTILE, NAMES, Page, flatten, make_images

from fishsk import compare_pipelines, write_comparison


def write(folder, names=NAMES, swapped=False, **options):
    """Compare a classifier that answers one class with one that has learned."""
    rng = np.random.default_rng(0)
    (X_train, y_train), (X, y) = make_images(rng, 90), make_images(rng, 60)
    names = np.asarray(names)
    pipelines = [
        make_pipeline(FunctionTransformer(flatten), head).fit(X_train, names[y_train])
        for head in (DummyClassifier(), GaussianNB())
    ]
    comparison = compare_pipelines(*pipelines[:: -1 if swapped else 1], X, names[y])
    return comparison, Page(write_comparison(comparison, X, folder / "comparison.html", **options))


@pytest.mark.parametrize(("swapped", "better"), [(False, "“New” is better"), (True, "“Old” is better")])
def test_the_page_says_which_is_better_and_shows_the_images(tmp_path, swapped, better):
    comparison, page = write(tmp_path, swapped=swapped)
    assert better in page.text
    assert page.text.count("Old and New on 60 images") == 2
    assert "<0.001" in page.text
    assert len(page.find("image")) == comparison.n_fixed + comparison.n_broken
    assert [found["id"] for found in page.find("section")] == ["classes", "fixed", "broken"]


def test_the_page_says_where_nothing_can_be_said(tmp_path):
    comparison, _ = write(tmp_path)
    X, y = make_images(np.random.default_rng(0), 60)
    same = compare_pipelines(GaussianNB().fit(flatten(X), y), GaussianNB().fit(flatten(X), y), flatten(X), y)
    page = Page(write_comparison(same, X, tmp_path / "same.html"))
    assert "in the same number of images each way" in page.text
    assert page.text.count("There are none.") == 2
    with pytest.raises(ValueError, match="inconsistent"):
        write_comparison(comparison, X[:5], tmp_path / "few.html")


def test_a_page_has_no_more_images_than_it_may(tmp_path):
    comparison, page = write(tmp_path, max_images=3)
    assert comparison.n_fixed > 3
    assert "the first 3 are shown" in page.text
    assert len(page.find("image")) <= 6


def test_fault_40_markup_in_names_stays_text_in_a_comparison(tmp_path):
    (tmp_path / "plain").mkdir()
    _, plain = write(tmp_path / "plain")
    _, hostile = write(tmp_path, HOSTILE, title=HOSTILE[1], image_names=[HOSTILE[2]] * 60)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert HOSTILE[2] in hostile.text
    assert not hostile.find("script")
    assert not hostile.find("img")
