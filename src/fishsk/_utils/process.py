"""Keep TensorFlow out of processes that were forked after it had run."""

from __future__ import annotations

import os

_owner: int | None = None


def check_not_forked() -> None:
    """Raise RuntimeError if TensorFlow has run in the process that this one was forked from.

    A forked child inherits TensorFlow's locks, but not the threads that would release them, so that its first
    operation waits for ever. Whatever is about to run TensorFlow calls this first.
    """
    global _owner
    pid = os.getpid()
    if _owner is None:
        _owner = pid
    elif _owner != pid:
        raise RuntimeError(
            f"TensorFlow has run in process {_owner}, and this process, {pid}, was forked from it, so that "
            "TensorFlow would hang here. Start processes with joblib's 'loky' backend (n_jobs does), or with "
            "multiprocessing.get_context('spawn')."
        )
