"""Drift: p values that are right where there is none, and small where there is."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, normalize

from fishsk import compare_images
from fishsk.datasets import make_fish_images
from fishsk.inspection import _drift as module
from fishsk.inspection import find_unfamiliar


def flatten(X):
    return np.asarray(X).reshape(len(X), -1) / 255


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(300, random_state=0)


@pytest.fixture(scope="module")
def pipeline(fish):
    return make_pipeline(FunctionTransformer(flatten), LogisticRegression(C=0.01, max_iter=1000)).fit(
        fish[0][:150], fish[1][:150]
    )


def draw(rng, n_rows, shift=0.0):
    return normalize(rng.normal(size=(n_rows, 20)) + shift)


def test_of_images_of_one_kind_a_twentieth_are_called_drift(rng):
    found = [module.run_tests(draw(rng, 30), draw(rng, 15), n_permutations=39, rng=rng) for _ in range(200)]
    for name in ("p_value", "classifier_p_value", "kernel_p_value"):
        n_alarms = sum(each[name] <= 0.05 for each in found)
        assert binomtest(n_alarms, 200, 0.05).pvalue > 0.01


def test_a_shift_is_found_by_both_tests(rng):
    found = module.run_tests(draw(rng, 60), draw(rng, 30, 0.5), n_permutations=99, rng=rng)
    assert found["p_value"] == found["classifier_p_value"] == found["kernel_p_value"] == 0.01
    assert found["classifier_auc"] > 0.8
    assert found["kernel_distance"] > 0.02


def test_the_classifier_is_judged_on_each_row_by_the_fit_without_it(rng):
    rows = np.concatenate([draw(rng, 20), draw(rng, 10, 0.3)])
    squares = np.maximum(2 - 2 * rows @ rows.T, 0)
    kernel = np.exp(-squares / np.median(squares))
    is_new = np.arange(30)[:, np.newaxis] >= 20
    hat = module.make_hat(kernel)
    left_out = []
    for row in range(30):  # what is predicted of it does not change if it is told to be what is predicted
        y = is_new[:, 0].astype(float)
        for _ in range(200):
            y[row] = hat[row] @ y
        left_out.append(y[row])
    assert module._find_auc(kernel, is_new)[0] == pytest.approx(roc_auc_score(is_new[:, 0], left_out))


def test_the_discrepancy_is_the_mean_over_pairs(rng):
    a, b = draw(rng, 8), draw(rng, 5, 0.5)
    kernel = np.exp(-(np.linalg.norm(np.r_[a, b][:, np.newaxis] - np.r_[a, b], axis=2) ** 2))
    of_a, of_b, between = kernel[:8, :8], kernel[8:, 8:], kernel[:8, 8:]
    expected = (of_a.sum() - 8) / 56 + (of_b.sum() - 5) / 20 - 2 * between.mean()
    found = module._find_discrepancy(kernel, np.arange(13)[:, np.newaxis] >= 8)
    np.testing.assert_allclose(found, [expected])


def test_images_in_fog_are_drift_and_others_of_the_kind_are_not(fish, pipeline):
    X = fish[0]
    fog = X[150:] // 2 + 120
    same, foggy = (compare_images(X[:150], new, pipeline) for new in (X[150:], fog))
    assert same.p_value > 0.05
    assert foggy.p_value == 0.001
    unlike = find_unfamiliar(pipeline, fog, X[:150])
    np.testing.assert_array_equal(foggy.distance, unlike.distance)
    assert np.all(np.diff(foggy.distance[foggy.moved]) <= 0)
    assert foggy.n_unfamiliar == unlike.is_unfamiliar.sum()


def test_a_class_of_which_there_are_more_is_named_first(fish, pipeline):
    X = fish[0]
    more = np.r_[X[150:190], X[150:][pipeline.predict(X[150:]) == 2]]
    first = compare_images(X[:150], more, pipeline).classes[0]
    assert first.label == 2
    assert first.p_value < 0.01
    assert first.interval[0] < first.difference < first.interval[1]
    assert first.interval[0] > 0
    assert first.difference == pytest.approx(first.share_new - first.share_train)


def test_the_same_seed_gives_the_same_numbers_and_a_regressor_has_no_classes(fish):
    X, y = fish
    model = make_pipeline(FunctionTransformer(flatten), Ridge()).fit(X[:150], y[:150])
    one, other = (compare_images(X[:150], X[150:], model, n_permutations=49) for _ in range(2))
    assert one.p_value == other.p_value
    assert one.classes == ()
    assert repr(one).startswith("ImageDrift(p_value=")


def test_too_few_images_are_refused(fish, pipeline):
    with pytest.raises(ValueError, match="X_new must hold at least 10 images"):
        compare_images(fish[0], fish[0][:9], pipeline)
    with pytest.raises(ValueError, match="at least 19 different images"):
        compare_images(fish[0][:5], fish[0], pipeline)
    with pytest.raises(ValueError, match="false_alarms must be above 0 and below 1"):
        compare_images(fish[0], fish[0], pipeline, false_alarms=0)
