"""A real Dask cluster of two worker processes: results are those of one process."""

import os

import joblib
import numpy as np
import pytest
from quick import make_quick_pipeline
from sklearn.model_selection import GridSearchCV, cross_val_score

from fishsk import OptunaSearchCV, VGG16FeatureTransformer
from fishsk.datasets import make_fish_images

da = pytest.importorskip("dask.array", reason="needs dask: pip install 'fishsk[dask]'")
distributed = pytest.importorskip("distributed", reason="needs distributed: pip install 'fishsk[dask]'")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fish():
    return make_fish_images(60, random_state=0)


@pytest.fixture(scope="module")
def client():
    """Connect to two worker processes of one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        yield client


def make_pipeline(folder):
    return make_quick_pipeline(features__cache=str(folder), head__epochs=4)


def test_blocks_are_extracted_in_both_workers(client, fish):
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, cache=None)
    X = da.from_array(fish[0], chunks=(10, 32, 32, 3))
    futures = distributed.futures_of(client.persist(vgg16.transform(X)))
    distributed.wait(futures)
    owners = [workers[0] for workers in client.who_has(futures).values()]
    assert len(futures) == 6
    assert set(owners) == set(client.nthreads())
    assert os.getpid() not in client.run(os.getpid).values()


@pytest.mark.parametrize("cached", [False, True])
def test_features_are_those_of_one_process(client, fish, tmp_path, cached):
    cache = str(tmp_path) if cached else None
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, pooling=None, cache=cache, views="mirror")
    lazy = vgg16.transform(da.from_array(fish[0], chunks=(7, 32, 32, 3)))
    assert lazy.shape == (60, len(vgg16.get_feature_names_out()))
    np.testing.assert_array_equal(lazy.compute(), vgg16.transform(fish[0]))


def test_what_the_workers_have_stored_is_a_hit_here(client, fish, tmp_path, n_extracted):
    vgg16 = VGG16FeatureTransformer(weights=None, image_size=32, cache=str(tmp_path))
    vgg16.transform(da.from_array(fish[0], chunks=(20, 32, 32, 3))).compute()
    vgg16.transform(fish[0])
    assert n_extracted() == 0


def test_no_block_is_computed_before_it_is_asked_for(fish, n_extracted):
    X = da.from_array(fish[0], chunks=(20, 32, 32, 3))
    lazy = VGG16FeatureTransformer(weights=None, image_size=32).transform(X)
    assert n_extracted() == 0
    lazy[:5].compute(scheduler="synchronous")
    assert n_extracted() == 20


def test_a_grid_search_on_the_cluster_equals_one_process_s(client, fish, tmp_path):
    grid = {"head__dropout": [0.2, 0.5], "features__pooling": ["avg", "max"]}
    search = GridSearchCV(make_pipeline(tmp_path), grid, cv=3)
    here = search.fit(*fish).cv_results_
    with joblib.parallel_config("dask"):
        there = search.fit(*fish).cv_results_
    for name in ("params", "split0_test_score", "split1_test_score", "split2_test_score"):
        np.testing.assert_array_equal(there[name], here[name])


def count_events(client):
    """Return how many steps of tasks the workers have logged."""
    return sum(map(len, client.run(lambda dask_worker: dask_worker.state.log).values()))


def test_folds_are_fitted_in_the_workers(client, fish, tmp_path):
    pipeline = make_pipeline(tmp_path)
    before = count_events(client)
    with joblib.parallel_config("dask"):
        there = cross_val_score(pipeline, *fish, cv=3)
    np.testing.assert_array_equal(there, cross_val_score(pipeline, *fish, cv=3))
    assert count_events(client) > before


def test_optuna_s_trials_are_shared_by_the_workers(client, fish, tmp_path):
    pipeline = make_pipeline(tmp_path / "cache")
    search = OptunaSearchCV(
        pipeline,
        {"head__dropout": [0.2, 0.5], "head__hidden_units": [0, 8, 16]},
        n_trials=6,
        cv=2,
        study_name="on dask",
        storage=f"sqlite:///{tmp_path / 'study.db'}",
        random_state=0,
    )
    with joblib.parallel_config("dask"):
        search.fit(*fish)
    here = cross_val_score(pipeline.set_params(**search.best_params_), *fish, cv=2)
    assert search.best_score_ == here.mean()
    assert len(search.cv_results_["params"]) == 6
