"""Fish of five kinds, drawn with OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_random_state

from fishsk.datasets._scenes import (
    CIRCLE,
    SCENES,
    add_bubbles,
    add_frond,
    draw_light,
    draw_plain,
    draw_sand,
    fill,
    fixed_point,
    strip,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_MIN_SIDE = 16  # pixels; below it the kinds look alike
_CANVAS_SIDE = 96  # pixels; smaller images are drawn about this large, then averaged down


def make_fish_images(
    n_samples: int = 500,
    *,
    image_size: int | tuple[int, int] = 32,
    noise: float = 6.0,
    target: str = "kind",
    random_state: int | np.random.RandomState | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw images of five kinds of fish (classification), or of fish whose length is known (regression).

    Each image shows one fish, in the order of `fetch_cifar100_fish`:

    0. an aquarium fish: a deep, bright, often striped body with large fins;
    1. a flatfish: a speckled disc with a fringe of fins, and both eyes on one side;
    2. a ray: a rhombus with a tail like a whip;
    3. a shark: a torpedo with a high back fin and a tail whose upper lobe is the longer;
    4. a trout: a slender, spotted body.

    Size, place, direction, proportions, colors and light vary, and so does what is behind, and at times in
    front of, the fish. No background belongs to one kind alone, and most colors do not either: on 1,000
    images, logistic regression on raw pixels is right about half of the time, on gradients more often.

    Parameters
    ----------
    n_samples : int, default=500
        The number of images. The kinds are as equally frequent as this number allows, in random order.
    image_size : int or (height, width), default=32
        Pixels, at least 16 a side.
    noise : float, default=6.0
        Standard deviation of the Gaussian noise that is added to each value, in gray levels (0 to 255).
    target : {"kind", "length"}, default="kind"
        Target in `y`: the kind of each fish, or its length. The images are the same.
    random_state : int, RandomState instance or None, default=None
        Determines the drawings. Pass an int for the same images in every call.
        See :term:`Glossary <random_state>`.

    Returns
    -------
    X : ndarray of shape (n_samples, height, width, 3), uint8
        The images: red, green, blue, 0 to 255.
    y : ndarray of shape (n_samples,)
        The kinds, int64, 0 to 4; or the lengths, float64, in pixels of the image: from the tip of the snout
        to the root of the tail, as fish are measured whose tail fin may be torn. For ``image_size=32`` they
        are 13 to 28.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    See Also
    --------
    fetch_cifar100_fish : Photographs of fish of these five kinds.

    Examples
    --------
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(10, random_state=0)
    >>> X.shape, X.dtype
    ((10, 32, 32, 3), dtype('uint8'))
    >>> sorted(y.tolist())
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]

    The same fish with their lengths:

    >>> same, lengths = make_fish_images(10, target="length", random_state=0)
    >>> bool((same == X).all()), lengths[:3].round(1).tolist()
    (True, [19.8, 21.1, 18.6])
    """
    if not isinstance(n_samples, int | np.integer) or n_samples < 1:
        raise ValueError(f"n_samples must be an int of at least 1. Got {n_samples!r}.")
    size = tuple(image_size) if isinstance(image_size, Iterable) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(side, int | np.integer) and side >= _MIN_SIDE for side in size):
        raise ValueError(
            f"image_size must be an int or (height, width), at least {_MIN_SIDE} each. Got {image_size!r}."
        )
    if not isinstance(noise, int | float | np.number) or not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a number of gray levels, 0 or more. Got {noise!r}.")
    if target not in ("kind", "length"):
        raise ValueError(f'target must be "kind" or "length". Got {target!r}.')
    rng = check_random_state(random_state)
    kinds = rng.permutation(np.arange(n_samples, dtype=np.int64) % len(_KINDS))
    X = np.empty((n_samples, *size, 3), dtype=np.uint8)
    lengths = np.empty(n_samples)
    for index, kind in enumerate(kinds):
        X[index], lengths[index] = _draw(_KINDS[kind], size, float(noise), rng)
    return X, kinds if target == "kind" else lengths


