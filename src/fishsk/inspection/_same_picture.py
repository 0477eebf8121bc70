"""Whether two images are one picture: aligned first, then compared block by block at 128 pixels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

from fishsk.features import resize_image

SMALL = 32  # pixels at which an alignment is looked for
_SIZE = 128  # pixels at which it is judged
_MARGIN = 5  # of SMALL pixels: the middle of an image, without these, is looked for in the other one
_SIDES = (22, 19, 25)  # of the middle, 22 pixels itself, at the scales that are tried first
_BESIDE = {22: (20, 24), 19: (18, 20), 25: (24, 28)}  # then those beside the best of them
_WORTH_REFINING = 0.6  # correlation at one of these below which none beside it reaches `_ALIKE`
_PLAIN = 6  # gray levels of standard deviation
_ALIKE = 0.8  # correlation of the middles below which nothing else is tried
_EDGE = 6  # of 64 pixels, which a border or a crop may have changed
_N_STEPS = 6  # of the alignment: with 40 no other copies were found
_ALIGNED = 0.88  # correlation of the aligned middles below which blocks are not compared
_MOST_STRETCH = 1.35  # of one side, by a crop of 10 % at each end and a border of 10 %
_MOST_SHEAR = 0.04  # copies are not turned or slanted; other things of the same shape are, to fit
_LEAST_DETAIL = 1.0  # gray levels of standard deviation, below which a block has nothing to compare
_LEAST_SHARE = 0.15  # the same, of the block with the most detail
_LEAST_BLOCKS = 4
_SHARE = 0.6  # of the blocks that must agree: letters, a logo or a hand may cover the rest


class Picture(NamedTuple):
    """An image as it is compared: gray values of 128 x 128 pixels, of which 1 to 4 are one of its pixels.

    Details finer than `blur` were made up by enlarging.
    """

    gray: np.ndarray
    blur: float


def make_picture(image: np.ndarray) -> Picture:
    """Return what is compared of an image, RGB in 0 to 255."""
    return Picture(make_gray(image, _SIZE), float(np.clip(_SIZE / max(image.shape[:2]), 1, 4)))


def make_gray(image: np.ndarray, size: int) -> np.ndarray:
    """Return the gray values of an image, RGB in 0 to 255, at ``size x size`` pixels: float32."""
    return cv2.cvtColor(resize_image(image, (size, size)), cv2.COLOR_RGB2GRAY)


def cut_frame(gray: np.ndarray, size: int) -> np.ndarray:
    """Return a small gray image without plain edges, less its mean, at another size."""
    low, high = np.zeros(2, dtype=int), np.array(gray.shape)
    for axis in (0, 1):
        is_plain = gray.std(axis=1 - axis) < _PLAIN
        inside = np.flatnonzero(~is_plain)
        if len(inside):
            low[axis] = min(inside[0], _MARGIN)
            high[axis] = max(inside[-1] + 1, gray.shape[axis] - _MARGIN)
    cut = cv2.resize(gray[low[0] : high[0], low[1] : high[1]], (size, size), interpolation=cv2.INTER_AREA)
    return cut - cut.mean()


class Start(NamedTuple):
    """Where the middle of one image lies in another one, which may have to be mirrored before."""

    correlation: float  # of the pixels
    scale: float  # of the map from the first image to the other one; x and y are shares of its sides
    x: float
    y: float
    is_mirrored: bool

    @property
    def is_alike(self) -> bool:
        """Whether it is worth while to look closer."""
        return self.correlation >= _ALIKE


def find_start(image: np.ndarray, other: np.ndarray) -> Start:
    """Look for the middle of a small gray image in another one, at several scales, mirrored or not."""
    middle = image[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    best = Start(0.0, 1.0, 0.0, 0.0, False)
    if cv2.meanStdDev(middle)[1].item() < _LEAST_DETAIL:  # OpenCV finds what is plain everywhere
        return best
    searched = {False: np.ascontiguousarray(other), True: np.ascontiguousarray(other[:, ::-1])}

    def search(sides: Iterable[int], mirrored: Iterable[bool], best: Start) -> Start:
        for side in sides:
            scale = side / len(middle)
            template = cv2.resize(middle, (side, side), interpolation=cv2.INTER_AREA)
            for is_mirrored in mirrored:
                found = cv2.matchTemplate(searched[is_mirrored], template, cv2.TM_CCOEFF_NORMED)
                _, correlation, _, (x, y) = cv2.minMaxLoc(found)
                if correlation > best.correlation:
                    left, top = ((place - _MARGIN * scale) / SMALL for place in (x, y))
                    best = Start(correlation, scale, left, top, is_mirrored)
        return best

    best = search(_SIDES, searched, best)
    if best.correlation < _WORTH_REFINING:
        return best
    return search(_BESIDE[round(best.scale * len(middle))], [best.is_mirrored], best)


def measure_similarity(image: Picture, other: Picture, start: Start) -> float:
    """Return how much two images agree once they are aligned: near 1 for copies, 0 if nothing aligns them.

    The middle of `image` is laid on `other` by an affine map that maximizes their correlation [1]_; one that
    turns or slants it is none of a copy. Then both are cut into blocks, and each block's detail, what lies
    between two blurs, is correlated. The result is what 60 % of the blocks with any detail reach.

    References
    ----------
    .. [1] G. D. Evangelidis and E. Z. Psarakis, "Parametric image alignment using enhanced correlation
       coefficient maximization", IEEE Transactions on Pattern Analysis and Machine Intelligence 30 (2008),
       https://doi.org/10.1109/TPAMI.2008.113
    """
    gray = np.ascontiguousarray(other.gray[:, ::-1]) if start.is_mirrored else other.gray
    warp = _align(image.gray, gray, start)
    if warp is None:
        return 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(gray, warp, (_SIZE, _SIZE), flags=flags, borderMode=cv2.BORDER_REFLECT)
    covered = cv2.warpAffine(np.ones_like(gray), warp, (_SIZE, _SIZE), flags=flags)
    blur = max(image.blur, other.blur)
    side = 16 if blur < 2 else 32  # of blocks that hold some pixels of the image
    parts = [_cut(_keep_detail(each, blur), side) for each in (image.gray, laid)]
    inside = _cut(covered, side).min(axis=1) > 0.99
    left, right = (part[inside] - part[inside].mean(axis=1, keepdims=True) for part in parts)
    deviations = left.std(axis=1), right.std(axis=1)
    detail = np.maximum(*deviations)
    has_detail = detail > max(_LEAST_DETAIL, _LEAST_SHARE * detail.max(initial=0))
    if has_detail.sum() < _LEAST_BLOCKS:
        return 0.0
    correlation = (left * right).mean(axis=1) / np.maximum(deviations[0] * deviations[1], 1e-6)
    return max(0.0, float(np.quantile(correlation[has_detail], 1 - _SHARE)))


def _align(gray: np.ndarray, other: np.ndarray, start: Start) -> np.ndarray | None:
    """Return the affine map (2, 3) from pixels of an image to those of another one; None if there is none."""
    half = _SIZE // 2
    small, searched = (cv2.resize(each, (half, half), interpolation=cv2.INTER_AREA) for each in (gray, other))
    linear = np.eye(2, dtype=np.float32) * start.scale
    corner = linear @ (np.full(2, _EDGE + 0.5, dtype=np.float32)) - 0.5
    shift = np.array([start.x, start.y], dtype=np.float32) * half + corner
    try:
        correlation, warp = cv2.findTransformECC(
            np.ascontiguousarray(small[_EDGE:-_EDGE, _EDGE:-_EDGE]),
            searched,
            np.column_stack([linear, shift]).astype(np.float32),
            cv2.MOTION_AFFINE,
            (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _N_STEPS, 1e-4),
            None,
            3,
        )
    except cv2.error:  # it does not converge
        return None
    linear = warp[:, :2]
    sides, shear = np.diag(linear), max(abs(linear[0, 1]), abs(linear[1, 0]))
    is_stretched = sides.min() <= 1 / _MOST_STRETCH or sides.max() >= _MOST_STRETCH
    if correlation < _ALIGNED or is_stretched or shear > _MOST_SHEAR:
        return None
    # From the corner of the middle to that of the image; centers of pixels lie at halves.
    shift = 2 * (warp[:, 2] - linear @ np.full(2, _EDGE + 0.5) + 0.5) - 0.5 + linear @ np.full(2, 0.5)
    return np.column_stack([linear, shift]).astype(np.float32)


def _keep_detail(gray: np.ndarray, blur: float) -> np.ndarray:
    """Return what lies between two blurs: neither compression's noise nor light and large shapes."""
    return cv2.GaussianBlur(gray, (0, 0), max(1.0, 0.75 * blur)) - cv2.GaussianBlur(
        gray, (0, 0), max(5.0, 2.5 * blur)
    )


def _cut(values: np.ndarray, side: int) -> np.ndarray:
    """Return the blocks of an image, one a row."""
    n_blocks = _SIZE // side
    return values.reshape(n_blocks, side, n_blocks, side).swapaxes(1, 2).reshape(n_blocks**2, side**2)
