"""Scenes of drawn fish: water, ground, plants, bubbles and light; and how outlines are filled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.random import RandomState

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

CIRCLE = np.array([(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 21)[:-1]])
_WATERS = ((25, 90, 150), (45, 120, 150), (50, 85, 60), (20, 35, 60), (90, 105, 75), (95, 150, 165))
_GROUNDS = ((190, 170, 130), (112, 106, 100), (122, 98, 70), (160, 140, 120), (90, 95, 75))
_SURFACES = ((232, 232, 226), (150, 118, 80), (60, 66, 70), (178, 186, 190), (40, 42, 46), (120, 140, 90))


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Return coordinates as OpenCV draws them at its parameter shift=4, in sixteenths of a pixel."""
    return np.rint(points * 16).astype(np.int32)


def fill(canvas: np.ndarray, points: np.ndarray, color: ArrayLike) -> None:
    """Fill an outline of pixel coordinates; OpenCV clips the color."""
    cv2.fillPoly(canvas, [fixed_point(points)], np.asarray(color).tolist(), cv2.LINE_AA, 4)


def _blend(
    height: int, width: int, colors: Sequence[np.ndarray], rng: RandomState, spread: float
) -> np.ndarray:
    """Return a soft field that runs from the first color, on top, to the last one, below."""
    field = np.array(colors, dtype=float)[:, np.newaxis] + rng.normal(0, spread, (len(colors), 3, 1))
    return cv2.resize(field.clip(0, 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def draw_water(height: int, width: int, rng: RandomState) -> np.ndarray:
    deep = np.array(_WATERS[rng.randint(len(_WATERS))])
    image = _blend(height, width, (deep * rng.uniform(1.1, 1.7), deep, deep * rng.uniform(0.5, 1)), rng, 12)
    if rng.uniform() < 0.4:  # shafts of light
        shafts = image.copy()
        for x in rng.uniform(-0.2, 1.2, 4) * width:
            lean, spread = rng.uniform(-0.4, 0.4) * width, rng.uniform(0.03, 0.12) * width
            outline = [(x, 0), (x + spread, 0), (x + lean + 2 * spread, height), (x + lean, height)]
            fill(shafts, np.array(outline), deep * 1.5 + 50)
        image = cv2.addWeighted(image, 0.65, shafts, 0.35, 0)
    return image


def draw_floor(height: int, width: int, rng: RandomState) -> np.ndarray:
    image = draw_water(height, width, rng)
    horizon = round(rng.uniform(0.55, 0.85) * height)
    image[horizon:] = draw_sand(height, width, rng)[horizon:]
    for _ in range(rng.randint(0, 4)):  # stones
        place = rng.uniform(0, width), rng.uniform(horizon, height)
        extent = rng.uniform((0.05, 0.04), (0.2, 0.12)) * width
        fill(image, CIRCLE * extent + place, rng.uniform(50, 130) + rng.normal(0, 8, 3))
    return image


def draw_sand(height: int, width: int, rng: RandomState) -> np.ndarray:
    ground = np.array(_GROUNDS[rng.randint(len(_GROUNDS))]) * rng.uniform(0.7, 1.15)
    image = _blend(height, width, (ground, ground, ground), rng, 10)
    step, strength = min(height, width) * rng.uniform(0.012, 0.06), rng.uniform(8, 26)
    shape = max(2, round(height / step)), max(2, round(width / step))
    grain = rng.normal(0, strength, shape).astype(np.float32)  # sand, gravel, or the blur of a river bed
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(image + grain[..., np.newaxis], 0, 255).astype(np.uint8)


def draw_plants(height: int, width: int, rng: RandomState) -> np.ndarray:
    image = draw_water(height, width, rng)
    for _ in range(rng.randint(4, 12)):
        add_frond(image, rng)
    return image


def draw_plain(height: int, width: int, rng: RandomState) -> np.ndarray:
    """Draw what lies under a fish on a table, on a deck, or cut out on white."""
    surface = np.array(_SURFACES[rng.randint(len(_SURFACES))])
    return _blend(height, width, (surface, surface * rng.uniform(0.75, 1)), rng, 5)


def add_frond(image: np.ndarray, rng: RandomState) -> None:
    """Draw a water plant that grows from the lower edge."""
    height, width = image.shape[:2]
    t = np.linspace(0, 1, 9)
    sway, lean = rng.uniform(-0.08, 0.08), rng.uniform(-0.2, 0.2)
    x = width * (rng.uniform(0, 1) + sway * np.sin(rng.uniform(0, 6) + 5 * t) + lean * t)
    y = height * (1.02 - rng.uniform(0.3, 1.0) * t)
    half = width * rng.uniform(0.012, 0.04) * np.sin(np.pi * (0.25 + 0.74 * t))
    green = rng.uniform((20, 70, 20), (120, 160, 70)) * rng.uniform(0.5, 1)
    fill(image, strip(x, y, half), green)


def strip(x: np.ndarray, y: np.ndarray, half: float | np.ndarray) -> np.ndarray:
    """Return the outline of a line of the width 2 * half along x."""
    return np.stack([np.concatenate([x - half, (x + half)[::-1]]), np.concatenate([y, y[::-1]])], axis=1)


def add_bubbles(image: np.ndarray, rng: RandomState) -> None:
    height, width = image.shape[:2]
    for radius in rng.uniform(0.01, 0.045, rng.randint(3, 9)) * width:
        points = fixed_point(CIRCLE * radius + rng.uniform(0, 1, 2) * (width, height))
        cv2.polylines(image, [points], True, (215, 230, 235), max(1, round(radius / 3)), cv2.LINE_AA, 4)


def draw_light(rng: RandomState) -> np.ndarray:
    """Return a look-up table for brightness, contrast, and the color of the light: (1, 256, 3) uint8."""
    cast = rng.uniform(0.85, 1.1, 3) * rng.uniform(0.7, 1.2)
    haze = rng.uniform(0, 30) * rng.uniform(0.5, 1, 3)
    levels = 255 * np.linspace(0, 1, 256)[:, np.newaxis] ** rng.uniform(0.8, 1.3)
    return np.clip(haze + levels * cast * (1 - haze / 255), 0, 255).astype(np.uint8)[np.newaxis]


SCENES = (draw_water, draw_floor, draw_sand, draw_plants, draw_plain)
