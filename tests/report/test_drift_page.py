"""The page of drift: what it says, and that what the data say stays text."""

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from test_report import HOSTILE, NAMES, Page, flatten, make_images

from fishsk import compare_images, write_drift


def write(folder, names=NAMES, fog=0, **options):
    rng = np.random.default_rng(0)
    (X, y), (new, _) = make_images(rng, 90), make_images(rng, 60)
    pipeline = make_pipeline(FunctionTransformer(flatten), GaussianNB()).fit(X, np.asarray(names)[y])
    new = np.minimum(new.astype(int) + fog, 255).astype(np.uint8)
    drift = compare_images(X, new, pipeline, n_permutations=199)
    return drift, Page(write_drift(drift, X, new, folder / "drift.html", **options))


def test_the_page_says_whether_there_is_drift_and_shows_what_moved(tmp_path):
    same, page = write(tmp_path)
    assert same.p_value > 0.05
    assert "do not differ from those of training" in page.text
    drift, page = write(tmp_path, fog=60, max_images=5)
    assert drift.p_value == 0.005
    assert "differ from those of training beyond what chance explains" in page.text
    assert "the first 5 of 60" in page.text
    assert 6 <= len(page.find("image")) <= 10
    assert [found["id"] for found in page.find("section")] == ["classes", "moved"]
    _, page = write(tmp_path, fog=60, level=0.001)
    assert "do not differ" in page.text


def test_fault_40_markup_in_names_stays_text_in_a_page_of_drift(tmp_path):
    (tmp_path / "plain").mkdir()
    _, plain = write(tmp_path / "plain")
    _, hostile = write(tmp_path, HOSTILE, title=HOSTILE[1])
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert not hostile.find("script")
    assert not hostile.find("img")


def test_other_images_than_were_compared_are_refused(tmp_path):
    drift, _ = write(tmp_path)
    X = make_images(np.random.default_rng(0), 90)[0]
    with pytest.raises(ValueError, match="inconsistent"):
        write_drift(drift, X, X, tmp_path / "drift.html")
