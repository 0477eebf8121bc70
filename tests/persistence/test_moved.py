"""What version 0.1.0 wrote, when the package was a flat list of modules, still loads."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fishsk
from fishsk.datasets import make_fish_images

DATA = Path(__file__).parents[1] / "data"

pytestmark = [
    pytest.mark.filterwarnings("ignore:Trying to unpickle estimator"),  # of another scikit-learn
    pytest.mark.filterwarnings("ignore:.* by fishsk 0.1.0, and is:UserWarning"),
]


def check(pipeline):
    X, _ = make_fish_images(60, random_state=0)
    expected = np.load(DATA / "pipeline-0.1.0.npy")  # with AVX-512: other processors have other last bits
    np.testing.assert_allclose(pipeline.predict_proba(X[:5]), expected, rtol=1e-12)


def test_a_pickle_of_a_pipeline():
    check(pickle.loads((DATA / "pipeline-0.1.0.pkl").read_bytes()))


def test_a_file_of_save_pipeline():
    check(fishsk.load_pipeline(DATA / "pipeline-0.1.0.fishsk"))


def test_a_pickle_of_a_search_with_its_study():
    search = pickle.loads((DATA / "search-0.1.0.pkl").read_bytes())
    assert len(search.study_.trials) == len(search.cv_results_["params"]) == 2
    assert search.study_.sampler.seed == pickle.loads(pickle.dumps(search)).study_.sampler.seed


def test_old_names_cost_nothing_until_they_are_asked_for():
    program = "import sys, fishsk; print(any(name.startswith('fishsk._head') for name in sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
