"""Fixtures that several test files share."""

import builtins
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as fishsk does; some tests import TensorFlow before it
if n_workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Each worker has its share of the cores: threads of one that wait for each other spin on those of others.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 1) // n_workers)))

import numpy as np
import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup():
    """Let each fixture draw the same numbers, and so each test, before which `own_folders` is set up.

    First weights of Keras and estimators without a `random_state` draw from these two.
    """
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


def pytest_collection_modifyitems(items):
    """Skip what needs the shared images where they are not, and say so."""
    if (SHARED / "cifar-100-binary" / "train.bin").is_file():
        return
    skip = pytest.mark.skip(reason="needs the development copy of CIFAR-100 in ../shared")
    for item in items:
        if "shared_data" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_dir():
    """Return the folder that holds ``cifar-100-binary``, for tests marked ``shared_data``."""
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def shared_folders(tmp_path_factory):
    """Give the fixtures of modules and sessions, in all workers, one feature cache that is not the user's."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FISHSK_CACHE", str(folder / "shared-cache"))
        patch.setenv("FISHSK_DATA", str(folder / "shared-data"))
        yield


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """Give every test a feature cache and a data folder of its own, also in its subprocesses."""
    # Pytest's own folders are numbered: it counts those that are there, thousands, for each.
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    for name in ("cache", "data"):
        (folder / name).mkdir()
        monkeypatch.setenv(f"FISHSK_{name.upper()}", str(folder / name))
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def rng():
    """Return a seeded generator."""
    return np.random.default_rng(0)


@pytest.fixture
def n_extracted():
    """Return a function that counts the images which have gone through VGG16 so far."""
    from fishsk import VGG16FeatureTransformer

    with VGG16FeatureTransformer.count_images() as count:
        yield lambda: count.n_extracted


@pytest.fixture
def counts(monkeypatch):
    """Return how often each image file has been opened, and how often decoded."""
    from fishsk.features import IMAGE_SUFFIXES, _decoding, _sequence

    reads, decodes = Counter(), Counter()
    plain_open, decode = builtins.open, _decoding.decode

    def count_open(file, mode="r", *args, **kwargs):
        if str(file).endswith(IMAGE_SUFFIXES) and "r" in mode:
            reads[str(file)] += 1
        return plain_open(file, mode, *args, **kwargs)

    def count_decode(content, name):
        decodes[name] += 1
        return decode(content, name)

    monkeypatch.setattr(builtins, "open", count_open)
    for module in (_decoding, _sequence):
        monkeypatch.setattr(module, "decode", count_decode)
    return reads, decodes
