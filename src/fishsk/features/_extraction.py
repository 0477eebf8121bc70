"""From checked images to features in one pass: hashed, looked up, and where new run through networks."""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, groupby
from typing import NamedTuple

import joblib
import numpy as np

from fishsk._utils.progress import ProgressBar
from fishsk._utils.reading import find_reading
from fishsk.features._counts import report_images
from fishsk.features._engine import load_network
from fishsk.features._images import Images
from fishsk.features._network import Settings
from fishsk.features._resizing import resize_image
from fishsk.features._rows import ViewRows

_CHUNK_BYTES = 2**27  # of files, which are kept until they are decoded
_CHUNK = 2**13  # images at most of which the store is asked at once
# The fastest batches at 224 and at 32 pixels hold about this: benchmarks/bench_features.py.
_BATCH_PIXELS = 8 * 224 * 224
_BATCH_BYTES = 2**26  # of files: a dozen photographs, or some seconds of one core
_BATCHES_AHEAD = 2  # that are read while the network runs
# Threads: Pillow, OpenCV and hashlib work outside the interpreter lock. joblib counts only the cores that
# this process may use.
N_READERS = joblib.cpu_count()
_HASHED_AT_ONCE = 64  # images at most that a thread is given
_UNREADABLE = bytes(32)  # the key of files that cannot be read, where that is forgiven
_FEW = 8  # new images of a call, computed in less time than it takes to force their rows to disk
WRITE_EVERY = 5.0  # seconds of work that a killed run may lose


