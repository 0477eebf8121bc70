"""Bumps around training rows in front of a network, and training once more on all rows."""

import pickle

import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_moons
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.preprocessing import scale
from sklearn.svm import SVC

from fishsk import KerasHeadClassifier, KerasHeadRegressor
from fishsk.head._calibration import fit_temperature
from fishsk.head._centers import Kernel, answer_bumps, look_from_centers, scale_gamma

N_VIEWS = 3  # of the rows of views_data


@pytest.fixture(scope="module")
def moons():
    """Return two classes that no line can part."""
    X, y = make_moons(300, noise=0.2, random_state=0)
    return scale(X).astype(np.float32), y


def make_head(**params):
    defaults = {
        "hidden_units": 0,
        "n_centers": 40,
        "dropout": 0.0,
        "learning_rate": 0.01,
        "epochs": 10,
        "random_state": 0,
    }
    return KerasHeadClassifier(**defaults | params)


def fit_all_at(rates, X, y, **settings):
    """Return a head that all rows have trained, each epoch at its learning rate."""
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: rates[epoch])
    return make_head(validation_fraction=None, callbacks=schedule, lr_factor=1.0, **settings).fit(X, y)


def test_products_of_what_the_centers_answer_are_the_kernel():
    X = np.random.default_rng(0).normal(size=(30, 4))
    weights = [array.astype(np.float64) for array in Kernel(X, 0.3).place()]
    plain = [*weights[:4], np.zeros(30)]
    answers = look_from_centers(plain, X)
    products = answers @ answers.T
    kernel = rbf_kernel(X, gamma=0.3)
    np.testing.assert_allclose(products / products[0, 0], kernel / kernel[0, 0], atol=5e-3)


def test_answers_on_the_centers_have_mean_0_and_variance_1():
    X = np.random.default_rng(0).normal(size=(30, 4))
    answers = look_from_centers(Kernel(X, 0.3).place(), X.astype(np.float32))
    np.testing.assert_allclose(answers.mean(axis=0), 0, atol=1e-4)
    assert answers.std() == pytest.approx(1, abs=1e-4)


def test_a_row_that_is_twice_a_center_does_no_harm(moons):
    X, y = moons
    twice, labels = np.concatenate([X, X]), np.concatenate([y, y])
    assert make_head(n_centers=600).fit(twice, labels).score(X, y) > 0.9


def test_gamma_scale_is_that_of_scikit_learn(moons):
    X, y = moons
    assert scale_gamma(X) == pytest.approx(SVC(gamma="scale").fit(X, y)._gamma, rel=1e-5)
    assert scale_gamma(np.ones((5, 2))) == 1


def test_centers_part_what_a_line_cannot(moons):
    X, y = moons
    with_centers, without = (
        cross_val_score(make_head(n_centers=n_centers), X, y, cv=3).mean() for n_centers in (40, 0)
    )
    assert with_centers > without + 0.05


def test_narrower_bumps_fit_the_training_rows_closer(moons):
    X, y = moons
    wide, narrow = (make_head(gamma=gamma, epochs=40).fit(X, y).score(X, y) for gamma in (0.01, 3.0))
    assert narrow > wide + 0.02


def test_centers_that_are_not_chosen_answer_0_and_change_nothing():
    X = np.random.default_rng(0).normal(size=(600, 4))
    chosen = np.flatnonzero(np.arange(600) % 3)
    weights = Kernel(X, 0.3).place(chosen)
    answers = look_from_centers(weights, X)
    assert not answers[:, ::3].any()
    alone = look_from_centers(Kernel(X[chosen], 0.3).place(), X)
    np.testing.assert_allclose(answers[:, chosen], alone, atol=1e-4)
    bumps = look_from_centers(weights[:3], X)
    np.testing.assert_allclose(answer_bumps(weights[3:], bumps), answers, atol=1e-9)


def test_centers_are_training_rows_that_do_not_validate(moons):
    X, y = moons
    head = make_head(n_centers=1000, gamma=0.5).fit(X, y)
    centers = head._weights[1][:-1].T  # times 2 gamma
    assert len(centers) == 270
    assert {tuple(row) for row in centers.round(4)} <= {tuple(row) for row in X.round(4)}


def test_rows_that_validate_are_no_centers_before_the_refit(moons):
    X, y = moons
    settings = {"n_centers": 300, "validation_fraction": 0.2, "lr_factor": 1.0, "gamma": 1.0}
    refitted, first = (make_head(refit=refit, **settings).fit(X, y) for refit in (True, False))
    assert [head._architecture.n_centers for head in (refitted, first)] == [300, 240]
    np.testing.assert_allclose(refitted.history_["val_loss"], first.history_["val_loss"], rtol=1e-3)


