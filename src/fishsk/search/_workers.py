"""Processes that work on a study, and what they do when its storage is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import effective_n_jobs
from joblib.parallel import get_active_backend

from fishsk._utils.progress import ProgressBar
from fishsk.search._study import open_storage, quiet_optuna
from fishsk.search._trials import finished_trials, in_background


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
    try:
        yield
    except Exception as error:
        cause = _find_storage_error(error)
        if cause is None:
            raise
        raise OSError(
            f"The storage of the search was lost: {cause}. The trials that had finished are kept in it. Run "
            "the same search again to go on."
        ) from error


def _find_storage_error(error: BaseException | None) -> BaseException | None:
    """Return what a storage raised, which Optuna may have met while it handled another error."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    while error is not None and not isinstance(error, SQLAlchemyError | StorageInternalError):
        error = error.__cause__ or error.__context__
    return error


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

    def show(stop: threading.Event) -> None:
        while True:
            last = stop.wait(0.5)
            bar.move_to(len(finished_trials(study)))
            if last:
                storage.remove_session()
                return

    with ProgressBar("Trials", n_trials, unit="trials") as bar, in_background(show):
        yield
