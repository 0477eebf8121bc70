"""set_output and metadata requests in files of save_pipeline."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fishsk import KerasHeadClassifier, load_pipeline, save_pipeline


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(20, 3)), columns=["a", "b", "c"]), np.repeat(["ray", "shark"], 10)


def make(**params):
    head = KerasHeadClassifier(hidden_units=2, epochs=1, validation_fraction=0, random_state=0, **params)
    return make_pipeline(StandardScaler(), head)


@pytest.mark.filterwarnings("error:X does not have valid feature names")
def test_set_output_is_kept(table, tmp_path):
    pipeline = make().set_output(transform="pandas").fit(*table)
    save_pipeline(pipeline, tmp_path / "a.fishsk")
    loaded = load_pipeline(tmp_path / "a.fishsk")
    np.testing.assert_array_equal(loaded.predict_proba(table[0]), pipeline.predict_proba(table[0]))
    assert loaded[:-1].transform(table[0]).columns.tolist() == ["a", "b", "c"]


def test_requests_are_kept_for_a_weighted_refit(table, tmp_path):
    weight = np.linspace(0.1, 1, 20)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make()
        pipeline[0].set_fit_request(sample_weight=False)
        pipeline[1].set_fit_request(sample_weight=True).set_score_request(sample_weight="weight")
        pipeline.fit(*table, sample_weight=weight)
        save_pipeline(pipeline, tmp_path / "a.fishsk")
        loaded = load_pipeline(tmp_path / "a.fishsk")
        assert str(loaded.get_metadata_routing()) == str(pipeline.get_metadata_routing())
        again = loaded.fit(*table, sample_weight=weight)
    np.testing.assert_array_equal(again.predict_proba(table[0]), pipeline.predict_proba(table[0]))
