"""From checked images to features: hashed, read from the store, or run through the network and stored."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from fishsk._utils.progress import ProgressBar
from fishsk.features._counts import report_images
from fishsk.features._images import Images
from fishsk.features._network import Settings, load_network
from fishsk.store import KeptStore, default_folder, open_store

logger = logging.getLogger(__name__)

_BATCH_PIXELS = (
    8 * 224 * 224
)  # benchmarks/bench_features.py: the fastest batches at 224 and at 32 hold about this
_BATCHES_AHEAD = 2  # that are read while the network runs
N_READERS = os.cpu_count() or 1  # threads; Pillow, OpenCV and hashlib work outside the interpreter lock
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
    cache, batch_size
        As in `VGG16FeatureTransformer`.
    shown : bool
        Whether there are progress bars.
    """
    keys = _hash(images, shown)
    first = {key: index for index, key in reversed(list(enumerate(keys)))}
    store = None
    if cache is None:
        features = np.empty((len(images), settings.n_features), dtype=np.float32)
        found = np.zeros(len(images), dtype=bool)
    else:
        folder = default_folder() if cache == "auto" else cache
        store = open_store(folder, settings.to_json(), settings.n_features)
        features, found = store.read(keys)
    n_extracted = 0
    missing = [index for index in sorted(first.values()) if not found[index]]
    while missing:  # a full hit never loads the backbone, nor TensorFlow
        batches = _extract(images, missing, settings, batch_size, shown)
        changed = _fill(batches, images, len(missing), keys, features, store)
        n_extracted += len(missing)
        found[missing] = True
        copies = [index for index in np.flatnonzero(~found) if first[keys[index]] not in changed]
        features[copies] = features[[first[keys[index]] for index in copies]]
        found[copies] = True
        missing = np.flatnonzero(~found).tolist()  # whose twin has changed since it was hashed
    report_images(n_extracted, len(images) - n_extracted)
    return features


def _hash(images: Images, shown: bool) -> list[bytes]:
    """Return the keys of the images."""
    if not images.are_files:
        return [images.digest(index) for index in range(len(images))]
    bar = ProgressBar("Hash files", len(images), unit="images", shown=shown)
    keys = []
    with bar, ThreadPoolExecutor(N_READERS) as readers:
        for key in readers.map(images.digest, range(len(images))):
            keys.append(key)
            bar.advance(1)
    return keys


def _fill(
    batches: Iterator[tuple[list[int], np.ndarray, list[bytes | None]]],
    images: Images,
    n_missing: int,
    keys: list[bytes],
    features: np.ndarray,
    store: KeptStore | None,
) -> set[int]:
    """Set and store rows of `features`; return those whose files changed since they were hashed."""
    start = time.perf_counter()
    unwritten: list[int] = []
    n_done = 0
    changed: set[int] = set()
    for batch, rows, digests in batches:
        features[batch] = rows
        n_done += len(batch)
        for index, digest in zip(batch, digests, strict=True):
            if digest in (None, keys[index]):
                unwritten.append(index)
            else:
                changed.add(index)
                logger.warning("%r changed while it was read, and is not stored.", str(images.items[index]))
        late = time.perf_counter() - start > WRITE_EVERY
        if store is not None and unwritten and (late or n_done == n_missing):
            write = store.write if late or n_missing > _FEW else store.write_few
            write([keys[index] for index in unwritten], features[unwritten])
            unwritten, start = [], time.perf_counter()
    return changed


def _extract(
    images: Images, indices: list[int], settings: Settings, batch_size: int | None, shown: bool
) -> Iterator[tuple[list[int], np.ndarray, list[bytes | None]]]:
    """Yield batches of indices, their features and the digests of what was read.

    The next batches are read, by a thread for each core, while the network runs.
    """
    run = load_network(settings)
    n_pixels = settings.image_size[0] * settings.image_size[1]
    batch_size = batch_size or max(1, _BATCH_PIXELS // n_pixels)
    batches = [indices[start : start + batch_size] for start in range(0, len(indices), batch_size)]
    if len(indices) == 1 and not shown:  # threads and a bar would take longer than to read the image
        loaded, digests = images.load_hashed(indices, settings.image_size)
        yield indices, run(settings.preprocessing(loaded)), digests
        return
    bar = ProgressBar("VGG16", len(indices), unit="images", shown=shown)
    with bar, ThreadPoolExecutor(N_READERS) as readers:

        def read(batch: list[int]) -> list[Future]:
            step = -(-len(batch) // N_READERS)
            parts = [batch[start : start + step] for start in range(0, len(batch), step)]
            return [readers.submit(images.load_hashed, part, settings.image_size) for part in parts]

        ahead = deque(map(read, batches[:_BATCHES_AHEAD]))
        for number, batch in enumerate(batches):
            parts = [part.result() for part in ahead.popleft()]
            if number + _BATCHES_AHEAD < len(batches):
                ahead.append(read(batches[number + _BATCHES_AHEAD]))
            loaded = np.concatenate([part for part, _ in parts]) if len(parts) > 1 else parts[0][0]
            digests = [digest for _, part in parts for digest in part]
            yield batch, run(settings.preprocessing(loaded)), digests
            bar.advance(len(batch))
