"""Python's and NumPy's global random state: lent seeded, and given back as it was."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

_lock = threading.RLock()


@contextmanager
def preserved_random(seed: int | None = None) -> Iterator[None]:
    """Give the global random state back as it was; with a `seed`, lend it seeded.

    Keras draws the seeds of layers and initializers that were given none from Python's global generator.
    """
    with _lock:
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
