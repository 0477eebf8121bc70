"""What every report says of itself: seconds, versions, and digests of what it looked at."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
from collections.abc import Iterator
from typing import Any

from fishsk._utils.versions import find_version
from fishsk.inspection import find_fitted
from fishsk.report._album import ImageSet

_PACKAGES = ("fishsk", "scikit-learn", "numpy", "tensorflow", "keras", "scikeras", "opencv-python-headless")


class Timings:
    """The seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start


def find_digests(estimator: Any, test: ImageSet, train: ImageSet | None) -> dict[str, str]:
    """Return the SHA-256 of the images with their labels or numbers, and of the frozen weights."""
    digests = {"Test images and labels": _digest(test)}
    if train is not None:
        digests["Training images and labels"] = _digest(train)
    for step in find_fitted(estimator).get_params().values():
        if hasattr(step, "weights_digest") and step.weights_digest not in digests.values():
            n_weights = sum(name.startswith("Frozen weights") for name in digests)
            digests[f"Frozen weights{f' {n_weights + 1}' if n_weights else ''}"] = step.weights_digest
    return digests


def describe_run(timings: Timings) -> dict[str, Any]:
    """Return versions and seconds."""
    versions = {"Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}"}
    found = {package: find_version(package) for package in _PACKAGES}
    versions |= {package: version for package, version in found.items() if version is not None}
    return {"versions": versions, "timings": timings.seconds}


def _digest(data: ImageSet) -> str:
    """Return the SHA-256 of the images' contents and their labels, in their order."""
    content = hashlib.sha256()
    for index in range(len(data.images)):
        content.update(data.images.digest(index))
    content.update(repr(None if data.y is None else data.y.tolist()).encode())
    return content.hexdigest()
