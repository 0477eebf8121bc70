"""The page of a check: everything that was found, with its pictures, and as text."""

import numpy as np
import pytest
from PIL import Image
from test_report import HOSTILE, Page

from fishsk import find_data_issues, write_data_issues
from fishsk.datasets import make_fish_images


@pytest.fixture
def fish():
    """Return images to train on and to test, of which some are the same, one is black and one turned."""
    X, y = make_fish_images(120, random_state=0)
    X[20], y[20] = X[10], (y[10] + 1) % 5
    X[7] = 3
    X[110] = X[30]
    return X[:100], y[:100], X[100:], y[100:]


def check(folder, fish, names=("a", "b", "c", "d", "e"), **options):
    X, y, X_test, y_test = fish
    names = np.asarray(names)
    data = find_data_issues(X, names[y], X_test=X_test, y_test=names[y_test], min_images=25)
    return data, Page(write_data_issues(data, X, folder / "check.html", X_test=X_test, **options))


def test_every_issue_has_a_section_and_its_pictures(tmp_path, fish):
    data, page = check(tmp_path, fish)
    kinds = [issue.kind for issue in data.issues]
    assert kinds == ["leak", "conflict", "few", "plain", "dark"]
    assert [found["id"] for found in page.find("section")] == [*kinds, "classes"]
    pictures = {"train-7", "train-10", "train-20", "train-30", "test-10"}
    assert {found["id"] for found in page.find("image")} == pictures
    assert "2 kinds of errors, 3 kinds of warnings" in page.text


def test_a_page_has_no_more_pictures_than_it_may(tmp_path, fish):
    fish[0][40:60] = 3
    _, page = check(tmp_path, fish, max_images=5)
    assert "the first 5 are shown" in page.text
    assert len(page.find("image")) <= 15


def test_fault_40_markup_in_labels_and_paths_stays_text_in_a_check(tmp_path, fish):
    names = sorted([*HOSTILE, "d", "e"])
    _, page = check(tmp_path, fish, names, title=HOSTILE[1])
    assert not page.find("script")
    assert not page.find("img")
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    Image.fromarray(fish[0][0]).save(path)
    (tmp_path / "<b>.png").write_bytes(b"")
    files = [path, tmp_path / "<b>.png"]
    page = Page(write_data_issues(find_data_issues(files, [0, 1]), files, tmp_path / "files.html"))
    assert not page.find("b")
    assert not page.find("img")
    assert "<b>.png" in page.text


def test_nothing_found_is_said(tmp_path):
    X, y = make_fish_images(100, random_state=0)
    page = Page(write_data_issues(find_data_issues(X, y), X, tmp_path / "check.html"))
    assert "Nothing was found." in page.text
    with pytest.raises(ValueError, match="inconsistent"):
        write_data_issues(find_data_issues(X, y), X[:5], tmp_path / "few.html")