def _draw(kind: _Kind, size: tuple[int, int], noise: float, rng: RandomState) -> tuple[np.ndarray, float]:
    """Return one image, uint8 of shape (*size, 3), and the length of the fish in its pixels."""
    enlarged = max(1, round(_CANVAS_SIDE / min(size)))
    height, width = size[0] * enlarged, size[1] * enlarged
    scene = SCENES[rng.choice(len(SCENES), p=kind.scenes)]
    canvas = scene(height, width, rng)
    pose = _Pose(height, width, kind.from_above, rng)
    if kind.from_above and scene in (draw_sand, draw_plain):
        fill(canvas, pose(kind.body) + 0.12 * pose.unit, canvas.mean(axis=(0, 1)) * 0.6)
    _add_fish(canvas, kind, pose, rng)
    if rng.uniform() < 0.35:
        for _ in range(rng.randint(1, 4)):
            add_frond(canvas, rng)
    if rng.uniform() < 0.3:
        add_bubbles(canvas, rng)
    canvas = cv2.LUT(canvas, draw_light(rng))
    if rng.uniform() < 0.3:
        canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.2, 0.7) * enlarged)
    if enlarged > 1:
        canvas = cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA)
    image = np.clip(np.rint(canvas + rng.normal(0, noise, canvas.shape)), 0, 255).astype(np.uint8)
    return image, pose.length(kind.body) / enlarged


class _Pose:
    """Where a fish is and how it is turned: maps body coordinates to pixels (x, y) of the canvas."""

    def __init__(self, height: int, width: int, from_above: bool, rng: RandomState) -> None:
        self.unit = rng.uniform(0.36, 0.48) * min(height, width)
        self.bend = rng.normal(0, 0.25 if from_above else 0.08)
        angle = rng.uniform(0, 2 * np.pi) if from_above else rng.normal(0, 0.3)
        mirror = rng.choice([-1, 1])
        stretch = np.diag(
            [rng.uniform(0.75, 1), rng.uniform(0.7, 1) if from_above else rng.uniform(0.85, 1.15)]
        )
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self.matrix = self.unit * np.diag([mirror, -1]) @ turn @ stretch  # y points down on the canvas
        self.center = np.array([width, height]) * rng.uniform(0.4, 0.6, 2)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        points = np.array(points, dtype=float)
        points[:, 1] += self.bend * np.minimum(points[:, 0] - 0.2, 0) ** 2
        return points @ self.matrix.T + self.center

    def length(self, outline: np.ndarray) -> float:
        """Return the extent of an outline from nose to tail in pixels; a bend moves points across it only."""
        return float(np.ptp(outline[:, 0]) * np.linalg.norm(self.matrix[:, 0]))


def _add_fish(canvas: np.ndarray, kind: _Kind, pose: _Pose, rng: RandomState) -> None:
    back, belly = kind.colors[rng.randint(len(kind.colors))] * rng.uniform(0.85, 1.15, (2, 1))
    contrast = (back + belly).mean() / 2 - canvas.mean()
    if abs(contrast) < 25:  # a fish must be seen on a background of its own brightness
        back, belly = np.clip([back, belly], 0, 190) * (1.3 if contrast > 0 else 0.7)
    fin = back * rng.uniform(0.65, 1.05)
    for outline in kind.far_fins:
        root = (outline[0] + outline[-1]) / 2
        fill(canvas, pose(root + (outline - root) * rng.uniform(0.8, 1.2)), fin)
    _add_body(canvas, kind, pose, back, belly, rng)
    for outline in kind.near_fins:
        fill(canvas, pose(outline), fin * 0.85)
    thickness = max(1, round(0.02 * pose.unit))
    for line in kind.lines:
        points = fixed_point(pose(line))
        cv2.polylines(canvas, [points], False, (back * 0.5).tolist(), thickness, cv2.LINE_AA, 4)
    _add_dots(canvas, pose, kind.eyes, [kind.eye_size], (225, 215, 170))
    _add_dots(canvas, pose, kind.eyes, [kind.eye_size * 0.65], (12, 12, 16))


