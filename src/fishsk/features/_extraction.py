"""From checked images to features in one pass: hashed, looked up, and where new run through networks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, compress, groupby, islice

import joblib
import numpy as np
from sklearn.utils import gen_even_slices

from fishsk._utils.files import StrPath
from fishsk._utils.progress import ProgressBar
from fishsk._utils.reading import find_reading
from fishsk.features._engine import load_network
from fishsk.features._images import Images
from fishsk.features._network import Settings, View
from fishsk.features._resizing import resize_image
from fishsk.store import open_store

_CHUNK_BYTES = 2**27  # of files, which are kept until they are decoded
_CHUNK = 2**13  # images at most of which the store is asked at once
# The fastest batches at 224 and at 32 pixels hold about this: benchmarks/bench_features.py.
_BATCH_PIXELS = 8 * 224 * 224
_BATCH_BYTES = 2**26  # of files: a dozen photographs, or some seconds of one core
_BATCHES_AHEAD = 2  # that are read while the network runs
# Threads: Pillow, OpenCV and hashlib work outside the interpreter lock. joblib counts only the cores that
# this process may use.
N_READERS = joblib.cpu_count()
_UNREADABLE = bytes(32)  # the key of files that cannot be read, where that is forgiven
_FEW = 8  # new images of a call, computed in less time than it takes to force their rows to disk
WRITE_EVERY = 5.0  # seconds of work that a killed run may lose

_lock = threading.Lock()
_open_counts: list[ImageCount] = []

_Resized = list[dict[int, np.ndarray]]  # for each network, the images that it has to see


@dataclass(eq=False)
class ImageCount:
    """Images of the calls of `transform` since the count was opened."""

    n_extracted: int = 0
    n_known: int = 0


@contextlib.contextmanager
def count_images() -> Iterator[ImageCount]:
    """Count the images that `transform` runs through networks, and those whose features are known.

    Returns
    -------
    context manager
        It gives an object whose `n_extracted` and `n_known` count the images of all calls of `transform`
        in this process while it is open, those of clones in searches and of other threads too. An image
        that comes twice in one call is known the second time. Other processes, such as those of
        ``n_jobs=2`` or of a Dask cluster, are not counted.

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import VGG16FeatureTransformer
    >>> vgg16 = VGG16FeatureTransformer(weights="cifar95", cache=None)
    >>> with VGG16FeatureTransformer.count_images() as count:
    ...     rows = vgg16.transform(np.zeros((3, 32, 32, 3), dtype=np.uint8))
    >>> count.n_extracted, count.n_known
    (1, 2)
    """
    count = ImageCount()
    with _lock:
        _open_counts.append(count)
    try:
        yield count
    finally:
        with _lock:
            _open_counts.remove(count)


def _report_images(*, n_extracted: int = 0, n_known: int = 0) -> None:
    with _lock:
        for count in _open_counts:
            count.n_extracted += n_extracted
            count.n_known += n_known


class Part:
    """One network's part in a pass over images.

    `features` is what it makes of the images, as far as the pass has come; `missing` says which images of the
    chunk that is in work it has to see. Stored is a row for each view, so that sets of views share them.
    """

    def __init__(
        self, settings: Settings, folder: StrPath | None, n_images: int, batch_size: int | None
    ) -> None:
        self.settings = settings
        self.features = np.empty((n_images, settings.n_features), dtype=np.float32)
        self.folder = folder
        self._store = None if folder is None else open_store(folder, settings.to_json(), settings.n_features)
        n_pixels = settings.image_size[0] * settings.image_size[1]
        self.batch_size = batch_size or max(1, _BATCH_PIXELS // n_pixels)
        self.missing: set[int] = set()
        self._copies: dict[int, int] = {}
        self._first: dict[bytes, int] = {}  # the image of each key that this pass has made features of
        self._n_extracted = 0
        self._unwritten: list[tuple[list[bytes], np.ndarray]] = []
        self._written = time.perf_counter()

    def look_up(self, chunk: Sequence[int], keys: Sequence[bytes]) -> None:
        """Set the features of those of some consecutive images that are stored.

        The others are missing, or copies.
        """
        found = np.zeros(len(chunk), dtype=bool)
        if self._store is not None:
            views = [self._store.read(_keys_of_view(keys, view)) for view in self.settings.views]
            self.features[chunk[0] : chunk[-1] + 1] = self.settings.average(rows for rows, _ in views)
            found = np.all([stored for _, stored in views], axis=0)
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

    def run(self, pixels: Mapping[int, np.ndarray], keys: Mapping[int, bytes], *, shown: bool) -> None:
        """Set the features of images that are missing, of their resized pixels."""
        settings = self.settings
        network = load_network(settings, self.folder, shown=shown)
        indices = [*pixels]
        of_images = [keys[index] for index in indices]
        batch = np.stack([*pixels.values()])
        rows_of_views = []
        for view in settings.views:
            of_view = _keys_of_view(of_images, view)
            rows = np.empty((len(indices), settings.n_features), dtype=np.float32)
            new = np.ones(len(indices), dtype=bool)
            if self._store is not None and len(settings.views) > 1:  # another set of views may have stored it
                rows, stored = self._store.read(of_view)
                new = ~stored
            if new.any():
                rows[new] = network(batch if new.all() else batch[new], view)
                if self._store is not None:
                    self._unwritten.append(([*compress(of_view, new)], rows[new]))
            rows_of_views.append(rows)
        self.features[indices] = settings.average(rows_of_views)
        self._first.update(zip(of_images, indices, strict=True))
        self._n_extracted += len(indices)
        _report_images(n_extracted=len(indices))
        if time.perf_counter() - self._written > WRITE_EVERY:
            self._write(durable=True)

    def copy(self, images: Images, bad: Mapping[int, str]) -> None:
        """Set the features of copies, and of images that could not be decoded."""
        self.features[[index for index in self.missing if index in bad]] = 0
        for index, twin in self._copies.items():
            self.features[index] = self.features[twin]
            if twin in bad:
                find_reading().forgive(images.name(index), bad[twin])

    def finish(self) -> None:
        """Write what is not written yet, and count what was known."""
        self._write(durable=self._n_extracted > _FEW)
        _report_images(n_known=len(self.features) - self._n_extracted)

    def _write(self, *, durable: bool) -> None:
        if self._unwritten and self._store is not None:
            keys, rows = zip(*self._unwritten, strict=True)
            self._store.write([*chain.from_iterable(keys)], np.concatenate(rows), durable=durable)
        self._unwritten, self._written = [], time.perf_counter()


def _keys_of_view(keys: Sequence[bytes], view: View) -> list[bytes]:
    """Return the keys of the rows of one view; those of the plain image are the images' own."""
    tag = int.from_bytes(view.value)
    return [(int.from_bytes(key) ^ tag).to_bytes(32) for key in keys]


