"""A sequence of RGB images, each read, decoded and cropped when it is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from fishsk._utils.files import expand
from fishsk._utils.reading import find_reading
from fishsk.features._boxes import split_box
from fishsk.features._decoding import decode, digest_file, lay_on_white, read_bytes
from fishsk.features._resizing import resize_image

_LARGE = 2**16  # bytes; hashing fewer takes less time than handing them to a thread
# No path holds a zero, and every image file does, but for the plainest of PPM files.
CONTENT = re.compile(rb"\A(?:\Z|P[1-6][\t\n\r#]|[^\0]*\0)")


class Images(Sequence):
    """A sequence of RGB images, each uint8 or float32 in 0 to 255 of shape (height, width, 3).

    Its items are checked pixels, (n_samples, height, width, 1, 3 or 4), whose `input_range` is mapped onto 0
    to 255 where they are not uint8; or a list of paths, of boxes in such, of files' contents (bytes) and of
    RGB arrays.
    """

    def __init__(self, items: np.ndarray | list, input_range: tuple[float, float] | None = None) -> None:
        self.items = items
        self.input_range = input_range

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        with self.hold(index) as image:
            return image

    @contextlib.contextmanager
    def hold(self, index: int, content: bytes | None = None) -> Iterator[np.ndarray]:
        """Yield an image, decoded from the content of its file where the caller has read that.

        Until the caller is done with it, a decoded image takes its part of the budget that all readers share,
        so that many threads need no more memory than a few.
        """
        with self.hold_file(index, content) as whole:
            yield self.crop(index, whole)

    @contextlib.contextmanager
    def hold_file(self, index: int, content: bytes | None = None) -> Iterator[np.ndarray]:
        """Yield the whole image that an image is, or is a box of; see `hold`."""
        item = self.items[index]
        if isinstance(item, np.ndarray):
            yield to_rgb(item, self.input_range)
            return
        content = self.read(index) if content is None else content
        if find_reading().is_open:
            self.digest(index, content)
        with decode(content, self.name(index)) as image:
            yield image

    def crop(self, index: int, whole: np.ndarray) -> np.ndarray:
        """Return an image of what `hold_file` yields."""
        box = split_box(self.items[index])[1]
        return whole if box is None else box.crop(whole, self.name(index))

    def choose(self, indices: np.ndarray) -> Images:
        """Return some of them; those that are no files are counted anew."""
        items = self.items
        chosen = items[indices] if isinstance(items, np.ndarray) else [items[index] for index in indices]
        return Images(chosen, self.input_range)

    def name(self, index: int) -> str:
        """Return what to call an image: its path, with its box, or its place in X."""
        item = self.items[index]
        return str(os.fspath(item)) if isinstance(item, str | os.PathLike) else f"image {index}"

    def file(self, index: int) -> str:
        """Return the path of an image's file, which several boxes may have; its name if it has none."""
        item = self.items[index]
        if not isinstance(item, str | os.PathLike):
            return self.name(index)
        return str(os.fspath(split_box(item)[0]))

    def digest(self, index: int, content: bytes | None = None) -> bytes:
        """Return 32 bytes that name the content of an image: its pixels, or its file's bytes and its box.

        `content` is that of the file, where the caller has read it. Files' digests are kept where somebody
        wants to know them.
        """
        item = self.items[index]
        if isinstance(item, np.ndarray):
            image = to_rgb(item, self.input_range)
            form = hashlib.sha256(f"{image.dtype.str}{image.shape}".encode())
            form.update(np.ascontiguousarray(image).data)
            return form.digest()
        if known := self.recall(index):
            return known
        digest = digest_file(self.read(index) if content is None else content)
        if is_path(item):
            find_reading().digests[self.file(index)] = digest
        return self._sign(index, digest)

    def recall(self, index: int) -> bytes | None:
        """Return the digest of an image whose file was read before, where somebody keeps them."""
        item = self.items[index]
        digest = find_reading().digests.get(self.file(index)) if is_path(item) else None
        return None if digest is None else self._sign(index, digest)

    def _sign(self, index: int, digest: bytes) -> bytes:
        box = split_box(self.items[index])[1]
        return digest if box is None else box.sign(digest)

    def read(self, index: int) -> Any:
        """Return the content of an image's file; None of pixels in memory."""
        item = self.items[index]
        if isinstance(item, np.ndarray):
            return None
        if isinstance(item, bytes):
            return item
        return find_reading().contents.pop(self.file(index), None) or read_bytes(item)

    def load(self, indices: Sequence[int], size: tuple[int, int], resize: str = "stretch") -> np.ndarray:
        """Return some of the images, resized: float32 of shape (len(indices), *size, 3) in 0 to 255."""
        batch = np.empty((len(indices), *size, 3), dtype=np.float32)
        for row, index in enumerate(indices):
            with self.hold(index) as image:
                batch[row] = resize_image(image, size, resize)
        return batch

    def file_size(self, index: int) -> int:
        """Return the bytes of an image's file, 0 for pixels in memory or a file that cannot be found."""
        item = self.items[index]
        if isinstance(item, bytes):
            return len(item)
        with contextlib.suppress(OSError):  # who reads it says what is wrong with it
            return os.path.getsize(expand(split_box(item)[0])) if is_path(item) else 0
        return 0

    @property
    def are_large(self) -> bool:
        """Whether the first is a file or a large array, which takes a while to be hashed."""
        first = self.items[0]
        return not isinstance(first, np.ndarray) or first.nbytes >= _LARGE


def read_image(path: str | os.PathLike | bytes | BinaryIO) -> np.ndarray:
    """Return the image in a file, or in the bytes of one, as RGB, uint8 of shape (height, width, 3).

    Its orientation tag is obeyed, what is transparent is laid on white, and of an animation or of several
    pages the first one is read. Of colors of 16 bits the upper 8 are. A text that ends in
    ``#xywh=10,20,300,200`` is the box of that x, y, width and height in a file. OSError if the file cannot be
    opened; ValueError if it is empty, truncated, corrupt, of another format, gray of more than 8 bits, or
    declares more than `MAX_PIXELS` pixels (found in its header, before anything is decoded), or a box reaches
    out of it.
    """
    item = path if isinstance(path, str | bytes | os.PathLike) else path.read()
    return Images([item])[0]


def is_path(item: object) -> bool:
    return isinstance(item, str | os.PathLike) or (isinstance(item, bytes) and not CONTENT.match(item))


def to_rgb(image: np.ndarray, input_range: tuple[float, float] | None) -> np.ndarray:
    """Return one checked image (height, width, 1, 3 or 4) as RGB, uint8 or float32 in 0 to 255."""
    if image.dtype != np.uint8:
        low, high = (0, 255) if input_range is None else input_range
        if image.dtype == bool and input_range is not None:
            low, high = 0, 1
        image = image.astype(np.float32)
        if (low, high) != (0, 255):
            image = (image - np.float32(low)) * np.float32(255 / (high - low))
    if image.shape[2] == 4:
        return lay_on_white(image)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