def _add_body(
    canvas: np.ndarray, kind: _Kind, pose: _Pose, back: np.ndarray, belly: np.ndarray, rng: RandomState
) -> None:
    """Paint the skin on a canvas of its own, and lay it onto the other where the body is."""
    mask = np.zeros(canvas.shape[:2], dtype=np.uint8)
    fill(mask, pose(kind.body), 255)
    skin = np.empty_like(canvas)
    left, top, width, height = cv2.boundingRect(mask)
    box = np.s_[top : top + height, left : left + width]

    # The shade follows the y coordinate in the body, as if it were not bent.
    (x, y), (across, down) = pose.center, np.linalg.inv(pose.matrix)[1]
    x, y = np.arange(left, left + width) - x, np.arange(top, top + height) - y
    shade = np.add.outer(y * down, x * across).astype(np.float32)
    shade = np.clip(shade * 3 + 0.6, 0, 1)[..., np.newaxis]
    skin[box] = np.clip(belly + shade * (back - belly).astype(np.float32), 0, 255)
    kind.paint(skin, pose, back, rng)
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)[box]
    roundness = 0.62 + np.minimum(depth * (0.95 / max(depth.max(), 1)), 0.38)
    weight = mask[box] / np.float32(255)
    round_skin = (skin[box] * roundness[..., np.newaxis]).astype(np.uint8)
    canvas[box] = cv2.blendLinear(round_skin, np.ascontiguousarray(canvas[box]), weight, 1 - weight)


def _add_dots(canvas: np.ndarray, pose: _Pose, places: ArrayLike, radii: ArrayLike, color: ArrayLike) -> None:
    """Fill circles whose places and radii are in body coordinates."""
    outlines = np.array(places)[:, np.newaxis] + np.array(radii)[:, np.newaxis, np.newaxis] * CIRCLE
    color = np.asarray(color).tolist()
    for outline in fixed_point(pose(outlines.reshape(-1, 2))).reshape(outlines.shape):
        cv2.fillConvexPoly(canvas, outline, color, cv2.LINE_AA, 4)


def _scatter(
    canvas: np.ndarray, pose: _Pose, rng: RandomState, n: int, low: Any, high: Any, radii: Any, color: Any
) -> None:
    """Fill circles at random places of the body between two corners."""
    _add_dots(canvas, pose, rng.uniform(low, high, (n, 2)), rng.uniform(radii[0], radii[1], n), color)


def _paint_aquarium_fish(skin: np.ndarray, pose: _Pose, back: np.ndarray, rng: RandomState) -> None:
    """Paint bands across, bands along, koi-like patches, or nothing."""
    color = ((240, 238, 230), (25, 25, 35), (250, 215, 60), (40, 70, 160))[rng.randint(4)]
    style = rng.choice(["across", "along", "patches", "plain"], p=[0.5, 0.15, 0.15, 0.2])
    if style == "across":
        for x in np.linspace(0.38, -0.5, rng.randint(2, 5)) + rng.normal(0, 0.04):
            half, bulge = rng.uniform(0.05, 0.11), rng.uniform(0.0, 0.12)
            y = np.linspace(-0.7, 0.7, 9)
            middle = x + bulge * (1 - (y / 0.7) ** 2)
            fill(skin, pose(strip(middle, y, half)), color)
    elif style == "along":
        for height in (0.25, 0, -0.25)[: rng.randint(1, 4)]:
            band = [(1, height), (-1, height / 2 + 0.05), (-1, height / 2 - 0.05), (1, height - 0.1)]
            fill(skin, pose(np.array(band)), color)
    elif style == "patches":
        _scatter(skin, pose, rng, rng.randint(2, 5), (-0.6, -0.3), (0.6, 0.5), (0.12, 0.28), color)


def _paint_flatfish(skin: np.ndarray, pose: _Pose, back: np.ndarray, rng: RandomState) -> None:
    """Paint dark and light speckles, as sand has them."""
    for factor in (0.55, 1.4):
        _scatter(skin, pose, rng, rng.randint(7, 14), (-0.75, -0.5), (0.75, 0.5), (0.03, 0.1), back * factor)


def _paint_ray(skin: np.ndarray, pose: _Pose, back: np.ndarray, rng: RandomState) -> None:
    """Paint a ridge along the back, and pale or blue spots on every third ray."""
    fill(skin, pose(CIRCLE * (0.55, 0.16)), back * rng.uniform(0.75, 1.3))
    if rng.uniform() < 0.35:
        color = ((225, 215, 185), (90, 150, 215))[rng.randint(2)]
        _scatter(skin, pose, rng, rng.randint(10, 24), (-0.45, -0.8), (0.5, 0.8), (0.025, 0.06), color)