def read_or_extract(images: Images, parts: Sequence[Part], *, shown: bool) -> None:
    """Set the features of images, of several networks at once: a full hit loads none of them, nor TensorFlow.

    Each file is read once, and decoded once where a network must see it.
    """
    with contextlib.ExitStack() as stack:
        readers = stack.enter_context(ThreadPoolExecutor(N_READERS))
        title = " + ".join(dict.fromkeys(part.settings.backbone.source.name for part in parts))
        bar = stack.enter_context(ProgressBar(title, len(images), unit="images")) if shown else None
        advance = (lambda done: None) if bar is None else bar.advance
        for chunk in _cut(range(len(images)), images.file_size, _CHUNK, _CHUNK_BYTES):
            _run_chunk(images, chunk, parts, readers, advance, shown=shown)
    for part in parts:
        part.finish()


def _cut(
    indices: Sequence[int], count_bytes: Callable[[int], int], most: int, most_bytes: int
) -> Iterator[list[int]]:
    """Yield images in their order, at most so many at once, whose files have at most so many bytes."""
    part: list[int] = []
    n_bytes = 0
    for index in indices:
        size = count_bytes(index)
        if part and (len(part) == most or n_bytes + size > most_bytes):
            yield part
            part, n_bytes = [], 0
        part.append(index)
        n_bytes += size
    if part:
        yield part


