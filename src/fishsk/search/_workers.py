"""Processes that work on a study, and what they do when its storage is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

from fishsk._utils.progress import ProgressBar
from fishsk.search._study import open_storage, quiet_optuna
from fishsk.search._trials import finished_trials


def run_worker(
    work: Callable[[Any], None], location: Any, study_name: str, sampler: Any, pruner: Any, verbose: int
) -> None:
    """Work on a study in a process of its own."""
    import optuna

    sampler.reseed_rng()
    with quiet_optuna(verbose), open_storage(location) as storage, lost_storage_is_an_os_error():
        work(optuna.load_study(study_name=study_name, storage=storage, sampler=sampler, pruner=pruner))


@contextmanager
def lost_storage_is_an_os_error() -> Iterator[None]:
    """Say in one error that a database server went away, or a disk is full, in the middle of a search."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Exception as error:
        cause: BaseException | None = error  # which Optuna may have met while it handled another error
        while cause is not None and not isinstance(cause, SQLAlchemyError | StorageInternalError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        raise OSError(
            f"The storage of the search was lost: {cause}. The trials that had finished are kept in it. Run "
            "the same search again to go on."
        ) from error


def count_workers(n_jobs: int | None, n_trials: int | None, storage: Any) -> int:
    """Return how many processes are to work; threads would mix up global seeds."""
    from optuna.storages import InMemoryStorage

    backend, _ = get_active_backend(prefer="processes")
    if getattr(backend, "supports_sharedmem", False):
        return 1
    n_workers = effective_n_jobs(n_jobs)
    if n_workers > 1 and isinstance(storage, InMemoryStorage):
        raise ValueError(
            f"storage must be one that processes can share for n_jobs={n_jobs!r}. "
            f"Got {storage!r}. Name a file or a database's URL, or leave storage=None."
        )
    return n_workers if n_trials is None else min(n_workers, n_trials)


@contextmanager
def show_progress(study: Any, storage: Any, n_trials: int | None, verbose: int) -> Iterator[None]:
    """Show how many trials the study holds, whichever process runs them."""
    if not verbose:
        yield
        return

    stop = threading.Event()

    def show() -> None:
        last = False
        while not last:
            last = stop.wait(0.5)
            bar.move_to(len(finished_trials(study)))
        storage.remove_session()

    with ProgressBar("Trials", n_trials, unit="trials") as bar, ThreadPoolExecutor(1) as pool:
        pool.submit(show)
        try:
            yield
        finally:
            stop.set()