class Part:
    """One network's part in a pass over images.

    `features` is what it makes of the images, as far as the pass has come; `missing` says which images of the
    chunk that is in work it has to see.
    """

    def __init__(
        self, settings: Settings, n_images: int, *, cache: str | os.PathLike | None, batch_size: int | None
    ) -> None:
        self.settings = settings
        self.features = np.empty((n_images, settings.n_features), dtype=np.float32)
        self.rows = None if cache is None else ViewRows(cache, settings)
        n_pixels = settings.image_size[0] * settings.image_size[1]
        self.batch_size = batch_size or max(1, _BATCH_PIXELS // n_pixels)
        self.missing: set[int] = set()
        self._copies: dict[int, int] = {}
        self._first: dict[bytes, int] = {}  # the image of each key that this pass has made features of
        self._n_extracted = 0
        self._unwritten: list[_Batch] = []
        self._written = time.perf_counter()

    def look_up(self, chunk: range, keys: Sequence[bytes]) -> None:
        """Set the features of those images of a chunk that are stored; the others are missing, or copies."""
        found = np.zeros(len(chunk), dtype=bool)
        if self.rows is not None:
            found = self.rows.read(keys, self.features[chunk.start : chunk.stop])
        self.missing, self._copies = set(), {}
        first: dict[bytes, int] = {}
        for index, key, is_found in zip(chunk, keys, found.tolist(), strict=True):
            if key == _UNREADABLE:
                self.features[index] = 0
            elif not is_found:
                twin = self._first[key] if key in self._first else first.setdefault(key, index)
                if twin == index:
                    self.missing.add(index)
                else:
                    self._copies[index] = twin

    def run(self, indices: list[int], pixels: np.ndarray, keys: Mapping[int, bytes], *, shown: bool) -> None:
        """Set the features of images that are missing, of their resized pixels."""
        settings, stored = self.settings, self.rows
        folder = None if stored is None else stored.folder
        network = load_network(settings.of_plain_image, folder, shown=shown)
        batch = _Batch(
            [keys[index] for index in indices],
            np.empty((len(indices), len(settings.views), settings.n_features), dtype=np.float32),
            np.ones((len(indices), len(settings.views)), dtype=bool),
        )
        if stored is not None and len(settings.views) > 1:
            batch.is_new[:] = ~stored.read_views(batch.keys, batch.rows)
        for number, view in enumerate(settings.views):
            chosen = batch.is_new[:, number]
            if chosen.any():
                batch.rows[chosen, number] = network(pixels if chosen.all() else pixels[chosen], view)
        self.features[indices] = settings.average(batch.rows.swapaxes(0, 1))
        self._first.update(zip(batch.keys, indices, strict=True))
        self._n_extracted += len(indices)
        report_images(n_extracted=len(indices))
        if stored is not None:
            self._unwritten.append(batch)
            if time.perf_counter() - self._written > WRITE_EVERY:
                self._write(durable=True)

    def copy(self, images: Images, bad: Mapping[int, str]) -> None:
        """Set the features of copies, and of images that could not be decoded."""
        self.features[[index for index in self.missing if index in bad]] = 0
        for index, twin in self._copies.items():
            self.features[index] = self.features[twin]
            if twin in bad:
                _forgive(images.name(index), bad[twin])

    def finish(self) -> None:
        """Write what is not written yet, and count what was known."""
        if self._unwritten:
            self._write(durable=self._n_extracted > _FEW)
        report_images(n_known=len(self.features) - self._n_extracted)

    def _write(self, *, durable: bool) -> None:
        assert self.rows is not None
        self.rows.write(
            [key for batch in self._unwritten for key in batch.keys],
            np.concatenate([batch.rows for batch in self._unwritten]),
            np.concatenate([batch.is_new for batch in self._unwritten]),
            durable=durable,
        )
        self._unwritten, self._written = [], time.perf_counter()


class _Batch(NamedTuple):
    """Some images: their keys, the rows of their views, and which of these are new."""

    keys: list[bytes]
    rows: np.ndarray
    is_new: np.ndarray


class _Loaded(NamedTuple):
    """Images for one network: which, and their resized pixels."""

    indices: list[int]
    pixels: list[np.ndarray]


def read_or_extract(images: Images, parts: Sequence[Part], *, shown: bool) -> None:
    """Set the features of images, of several networks at once: a full hit loads none of them, nor TensorFlow.

    Each file is read once, and decoded once where a network must see it.
    """
    with contextlib.ExitStack() as stack:
        readers: ThreadPoolExecutor | None = None
        advance: Callable[[int], None] = _do_nothing
        if shown or len(images) > 1:  # threads and a bar would take longer than to read a single image
            names = dict.fromkeys(part.settings.backbone.name for part in parts)
            bar = ProgressBar(" + ".join(names), len(images), unit="images", shown=shown)
            advance = stack.enter_context(bar).advance
            readers = stack.enter_context(ThreadPoolExecutor(N_READERS))
        for chunk in _cut(images):
            _run_chunk(images, chunk, parts, readers, advance, shown=shown)
    for part in parts:
        part.finish()


def _do_nothing(n_done: int) -> None:
    """Stand in for a progress bar."""


def _cut(images: Images) -> Iterator[range]:
    """Yield consecutive images, the files of which take a bounded part of the memory."""
    start, n_bytes = 0, 0
    for index in range(len(images)):
        size = images.file_size(index)
        if index > start and (index - start == _CHUNK or n_bytes + size > _CHUNK_BYTES):
            yield range(start, index)
            start, n_bytes = index, 0
        n_bytes += size
    yield range(start, len(images))


def _run_chunk(
    images: Images,
    chunk: range,
    parts: Sequence[Part],
    readers: ThreadPoolExecutor | None,
    advance: Callable[[int], None],
    *,
    shown: bool,
) -> None:
    """Set the features of some images."""
    keys = {index: key for index in chunk if (key := images.recall(index)) is not None}
    contents: dict[int, bytes | None] = {}
    unread: Sequence[int] = [index for index in chunk if index not in keys]
    while True:
        keys |= _read(images, unread, contents, readers)
        for part in parts:
            part.look_up(chunk, [keys[index] for index in chunk])
        missing = sorted(set().union(*(part.missing for part in parts)))
        unread = [index for index in missing if index not in contents]
        if not unread:  # else they were read before, but what was made of them is not stored
            break
    advance(len(chunk) - len(missing))
    bad: dict[int, str] = {}

    def load(indices: list[int]) -> list[_Loaded]:
        """Decode files once, and resize the images in each for each network that has to see them."""
        loaded = [_Loaded([], []) for _ in parts]
        for _, boxes in groupby(indices, images.file):
            first, *others = boxes
            with _forgiven(images, [first, *others], bad), images.hold_file(first, contents[first]) as whole:
                for index in (first, *others):
                    with _forgiven(images, [index], bad):
                        image = images.crop(index, whole)
                        for part, (kept, pixels) in zip(parts, loaded, strict=True):
                            if index in part.missing:
                                size, resize = part.settings.image_size, part.settings.resize
                                pixels.append(resize_image(image, size, resize))
                                kept.append(index)
        return loaded

    batches = _make_batches(missing, parts, contents)
    for batch, of_readers in zip(batches, _load_ahead(images, batches, load, readers), strict=True):
        for part, loaded in zip(parts, zip(*of_readers, strict=True), strict=True):
            indices = [*chain.from_iterable(each.indices for each in loaded)]
            if indices:
                pixels = np.stack([*chain.from_iterable(each.pixels for each in loaded)], dtype=np.float32)
                part.run(indices, pixels, keys, shown=shown)
        advance(len(batch))
    for part in parts:
        part.copy(images, bad)


def _read(
    images: Images,
    indices: Sequence[int],
    contents: dict[int, bytes | None],
    readers: ThreadPoolExecutor | None,
) -> dict[int, bytes]:
    """Return the keys of images, and keep the contents of their files."""
    first: dict[str, int] = {}  # of the images in each file
    chosen = [index for index in indices if first.setdefault(images.file(index), index) == index]

    def read(index: int) -> bytes:
        try:
            content = contents[index] = images.read(index)
        except (OSError, ValueError) as error:
            if _forgive(images.name(index), error):
                return _UNREADABLE
            raise
        return images.digest(index, content)

    def read_part(part: Sequence[int]) -> list[bytes]:
        return [read(index) for index in part]

    if readers is None or not images.are_large:
        keys = dict(zip(chosen, read_part(chosen), strict=True))
    else:
        step = min(_HASHED_AT_ONCE, 1 + len(chosen) // (8 * N_READERS))
        parts = [chosen[start : start + step] for start in range(0, len(chosen), step)]
        keys = dict(zip(chosen, chain.from_iterable(readers.map(read_part, parts)), strict=True))
    for index in indices:  # further boxes
        leader = first[images.file(index)]
        if index not in keys and keys[leader] == _UNREADABLE:
            keys[index] = read(index)
        elif index not in keys:
            contents[index] = contents[leader]
            keys[index] = images.digest(index, contents[index])
    return keys


def _make_batches(
    indices: list[int], parts: Sequence[Part], contents: Mapping[int, bytes | None]
) -> list[list[int]]:
    """Divide images into batches that suit the networks; those of large files are read in seconds."""
    most = min((part.batch_size for part in parts if part.missing), default=1)
    batches: list[list[int]] = []
    n_bytes = 0
    for index in indices:
        size = len(contents[index] or b"")
        if not batches or len(batches[-1]) == most or n_bytes + size > _BATCH_BYTES:
            batches.append([])
            n_bytes = 0
        batches[-1].append(index)
        n_bytes += size
    return batches


def _load_ahead(
    images: Images,
    batches: list[list[int]],
    load: Callable[[list[int]], list[_Loaded]],
    readers: ThreadPoolExecutor | None,
) -> Iterator[list[list[_Loaded]]]:
    """Yield what is loaded of each batch; the next ones are loaded meanwhile, by a thread for each core."""
    if readers is None:
        yield from ([load(batch)] for batch in batches)
        return

    def submit(batch: list[int]) -> list[Future]:
        files = [
            [*boxes] for _, boxes in groupby(batch, images.file)
        ]  # one thread decodes all boxes of a file
        step = -(-len(files) // N_READERS)
        return [
            readers.submit(load, [*chain.from_iterable(files[start : start + step])])
            for start in range(0, len(files), step)
        ]

    ahead = deque(map(submit, batches[:_BATCHES_AHEAD]))
    for number in range(len(batches)):
        loaded = [part.result() for part in ahead.popleft()]
        if number + _BATCHES_AHEAD < len(batches):
            ahead.append(submit(batches[number + _BATCHES_AHEAD]))
        yield loaded


@contextlib.contextmanager
def _forgiven(images: Images, indices: Sequence[int], bad: dict[int, str]) -> Iterator[None]:
    """Let images be bad, if somebody wants to know which are, and add them to `bad`."""
    try:
        yield
    except (OSError, ValueError) as error:
        for index in indices:
            if not _forgive(images.name(index), error):
                raise
            bad[index] = str(error)


def _forgive(name: str, error: Exception | str) -> bool:
    """Return whether somebody wants to know which files cannot be read, and is told this one."""
    reading = find_reading()
    return reading is not None and reading.forgive(name, error)