def _run_chunk(
    images: Images,
    chunk: Sequence[int],
    parts: Sequence[Part],
    readers: ThreadPoolExecutor,
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

    def load(indices: Sequence[int]) -> _Resized:
        """Decode files once, and resize the images in each for each network that has to see them."""
        loaded: _Resized = [{} for _ in parts]
        for _, boxes in groupby(indices, images.file):
            of_file = [*boxes]
            with _forgiven(images, of_file, bad), images.hold_file(of_file[0], contents[of_file[0]]) as whole:
                for index in of_file:
                    with _forgiven(images, [index], bad):
                        image = images.crop(index, whole)
                        for part, pixels in zip(parts, loaded, strict=True):
                            if index in part.missing:
                                size, resize = part.settings.image_size, part.settings.resize
                                pixels[index] = resize_image(image, size, resize)
        return loaded

    most = min((part.batch_size for part in parts if part.missing), default=1)
    batches = [*_cut(missing, lambda index: len(contents[index] or b""), most, _BATCH_BYTES)]
    for batch, of_readers in zip(batches, _load_ahead(images, batches, load, readers), strict=True):
        for part, *loaded in zip(parts, *of_readers, strict=True):
            if pixels := dict(chain.from_iterable(each.items() for each in loaded)):
                part.run(pixels, keys, shown=shown)
        advance(len(batch))
    for part in parts:
        part.copy(images, bad)


def _read(
    images: Images, indices: Sequence[int], contents: dict[int, bytes | None], readers: ThreadPoolExecutor
) -> dict[int, bytes]:
    """Return the keys of images, and keep the contents of their files."""
    first: dict[str, int] = {}  # of the images in each file
    chosen = [index for index in indices if first.setdefault(images.file(index), index) == index]

    def read(index: int) -> bytes:
        leader = first[images.file(index)]
        try:
            contents[index] = contents[leader] if leader in contents else images.read(index)
        except (OSError, ValueError) as error:
            if find_reading().forgive(images.name(index), error):
                return _UNREADABLE
            raise
        return images.digest(index, contents[index])

    step = 1 + len(chosen) // (8 * N_READERS)
    pieces = [chosen[start : start + step] for start in range(0, len(chosen), step)]
    run = readers.map if images.are_large and len(pieces) > 1 else map
    found = run(lambda piece: [read(index) for index in piece], pieces)
    keys = dict(zip(chosen, chain.from_iterable(found), strict=True))
    return keys | {index: read(index) for index in indices if index not in keys}  # further boxes


def _load_ahead(
    images: Images,
    batches: list[list[int]],
    load: Callable[[Sequence[int]], _Resized],
    readers: ThreadPoolExecutor,
) -> Iterator[list[_Resized]]:
    """Yield what is loaded of each batch; the next ones are loaded meanwhile, by a thread for each core."""
    if len(images) == 1:  # to hand it to a thread takes half as long as to run it
        yield from ([load(batch)] for batch in batches)
        return

    def submit(batch: list[int]) -> list[Future[_Resized]]:
        files = [[*boxes] for _, boxes in groupby(batch, images.file)]  # one thread decodes all of a file
        slices = gen_even_slices(len(files), N_READERS)
        return [readers.submit(load, [*chain.from_iterable(files[each])]) for each in slices]

    submitted = map(submit, batches)
    ahead = deque(islice(submitted, _BATCHES_AHEAD))
    while ahead:
        loaded = [part.result() for part in ahead.popleft()]
        ahead.extend(islice(submitted, 1))
        yield loaded


@contextlib.contextmanager
def _forgiven(images: Images, indices: Sequence[int], bad: dict[int, str]) -> Iterator[None]:
    """Let images be bad, if somebody wants to know which are, and add them to `bad`."""
    try:
        yield
    except (OSError, ValueError) as error:
        for index in indices:
            if not find_reading().forgive(images.name(index), error):
                raise
            bad[index] = str(error)