def test_a_center_is_the_mean_of_a_rows_views(views_data):
    X, y = views_data
    head = make_head(n_views=N_VIEWS, n_centers=150, validation_fraction=None, gamma=0.5).fit(X, y)
    np.testing.assert_allclose(head._weights[1][:-1].T, X.reshape(150, N_VIEWS, 4).mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"n_views": N_VIEWS},
        {"hidden_units": 8, "n_networks": 2, "n_views": N_VIEWS},
        {"hidden_units": (8, 6), "n_views": N_VIEWS},
        {"n_networks": 2, "n_views": N_VIEWS},
        {"n_centers": 150, "validation_fraction": None},
    ],
    ids=str,
)
def test_the_keras_model_says_what_the_head_says(views_data, params, tmp_path):
    X, y = views_data
    head = make_head(**params).fit(X, y)
    np.testing.assert_allclose(head.model_.predict(X, verbose=0), head.predict_proba(X), atol=2e-5)
    head.model_.save(tmp_path / "head.keras")
    loaded = keras.models.load_model(tmp_path / "head.keras", compile=False)  # without fishsk
    np.testing.assert_allclose(loaded.predict(X, verbose=0), head.predict_proba(X), atol=2e-5)


def test_centers_do_not_train_in_the_keras_model(moons):
    X, y = moons
    model = make_head(epochs=1).fit(X, y).model_
    before = model.get_weights()
    model.fit(X, y, epochs=1, verbose=0)
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert moved == [False] * 5 + [True] * 2


@pytest.mark.parametrize("params", [{}, {"refit": True, "validation_fraction": 0.2}], ids=str)
def test_the_same_seed_gives_the_same_bits(moons, params):
    X, y = moons
    first, again = (make_head(**params).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, make_head(**params, random_state=1).fit(X, y).predict_proba(X))


def test_a_weight_of_2_is_a_row_given_twice(moons):
    X, y = moons
    X, y = X[:60], y[:60]
    weight = np.where(np.arange(60) % 2, 2.0, 1.0)
    twice = np.repeat(np.arange(60), weight.astype(int))
    settings = {"validation_fraction": None, "batch_size": 200, "epochs": 200, "n_centers": 200}
    heavy = make_head(**settings).fit(X, y, sample_weight=weight).predict_proba(X)
    repeated = make_head(**settings).fit(X[twice], y[twice]).predict_proba(X)
    np.testing.assert_allclose(heavy, repeated, atol=0.1)


def test_rows_of_weight_0_are_no_centers(moons):
    X, y = moons
    weight = np.arange(300) % 2
    head = make_head(n_centers=300, validation_fraction=None).fit(X, y, sample_weight=weight)
    assert head._architecture.n_centers == 150


def test_a_warm_start_goes_on_around_the_same_centers(moons):
    X, y = moons
    head = make_head(warm_start=True, epochs=2).fit(X, y)
    before, kernel = head._weights[:5], head._weights[5]
    head.fit(X, y)
    assert all(np.array_equal(old, new) for old, new in zip(before, head._weights[:5], strict=True))
    assert not np.array_equal(kernel, head._weights[5])
    assert len(head.history_["loss"]) == 4


@pytest.mark.parametrize(("before", "after"), [(0, 40), (40, 0), (40, 30)])
def test_a_warm_start_cannot_change_the_centers(moons, before, after):
    head = make_head(n_centers=before, epochs=1, warm_start=True).fit(*moons)
    with pytest.raises(ValueError, match=f"n_centers must be {before}"):
        head.set_params(n_centers=after).fit(*moons)


def test_partial_fit_keeps_the_centers_of_its_first_rows(moons):
    X, y = moons
    head = make_head(n_centers=30).partial_fit(X[:100], y[:100], classes=[0, 1])
    before = head._weights[1]
    for _ in range(30):
        head.partial_fit(X[100:], y[100:])
    np.testing.assert_array_equal(head._weights[1], before)
    assert head.score(X, y) > 0.85


def test_a_pickle_predicts_the_same(moons):
    X, y = moons
    head = make_head(refit=True).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(head)).predict_proba(X), head.predict_proba(X))


@pytest.mark.parametrize("name", ["n_centers", "refit"])
def test_a_network_of_ones_own_refuses_them(moons, name):
    with pytest.raises(ValueError, match=f"{name} must be"):
        KerasHeadClassifier(optimizer="sgd", **{name: True if name == "refit" else 5}).fit(*moons)