def _paint_shark(skin: np.ndarray, pose: _Pose, back: np.ndarray, rng: RandomState) -> None:
    """Paint dark bars down the flanks of every fifth shark."""
    if rng.uniform() < 0.2:
        for x in np.linspace(0.3, -0.7, rng.randint(4, 8)):
            fill(skin, pose(np.array([(x, 0.3), (x + 0.02, -0.02), (x - 0.06, 0.3)])), back * 0.5)


def _paint_trout(skin: np.ndarray, pose: _Pose, back: np.ndarray, rng: RandomState) -> None:
    """Paint a rosy band along every other trout, and dark and red spots on all."""
    if rng.uniform() < 0.5:
        band = np.array([(0.7, 0.06), (-0.8, 0.05), (-0.8, -0.03), (0.7, -0.07)])
        fill(skin, pose(band), (206, 128, 118))
    for color, n_spots in (((38, 34, 28), rng.randint(15, 30)), ((170, 60, 40), rng.randint(1, 8))):
        _scatter(skin, pose, rng, n_spots, (-0.8, -0.08), (0.6, 0.24), (0.018, 0.04), color)


@dataclass(frozen=True)
class _Kind:
    """How a kind of fish is built.

    In body coordinates the nose is near (1, 0), the root of the tail near (-0.8, 0), and y grows towards the
    back. Outlines begin and end where a fin is rooted. A color is a pair of RGB, of the back and the belly.
    """

    paint: Callable[[np.ndarray, _Pose, np.ndarray, RandomState], None]
    body: np.ndarray
    far_fins: tuple[np.ndarray, ...]
    near_fins: tuple[np.ndarray, ...]
    eyes: tuple[tuple[float, float], ...]
    eye_size: float
    lines: tuple[np.ndarray, ...]
    colors: np.ndarray
    scenes: tuple[float, ...]  # how probable each of SCENES is
    from_above: bool = False


def _colors(pairs: str) -> np.ndarray:
    """Return pairs of colors, (n, 2, 3), written as hexadecimal RGB."""
    return np.frombuffer(bytes.fromhex(pairs), dtype=np.uint8).reshape(-1, 2, 3)


def _lines(*lines: str) -> tuple[np.ndarray, ...]:
    """Return the points of lines that are written "x,y x,y ..."."""
    return tuple(np.array([point.split(",") for point in line.split()], dtype=float) for line in lines)


def _outline(corners: str, symmetric: bool = False) -> np.ndarray:
    """Return the closed outline with these corners, rounded by Chaikin's corner cutting.

    A symmetric one is given by its upper half, from nose to tail.
    """
    (points,) = _lines(corners)
    if symmetric:
        points = np.concatenate([points, points[::-1] * (1, -1)])
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        cut = [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following]
        points = np.stack(cut, axis=1).reshape(-1, 2)
    return points


