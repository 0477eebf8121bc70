"""Without installed metadata, as in a copy of the source, fishsk works and knows its version."""

import importlib.metadata
import pickle

import pytest
from sklearn.base import clone

import fishsk
from fishsk import KerasHeadClassifier
from fishsk._utils.versions import find_version


@pytest.fixture
def without_metadata(monkeypatch):
    def fail(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    monkeypatch.setattr("fishsk._utils.versions.version", fail)
    find_version.cache_clear()
    yield
    find_version.cache_clear()


def test_copies_and_pickles_need_no_metadata(without_metadata):
    head = clone(KerasHeadClassifier(hidden_units=3))
    assert pickle.loads(pickle.dumps(head)).hidden_units == 3


def test_the_version_of_fishsk_is_known_and_that_of_others_is_none(without_metadata):
    assert find_version("fishsk") == fishsk.__version__
    assert find_version("numpy") is None