@pytest.mark.parametrize("params", [{"n_centers": -1}, {"gamma": 0.0}, {"gamma": "auto"}, {"refit": 1.5}])
def test_impossible_values_are_refused(moons, params):
    with pytest.raises(ValueError, match=next(iter(params))):
        make_head(**params).fit(*moons)


def test_refit_keeps_the_history_of_the_first_training(moons):
    X, y = moons
    refitted = make_head(refit=True, hidden_units=8, n_centers=0).fit(X, y)
    first = clone(refitted).set_params(refit=False).fit(X, y)
    assert refitted.history_ == first.history_
    assert not np.array_equal(refitted._weights[0], first._weights[0])


def test_refit_calibrates_by_answers_to_rows_that_did_not_train(moons):
    X, y = moons
    settings = {"n_centers": 0, "hidden_units": 8, "epochs": 6, "lr_factor": 1.0}
    head = make_head(refit=True, **settings).fit(X, y)
    logits = np.empty((300, 2))
    for train, rest in StratifiedKFold(5, shuffle=True, random_state=head._seed).split(X, y):
        part = make_head(validation_fraction=None, **settings).fit(X[train], y[train])
        logits[rest] = part.predict_log_proba(X[rest])
    assert head.temperature_ == pytest.approx(fit_temperature(logits, y, np.ones(300)), rel=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("n_centers", [1, 2])
def test_a_fold_may_hold_out_all_centers(moons, n_centers):
    head = make_head(refit=True, n_centers=n_centers).fit(*moons)
    assert np.isfinite(head.predict_proba(moons[0])).all()


def test_a_class_of_few_rows_is_refitted_and_calibrated(moons):
    X, y = moons
    y = y.copy()
    y[:3] = 2
    head = make_head(refit=True, validation_fraction=0.4).fit(X, y)
    assert head.temperature_ != 1
    assert head.predict_proba(X).shape == (300, 3)


@pytest.mark.parametrize("n_centers", [0, 50])
def test_refit_is_a_fit_without_validation_at_the_same_rates(moons, n_centers):
    X, y = moons
    settings = {"n_centers": n_centers, "hidden_units": 8, "epochs": 12, "lr_patience": 1}
    refitted = make_head(refit=True, **settings).fit(X, y)
    rates = refitted.history_["learning_rate"]
    assert rates[-1] < rates[0]
    by_hand = fit_all_at(rates, X, y, **settings)
    for ours, theirs in zip(refitted._weights, by_hand._weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_refit_stops_where_early_stopping_found_the_best_epoch(moons):
    X, y = moons
    settings = {"learning_rate": 0.3, "epochs": 30, "patience": 2, "early_stopping": True}
    head = make_head(refit=True, **settings).fit(X, y)
    assert head.n_iter_ < 30
    short = settings | {"epochs": head.best_epoch_ + 1, "early_stopping": False}
    by_hand = fit_all_at(head.history_["learning_rate"], X, y, **short)
    np.testing.assert_array_equal(head._weights[5], by_hand._weights[5])


def test_callbacks_see_the_first_training_only(moons):
    epochs = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    make_head(refit=True, epochs=3, callbacks=watch).fit(*moons)
    assert epochs == [0, 1, 2]


def test_validation_data_never_trains(moons):
    X, y = moons
    given = {"validation_data": (X[200:], y[200:])}
    refitted, plain = (make_head(refit=refit).fit(X[:200], y[:200], **given) for refit in (True, False))
    np.testing.assert_array_equal(refitted.predict_proba(X), plain.predict_proba(X))


def test_numbers_are_predicted_around_centers():
    X = np.linspace(-3, 3, 200, dtype=np.float32)[:, np.newaxis]
    y = np.sin(2 * X[:, 0])
    settings = {"hidden_units": 0, "dropout": 0.0, "learning_rate": 0.03, "epochs": 60, "random_state": 0}
    scores = [
        KerasHeadRegressor(n_centers=n_centers, gamma=2.0, refit=True, **settings).fit(X, y).score(X, y)
        for n_centers in (50, 0)
    ]
    assert scores[0] > 0.95 > 0.5 > scores[1]


def test_tags_are_predicted_around_centers():
    X, y = load_iris(return_X_y=True)
    X, tags = scale(X).astype(np.float32), np.eye(3, dtype=int)[y]
    assert make_head(refit=True).fit(X, tags).score(X, tags) > 0.85
