"""The report of a regressor: what it holds, and what it leaves out."""

import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from test_report import HOSTILE, Page, flatten

from fishsk import write_report


class RegressorWithHistory(Ridge):
    """A regressor that remembers its training, as a Keras head does."""

    def fit(self, X, y):
        self.history_ = {"loss": [1.1, 0.6, 0.5], "val_loss": [0.9, 0.7, 0.8]}
        self.best_epoch_, self.overfit_epoch_ = 1, None
        return super().fit(X, y)


def make_bars(rng, n_samples):
    """Return images with a bar as long as their number, more or less."""
    y = rng.uniform(2, 14, n_samples)
    X = rng.integers(0, 150, size=(n_samples, 16, 16, 3), dtype=np.uint8)
    for image, length in zip(X, y + rng.normal(0, 0.5, n_samples), strict=True):
        image[6:10, : max(0, round(length))] += 100
    return X, y


def write_numbers(folder, n_train=80, **options):
    """Train on a few images and write a report on others, one of them a training image in darker."""
    rng = np.random.default_rng(0)
    (X_train, y_train), (X, y) = make_bars(rng, n_train), make_bars(rng, 90)
    X[7], y[7] = X_train[5] // 4 * 3, y_train[5]
    head = TransformedTargetRegressor(RegressorWithHistory(10), transformer=StandardScaler())
    estimator = make_pipeline(FunctionTransformer(flatten), StandardScaler(), head).fit(X_train, y_train)
    options = {"X_train": X_train, "y_train": y_train, "target_name": "length"} | options
    return write_report(estimator, X, y, folder / "report.html", **options), (estimator, X, y)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_numbers(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(written):
    return Page(written[0])


@pytest.fixture
def no_figures(monkeypatch):
    """Save the seconds that figures take, where they are not looked at."""
    monkeypatch.setattr(
        "fishsk.report._regression.draw_figure", lambda _: {"light": "data:,", "dark": "data:,"}
    )
    monkeypatch.setattr("fishsk.report._figures.draw_figure", lambda _: {"light": "data:,", "dark": "data:,"})


def test_it_has_the_sections_of_numbers_and_none_of_classes(page):
    ids = [found.get("id") for found in page.find("section")]
    wanted = ["scores", "errors", "worst", "data", "training", "trust", "duplicates", "pipeline", "reproduce"]
    assert ids == wanted
    links = [found.get("href", "") for found in page.find("a")]
    assert [link for link in links if link.startswith("#")] == ["#main", *(f"#{name}" for name in wanted)]


def test_its_scores_are_scikit_learns(written, page):
    _, (estimator, X, y) = written
    y_pred = estimator.predict(X)
    table = page.cut("<tbody>", "</tbody>")
    assert f">{mean_absolute_error(y, y_pred):.3g}</td>" in table
    assert f">{r2_score(y, y_pred):.3f}".rstrip("0") in table
    assert "the mean of the training images" in page.text


def test_the_largest_errors_come_first_each_with_a_map(written, page):
    _, (estimator, X, y) = written
    worst = np.argsort(-np.abs(estimator.predict(X) - y))[:10]
    section = page.cut('<section id="worst"', "</section>")
    assert section.count("Heat map of image") == 10
    places = [section.index(f'aria-label="image {index}: ') for index in worst]
    assert places == sorted(places)


def test_ranges_hold_all_images_from_small_to_large(page):
    rows = page.cut('aria-label="Errors by range"', "</table>").split("<tr>")[2:]
    counts = [int(row.partition('class="number">')[2].partition("<")[0]) for row in rows]
    assert len(rows) == 5
    assert sum(counts) == 90


def test_the_copy_of_a_training_image_is_found_with_its_number(page):
    section = page.cut('<section id="duplicates"', "</section>")
    assert "image 7" in section
    assert "trained as <b>" in section


def test_the_lines_that_make_it_again_name_the_numbers(page):
    assert (
        "write_report(estimator, X, y, 'report.html', X_train=X_train, y_train=y_train, target_name='length')"
        in (page.text)
    )


def test_the_page_has_no_script_and_loads_nothing(page):
    assert not page.find("script")
    for tag, found in page.elements:
        for name in {"src", "href"} & set(found):
            assert tag == "a" or found[name].startswith(("data:", "#")), (tag, name)


def test_fault_40_markup_in_the_name_of_the_numbers_stays_text(page, tmp_path):
    names = [f"{HOSTILE[0]}{index}.png" for index in range(90)]
    path, _ = write_numbers(tmp_path, target_name=HOSTILE[2], title=HOSTILE[1], image_names=names)
    hostile = Page(path)
    assert [tag for tag, _ in hostile.elements if tag != "wbr"] == [
        tag for tag, _ in page.elements if tag != "wbr"
    ]
    assert HOSTILE[2] in hostile.text


@pytest.mark.usefixtures("no_figures")
def test_what_was_not_given_is_left_out(tmp_path):
    rng = np.random.default_rng(0)
    X, y = make_bars(rng, 40)
    estimator = GridSearchCV(make_pipeline(FunctionTransformer(flatten), Ridge()), {"ridge__alpha": [1]})
    path = write_report(estimator.fit(X, y), X, y, tmp_path / "r.html", explain=False)
    page = Page(path)
    assert not page.find("section", id="training")
    assert "Heat map" not in page.source
    assert "Predicted number of 40 test images" in page.text
    assert "the mean of the test images" in page.text
    assert "cannot tell what is unlike them" in page.text


@pytest.mark.usefixtures("no_figures")
def test_few_images_of_few_numbers_make_few_ranges(tmp_path):
    rng = np.random.default_rng(0)
    X, _ = make_bars(rng, 24)
    y = np.repeat([1, 2, 3], 8)
    estimator = make_pipeline(FunctionTransformer(flatten), Ridge()).fit(X, y)
    page = Page(write_report(estimator, X, y, tmp_path / "r.html", explain=False))
    assert len(page.cut('aria-label="Errors by range"', "</table>").split("<tr>")) == 4


@pytest.mark.parametrize("option", [{"cv": 5, "y_train": [0.0] * 9}, {"display_labels": ["a"]}])
def test_what_is_for_classifiers_is_refused(written, option, tmp_path):
    _, (estimator, X, y) = written
    with pytest.raises(ValueError, match=r"is for a classifier\. Got"):
        write_report(estimator, X, y, tmp_path / "r.html", **option)


def test_a_target_name_is_for_regressors(tmp_path):
    X, y = make_bars(np.random.default_rng(0), 20)
    estimator = make_pipeline(FunctionTransformer(flatten), LogisticRegression()).fit(X, y > 8)
    with pytest.raises(ValueError, match="target_name is for a regressor"):
        write_report(estimator, X, y > 8, tmp_path / "r.html", target_name="length")
