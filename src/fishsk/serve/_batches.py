"""Answer what many threads ask together: whatever waits while the network runs is its next batch."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeAlias

Answer: TypeAlias = dict[str, object]
_MOST = 16  # that run together: more are no faster, and the first would wait longer


class Batches:
    """One thread that answers in batches of at most `most` images; nothing waits for a batch to fill."""

    def __init__(self, answer: Callable[[list[bytes]], list[Answer]], *, most: int = _MOST) -> None:
        self._answer = answer
        self._most = most
        self._waiting: queue.SimpleQueue[tuple[bytes, Future[Answer]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="fishsk-batches", daemon=True).start()

    @property
    def n_waiting(self) -> int:
        """How many images are not in work yet."""
        return self._waiting.qsize()

    def submit(self, image: bytes) -> Future[Answer]:
        """Return the future answer to one image."""
        future: Future[Answer] = Future()
        self._waiting.put((image, future))
        return future

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < self._most and not self._waiting.empty():  # no other thread takes any
                batch.append(self._waiting.get())
            self._finish([each for each in batch if each[1].set_running_or_notify_cancel()])
            del batch  # while this thread waits

    def _finish(self, batch: list[tuple[bytes, Future[Answer]]]) -> None:
        try:
            answers = self._answer([image for image, _ in batch]) if batch else []
        except BaseException as error:  # whoever asked is told, and the thread goes on
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)
