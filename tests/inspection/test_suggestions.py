"""What to label next: uncertain images, unlike each other and what is labeled; and what is set apart."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from fishsk import suggest_labels
from fishsk.datasets import make_fish_images
from fishsk.inspection._suggestions import choose_rows


def flatten(X):
    return np.asarray(X).reshape(len(X), -1) / 255


def learn(X, y, head=None):
    return make_pipeline(FunctionTransformer(flatten), head or LogisticRegression(C=0.01)).fit(X, y)


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(160, random_state=0)


@pytest.fixture(scope="module")
def pipeline(fish):
    return learn(fish[0][:60], fish[1][:60])


def test_the_next_row_is_uncertain_and_far_from_those_before():
    angles = np.radians([0, 1, 2, 90, 91, 180])
    rows = np.column_stack([np.cos(angles), np.sin(angles)])
    chosen, score = choose_rows(rows, np.array([1.0, 0.9, 0.9, 0.5, 0.4, 0.2]), 3)
    assert chosen.tolist() == [0, 3, 5]  # not its neighbors 1 and 2, though they are the more uncertain
    np.testing.assert_allclose(score, [2**0.5, 0.25 * 2**0.5, 0.04 * 2**0.5])
    nearest = np.linalg.norm(rows - rows[0], axis=1)
    assert choose_rows(rows, np.ones(6), 1, nearest)[0].tolist() == [5]  # the farthest from what is labeled


def test_scores_never_rise_and_no_row_comes_twice(rng):
    chosen, score = choose_rows(rng.normal(size=(50, 4)), rng.random(50), 80)
    assert sorted(chosen) == list(range(50))
    assert np.all(np.diff(score) <= 0)


def test_labels_that_are_suggested_teach_more_than_random_ones():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    gains = []
    for seed in range(4):
        train, pool, test = np.split(np.random.default_rng(seed).permutation(len(y)), [40, 1200])
        taught = {"suggested": train, "random": train}
        for _ in range(3):
            for side, rows in taught.items():
                left = pool[~np.isin(pool, rows)]  # in random order
                proba = np.sort(LogisticRegression().fit(X[rows], y[rows]).predict_proba(X[left]), axis=1)
                suggested, _ = choose_rows(X[left], 1 - proba[:, -1] + proba[:, -2], 30)
                taught[side] = np.r_[rows, left[suggested if side == "suggested" else slice(30)]]
        scores = {
            side: LogisticRegression().fit(X[rows], y[rows]).score(X[test], y[test])
            for side, rows in taught.items()
        }
        gains.append(scores["suggested"] - scores["random"])
    assert np.mean(gains) > 0.01


def test_a_frame_names_images_reasons_and_guesses(fish, pipeline):
    X = fish[0][60:]
    found = suggest_labels(pipeline, X, n=12, X_train=fish[0][:60])
    assert list(found) == ["image", "reason", "guess", "probability", "score"]
    assert len(found) == 12
    assert found["guess"].tolist() == pipeline.predict(X[found.index]).tolist()
    np.testing.assert_allclose(found["probability"], pipeline.predict_proba(X[found.index]).max(axis=1))
    best = found.iloc[0]
    assert best["image"] == f"image {found.index[0]}"
    assert best["reason"].startswith(f"{best['guess']} {best['probability']:.2f} or ")


def test_what_is_broken_there_already_or_strange_is_set_apart(fish, pipeline, tmp_path):
    X = fish[0][60:100].copy()
    X[3], X[4] = fish[0][7], X[20]  # as a labeled image; as another one
    X[5] = np.random.default_rng(0).integers(256, size=(32, 32, 3))
    paths = [tmp_path / f"{row}.png" for row in range(40)]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    paths[0].write_bytes(b"broken")
    taught = tmp_path / "labeled.png"
    Image.fromarray(fish[0][7]).save(taught)
    reader = make_pipeline(FunctionTransformer(read_all), LogisticRegression(C=0.01))
    labeled = [str(taught), *(str(path) for path in paths[6:35])]
    reader.fit(labeled, np.arange(30) % 3)
    found = suggest_labels(reader, [str(path) for path in paths], n=40, X_train=labeled)
    apart = found.attrs["apart"]
    assert list(apart["unreadable"]) == [0]
    assert apart["duplicate"][3] == f"equal to labeled {taught}"
    assert apart["duplicate"][20].startswith("equal to")
    assert next(iter(apart["unfamiliar"])) == 5
    assert not {0, 3, 4, 5, 20} & set(found.index)


def read_all(paths):
    images = [np.asarray(Image.open(path)) for path in paths]
    return np.reshape(images, (len(images), -1)) / 255


def test_of_pictures_that_are_nearly_the_same_one_is_suggested(fish, pipeline):
    X = fish[0][60:100].copy()
    X[8] = X[9][:, ::-1]
    found = suggest_labels(pipeline, X, n=40)
    assert len({8, 9} & set(found.index)) == 1
    (row,) = {8, 9} - set(found.index)
    assert found.attrs["apart"]["duplicate"][row] == f"the same picture as image {17 - row}"


@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_classifier_without_probabilities_tells_how_near_its_border_is(fish, n_classes):
    X, y = fish
    chosen = y < n_classes
    found = suggest_labels(learn(X[chosen][:40], y[chosen][:40], SVC()), X[chosen][40:], n=5)
    assert found["probability"].isna().all()
    assert found["reason"].str.startswith("near the border of ").all()
    assert np.all(found["score"] > 0)


def test_what_gives_no_classes_is_refused(fish):
    X, y = fish
    with pytest.raises(ValueError, match="must be a classifier"):
        suggest_labels(learn(X[:40], y[:40], Ridge()), X)


def test_too_few_labeled_images_to_tell_what_is_strange_are_said(fish, pipeline):
    with pytest.warns(
        UserWarning, match="No image is set apart as unlike the labeled ones: X_train must hold"
    ):
        found = suggest_labels(pipeline, fish[0][60:], n=5, X_train=fish[0][:10])
    assert found.attrs["apart"]["unfamiliar"] == {}
