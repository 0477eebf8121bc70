"""Private names of Keras 3.15."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras
from keras.src.models.functional import Functional
from keras.src.utils import file_utils

__all__ = ["Download", "Functional", "build_from", "find_download", "forget_model", "take_initial_epoch"]

_lock = threading.Lock()


class Download(NamedTuple):
    """A file that Keras would download: its name there, its URL, and its hash, where Keras has one."""

    name: str
    url: str
    known_hash: str | None


class _AskedForError(Exception):
    """Keras has asked for a file."""


def find_download(build: Callable[[], Any]) -> Download:
    """Return what a function of keras.applications would download, and let it do nothing further."""

    def ask(fname: str, origin: str, *, file_hash: str | None = None, **_: Any) -> str:
        raise _AskedForError(fname, origin, file_hash)

    with _getting_files_by(ask):
        try:
            build()
        except _AskedForError as asked:
            name, url, digest = asked.args
            kind = {32: "md5", 64: "sha256"}.get(len(digest or ""))
            return Download(name, url, kind and f"{kind}:{digest}")
    raise ValueError("the function must want to download weights")


def build_from(build: Callable[[], Any], path: str) -> Any:
    """Return what a function of keras.applications builds, with a file that is there for its download."""
    with _getting_files_by(lambda *_, **__: path):
        return build()


@contextlib.contextmanager
def _getting_files_by(get_file: Callable[..., str]) -> Iterator[None]:
    """Let Keras ask a function for files, in this thread alone."""
    thread = threading.get_ident()
    with _lock:
        of_keras = file_utils.get_file

        def choose(*args: Any, **kwargs: Any) -> str:
            return (get_file if threading.get_ident() == thread else of_keras)(*args, **kwargs)

        file_utils.get_file = choose
        try:
            yield
        finally:
            file_utils.get_file = of_keras


def forget_model(callback: keras.callbacks.Callback) -> None:
    """Take the model away from a callback; `set_model`, the public way, does more in some callbacks."""
    callback._model = None


def take_initial_epoch(model: keras.Model) -> int:
    """Return the epoch in which BackupAndRestore wants `model` to go on, 0 unless it does; once."""
    epoch, model._initial_epoch = model._initial_epoch or 0, None
    return epoch
