"""TensorFlow, loaded in silence."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fishsk._utils.versions import check_tensorflow
from fishsk.cli._screen import Screen


def load_tensorflow(screen: Screen) -> None:
    """Import TensorFlow, without what its C++ writes to standard error whatever the log level is.

    Commands that train call it before they import whatever imports TensorFlow. Those that only answer do not:
    most models answer without it.
    """
    check_tensorflow()
    with screen.stage("load TensorFlow"), _silent_file_descriptor(2):
        import tensorflow  # noqa: F401


@contextmanager
def _silent_file_descriptor(descriptor: int) -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(descriptor)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