_KINDS = (
    _Kind(
        paint=_paint_aquarium_fish,
        body=_outline(".9,.06 .65,.34 .2,.58 -.3,.46 -.62,.14", symmetric=True),
        far_fins=(
            _outline("-.5,.1 -.95,.62 -1.2,.45 -.95,0 -1.2,-.45 -.95,-.62 -.5,-.1"),
            _outline(".45,.4 .15,.9 -.45,.95 -.5,.25 0,.3"),
            _outline(".15,-.4 -.1,-.85 -.55,-.85 -.5,-.25 0,-.3"),
            _outline(".42,-.4 .3,-.9 .14,-.8 .2,-.4"),
        ),
        near_fins=(_outline(".25,-.02 -.12,.05 -.15,-.28 .2,-.2"),),
        eyes=((0.58, 0.12),),
        eye_size=0.1,
        lines=_lines(".42,.3 .33,.1 .34,-.1 .42,-.3"),
        colors=_colors(
            "eb6e19 ffbe5a f5a01e ffd778 cd3228 eb8264 ebcd32 faeb96 "
            "2d5abe 6ea0dc afb4be e6e6e1 6e4696 be82b4"
        ),
        scenes=(0.2, 0.2, 0.05, 0.4, 0.15),
    ),
    _Kind(
        paint=_paint_flatfish,
        body=_outline("1,.08 .8,.34 .3,.56 -.25,.5 -.62,.18 -.8,.1", symmetric=True),
        far_fins=(
            _outline(".75,.42 .3,.78 -.3,.72 -.66,.22", symmetric=True),
            _outline("-.7,.1 -1.08,.26 -1.16,0 -1.08,-.26 -.7,-.1"),
        ),
        near_fins=(_outline(".42,.1 .12,.26 .14,.06"),),
        eyes=((0.76, 0.14), (0.66, -0.1)),
        eye_size=0.075,
        lines=_lines(".52,.02 .4,.1 .2,0 -.75,0", ".5,.34 .44,.1 .46,-.1 .52,-.32"),
        colors=_colors("7d623e 967a50 686242 827c5a b0966e c4ac84 504232 685842"),
        scenes=(0.1, 0.15, 0.5, 0.05, 0.2),
        from_above=True,
    ),
    _Kind(
        paint=_paint_ray,
        body=_outline(".82,.02 .6,.16 .35,.5 .1,1.06 -.1,1.06 -.28,.6 -.55,.2 -.6,.06", symmetric=True),
        far_fins=(
            _outline("-.4,.07 -1.1,.035 -1.9,0 -1.9,0 -1.1,-.035 -.4,-.07"),
            _outline("-.4,.25 -.8,.26 -.7,.02 -.4,.02"),
            _outline("-.4,-.25 -.8,-.26 -.7,-.02 -.4,-.02"),
        ),
        near_fins=(),
        eyes=((0.48, 0.15), (0.48, -0.15)),
        eye_size=0.055,
        lines=_lines(".3,.12 -.5,.05", ".3,-.12 -.5,-.05"),
        colors=_colors("7a6044 8c7050 60646e 747880 343846 484e5c ac926e bea682"),
        scenes=(0.3, 0.2, 0.35, 0.05, 0.1),
        from_above=True,
    ),
    _Kind(
        paint=_paint_shark,
        body=_outline(
            "1.06,.02 .85,.12 .45,.21 .1,.23 -.35,.12 -.8,.05 -.8,-.05 -.35,-.1 .1,-.19 .5,-.18 .8,-.1"
        ),
        far_fins=(
            _outline("-.7,.06 -1.2,.66 -1.3,.62 -.98,.06 -1.1,-.3 -1,-.32 -.7,-.06"),
            _outline(".3,.14 0,.62 -.1,.6 -.1,.12"),
            _outline("-.42,.06 -.56,.22 -.6,.2 -.58,.04"),
            _outline("-.28,-.08 -.44,-.24 -.5,-.22 -.46,-.05"),
        ),
        near_fins=(_outline(".44,-.06 .02,-.56 -.08,-.54 .16,-.1"),),
        eyes=((0.8, 0.05),),
        eye_size=0.04,
        lines=_lines(".9,-.04 .8,-.05 .72,-.09", ".5,.08 .48,-.06", ".45,.08 .43,-.06", ".4,.08 .38,-.06"),
        colors=_colors("68727c cdd2d2 4e627c c4ced6 7a7060 d0ccbe 464c52 b0b4b4"),
        scenes=(0.5, 0.25, 0.1, 0.05, 0.1),
    ),
    _Kind(
        paint=_paint_trout,
        body=_outline(
            "1,0 .88,.13 .6,.24 .15,.28 -.35,.18 -.8,.1 -.8,-.1 -.35,-.16 .15,-.28 .6,-.23 .88,-.12"
        ),
        far_fins=(
            _outline("-.7,.1 -1.1,.36 -1.18,.32 -1.02,0 -1.18,-.32 -1.1,-.36 -.7,-.1"),
            _outline(".14,.22 .04,.48 -.18,.42 -.24,.16"),
            _outline("-.5,.1 -.62,.24 -.68,.22 -.62,.08"),
            _outline("-.02,-.2 -.2,-.42 -.26,-.36 -.2,-.18"),
            _outline("-.38,-.12 -.56,-.34 -.64,-.3 -.6,-.08"),
        ),
        near_fins=(_outline(".54,-.1 .26,-.3 .24,-.22 .42,-.08"),),
        eyes=((0.8, 0.06),),
        eye_size=0.06,
        lines=_lines(".56,.2 .5,.02 .56,-.16", ".98,-.04 .8,-.07"),
        colors=_colors("6e6c3c d6c896 84643c debe82 708076 d2d4cc 545a46 bebaa0"),
        scenes=(0.3, 0.2, 0.15, 0.2, 0.15),
    ),
)
