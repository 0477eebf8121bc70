"""Without installed metadata, as in a copy of the source, fishsk works and knows its version."""

import email.message
import importlib.metadata
import pickle

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_html_repr

import fishsk
from fishsk import KerasHeadClassifier
from fishsk._utils.versions import find_url, find_version, link_documentation


@pytest.fixture
def without_metadata(monkeypatch):
    def fail(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", fail)
    monkeypatch.setattr("fishsk._utils.versions.version", fail)
    monkeypatch.setattr("fishsk._utils.versions.metadata", fail)
    find_version.cache_clear()
    find_url.cache_clear()
    yield
    find_version.cache_clear()
    find_url.cache_clear()


def test_copies_and_pickles_need_no_metadata(without_metadata):
    head = clone(KerasHeadClassifier(hidden_units=3))
    assert pickle.loads(pickle.dumps(head)).hidden_units == 3


def test_the_version_of_fishsk_is_known_and_that_of_others_is_none(without_metadata):
    assert find_version("fishsk") == fishsk.__version__
    assert find_version("numpy") is None


@pytest.fixture
def with_address(monkeypatch):
    message = email.message.Message()
    message["Project-URL"] = "Documentation, https://docs.example/"
    monkeypatch.setattr("fishsk._utils.versions.metadata", lambda _: message)
    find_url.cache_clear()
    yield
    find_url.cache_clear()


def test_the_diagram_of_an_estimator_links_to_its_page(with_address, monkeypatch):
    for name in ("KerasHeadClassifier", "OptunaSearchCV", "VGG16FeatureTransformer"):
        cls = getattr(fishsk, name)
        module, template = link_documentation()
        assert cls._doc_link_module == module
        monkeypatch.setattr(cls, "_doc_link_template", template)
    page = "https://docs.example/api/generated/fishsk.KerasHeadClassifier.html"
    assert f'href="{page}"' in estimator_html_repr(KerasHeadClassifier())


def test_without_an_address_a_diagram_has_no_link(without_metadata):
    assert find_url("Documentation") == ""
    assert link_documentation() == ("fishsk", "")
