"""From checked images to features: hashed, read from the store, or run through the network and stored."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

import joblib
import numpy as np

from fishsk._utils.progress import ProgressBar
from fishsk.features._counts import report_images
from fishsk.features._engine import load_network
from fishsk.features._images import Images
from fishsk.features._network import Settings
from fishsk.features._reading import find_error, forgive
from fishsk.features._rows import ViewRows

logger = logging.getLogger(__name__)

_BATCH_PIXELS = (
    8 * 224 * 224
)  # benchmarks/bench_features.py: the fastest batches at 224 and at 32 hold about this
_BATCH_BYTES = 2**26  # of files: a dozen photographs, or some seconds of one core
_BATCHES_AHEAD = 2  # that are read while the network runs
# Threads: Pillow, OpenCV and hashlib work outside the interpreter lock. joblib counts only the cores that
# this process may use.
N_READERS = joblib.cpu_count()
_HASHED_AT_ONCE = 64  # images at most that a thread is given, so that the bar moves
_UNREADABLE = bytes(32)  # the key of files that cannot be read, where that is forgiven
_FEW = 8  # new images of a call, computed in less time than it takes to force their rows to disk
WRITE_EVERY = 5.0  # seconds of work that a killed run may lose


def read_or_extract(
    images: Images,
    settings: Settings,
    *,
    cache: str | os.PathLike | None,
    batch_size: int | None,
    shown: bool,
) -> np.ndarray:
    """Return the features of images, run through the network where they are not stored.

    Parameters
    ----------
    images : Images
        Checked images.
    settings : Settings
        What their features are.
    cache : path-like or None
        The cache folder.
    batch_size : int or None
        As in `FrozenFeatures`.
    shown : bool
        Whether there are progress bars.
    """
    keys = _hash(images, shown)
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    unreadable = first.pop(_UNREADABLE, None)
    features = np.empty((len(images), settings.n_features), dtype=np.float32)
    rows = None if cache is None else ViewRows(cache, settings)
    found = np.zeros(len(images), dtype=bool) if rows is None else rows.read(keys, features)
    if unreadable is not None:
        bad = [index for index, key in enumerate(keys) if key == _UNREADABLE]
        features[bad], found[bad] = 0, True
    n_extracted = 0
    missing = [index for index in sorted(first.values()) if not found[index]]
    while missing:  # a full hit never loads the backbone, nor TensorFlow
        batches = _extract(images, missing, settings, batch_size, shown, keys, rows)
        changed = _fill(batches, images, len(missing), keys, features, rows)
        errors = {index: find_error(images.name(index)) for index in missing}
        bad = [index for index, error in errors.items() if error is not None]
        features[bad] = 0
        n_extracted += len(missing) - len(bad)
        found[missing] = True
        copies = [index for index in np.flatnonzero(~found).tolist() if first[keys[index]] not in changed]
        for index in copies:
            if error := errors.get(first[keys[index]]):
                forgive(images.name(index), error)
        features[copies] = features[[first[keys[index]] for index in copies]]
        found[copies] = True
        missing = np.flatnonzero(~found).tolist()  # whose twin has changed since it was hashed
    report_images(n_known=len(images) - n_extracted)
    return features


def _hash(images: Images, shown: bool) -> list[bytes]:
    """Return the keys of the images."""

    def digest(index: int) -> bytes:
        try:
            return images.digest(index)
        except (OSError, ValueError) as error:
            if forgive(images.name(index), error):
                return _UNREADABLE
            raise

    def hash_part(part: range) -> list[bytes]:
        return [digest(index) for index in part]

    n_images = len(images)
    if not images.are_large:
        return hash_part(range(n_images))
    step = min(_HASHED_AT_ONCE, 1 + n_images // (8 * N_READERS))
    parts = [range(start, min(start + step, n_images)) for start in range(0, n_images, step)]
    keys = []
    with (
        ProgressBar("Hash", n_images, unit="images", shown=shown) as bar,
        ThreadPoolExecutor(N_READERS) as readers,
    ):
        for part in readers.map(hash_part, parts):
            keys += part
            bar.advance(len(part))
    return keys


def _fill(
    batches: Iterator[_Batch],
    images: Images,
    n_missing: int,
    keys: list[bytes],
    features: np.ndarray,
    rows: ViewRows | None,
) -> set[int]:
    """Set and store rows; return the images whose files have changed since they were hashed."""
    start = time.perf_counter()
    unwritten: list[_Batch] = []
    changed: set[int] = set()
    for batch in batches:
        features[batch.indices] = batch.features
        report_images(n_extracted=len(batch.indices))
        for place, (index, digest) in enumerate(zip(batch.indices, batch.digests, strict=True)):
            if digest not in (None, keys[index]):
                changed.add(index)
                batch.is_new[place] = False
                logger.warning("%r changed while it was read, and is not stored.", images.name(index))
        if rows is not None:
            unwritten.append(batch)
            if time.perf_counter() - start > WRITE_EVERY:
                _write(unwritten, keys, rows, at_once=True)
                unwritten, start = [], time.perf_counter()
    if rows is not None and unwritten:
        _write(unwritten, keys, rows, at_once=n_missing > _FEW)
    return changed


def _write(batches: list[_Batch], keys: list[bytes], rows: ViewRows, *, at_once: bool) -> None:
    rows.write(
        [keys[index] for batch in batches for index in batch.indices],
        np.concatenate([batch.rows for batch in batches]),
        np.concatenate([batch.is_new for batch in batches]),
        at_once=at_once,
    )


class _Batch(NamedTuple):
    """Some images: their features, the rows of their views and which of these are new, their digests."""

    indices: list[int]
    features: np.ndarray
    rows: np.ndarray
    is_new: np.ndarray
    digests: list[bytes | None]


def _extract(
    images: Images,
    indices: list[int],
    settings: Settings,
    batch_size: int | None,
    shown: bool,
    keys: list[bytes],
    stored: ViewRows | None,
) -> Iterator[_Batch]:
    """Yield batches of images, run through the network in those of their views that are not stored.

    The next batches are read, by a thread for each core, while the network runs.
    """
    network = load_network(settings.of_plain_image, None if stored is None else stored.folder, shown=shown)

    def run(batch: list[int], loaded: np.ndarray, digests: list[bytes | None]) -> _Batch:
        rows = np.empty((len(batch), len(settings.views), settings.n_features), dtype=np.float32)
        is_new = np.ones(rows.shape[:2], dtype=bool)
        if stored is not None and len(settings.views) > 1:
            is_new = ~stored.read_views([keys[index] for index in batch], rows)
            # Rows of a file that has changed since it was hashed are of other pixels.
            is_new |= [[digest not in (None, keys[i])] for i, digest in zip(batch, digests, strict=True)]
        for number, view in enumerate(settings.views):
            chosen = is_new[:, number]
            if chosen.any():
                rows[chosen, number] = network(loaded if chosen.all() else loaded[chosen], view)
        return _Batch(batch, settings.average(rows.swapaxes(0, 1)), rows, is_new, digests)

    def load(part: list[int]) -> tuple[list[int], np.ndarray, list[bytes | None]]:
        try:
            return part, *images.load_hashed(part, settings.image_size, settings.resize)
        except (OSError, ValueError):
            kept = [index for index in part if _can_read(images, index)]
            return kept, *images.load_hashed(kept, settings.image_size, settings.resize)

    if len(indices) == 1 and not shown:  # threads and a bar would take longer than to read the image
        kept, loaded, digests = load(indices)
        if kept:
            yield run(kept, loaded, digests)
        return
    batches = _make_batches(images, indices, settings, batch_size)
    bar = ProgressBar(settings.backbone.name, len(indices), unit="images", shown=shown)
    with bar, ThreadPoolExecutor(N_READERS) as readers:

        def read(batch: list[int]) -> list[Future]:
            step = -(-len(batch) // N_READERS)
            parts = [batch[start : start + step] for start in range(0, len(batch), step)]
            return [readers.submit(load, part) for part in parts]

        ahead = deque(map(read, batches[:_BATCHES_AHEAD]))
        for number, batch in enumerate(batches):
            parts = [part.result() for part in ahead.popleft()]
            if number + _BATCHES_AHEAD < len(batches):
                ahead.append(read(batches[number + _BATCHES_AHEAD]))
            of_parts, arrays, digests_of_parts = zip(*parts, strict=True)
            if any(of_parts):
                pixels = np.concatenate(arrays) if len(arrays) > 1 else arrays[0]
                yield run([*chain.from_iterable(of_parts)], pixels, [*chain.from_iterable(digests_of_parts)])
            bar.advance(len(batch))


def _can_read(images: Images, index: int) -> bool:
    """Return whether an image can be decoded; raise where that is not forgiven."""
    try:
        with images.hold(index):
            return True
    except (OSError, ValueError) as error:
        if forgive(images.name(index), error):
            return False
        raise


def _make_batches(
    images: Images, indices: list[int], settings: Settings, batch_size: int | None
) -> list[list[int]]:
    """Divide indices into batches that suit the network; those of large files are read in seconds."""
    n_pixels = settings.image_size[0] * settings.image_size[1]
    most = batch_size or max(1, _BATCH_PIXELS // n_pixels)
    batches: list[list[int]] = [[]]
    n_bytes = 0
    for index in indices:
        size = 0 if batch_size else images.file_size(index)
        if batches[-1] and (len(batches[-1]) == most or n_bytes + size > _BATCH_BYTES):
            batches.append([])
            n_bytes = 0
        batches[-1].append(index)
        n_bytes += size
    return batches
