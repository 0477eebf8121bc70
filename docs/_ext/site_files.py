"""Files of the site that follow from the package: the card of its links, and the versions of it."""

import json
import tomllib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import fishsk
from fishsk.datasets import make_fish_images

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
_CARD = (630, 1200)  # pixels, as programs that show links want it


def read_urls() -> dict[str, str]:
    """Return where the project lives, by the names of pyproject.toml."""
    return tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["urls"]


def list_versions() -> list[dict[str, str]]:
    """Return the versions that readers can choose from: this one, until an older one is kept beside it."""
    return [{"name": fishsk.__version__, "version": fishsk.__version__, "url": read_urls()["Documentation"]}]


def write_card(folder: Path) -> Path:
    """Draw the picture that chat programs show for a link, and return its file, alone in a folder."""
    images, _ = make_fish_images(18, random_state=0)
    tile = _CARD[1] // 6
    rows = [np.hstack(images[start : start + 6]) for start in (0, 6, 12)]
    ground = cv2.resize(np.vstack(rows), (6 * tile, 3 * tile), interpolation=cv2.INTER_CUBIC)
    ground = cv2.resize(ground, _CARD[::-1])
    card = Image.fromarray((ground * 0.45).astype(np.uint8))
    draw = ImageDraw.Draw(card)
    draw.text((70, 200), "fishsk", font=ImageFont.load_default(140), fill="white")
    draw.text((74, 380), "Frozen deep image features", font=ImageFont.load_default(52), fill="white")
    draw.text((74, 450), "for scikit-learn", font=ImageFont.load_default(52), fill="white")
    path = folder / "extra" / "card.png"
    path.parent.mkdir(exist_ok=True)
    card.save(path)
    static = path.parent / "_static"
    static.mkdir(exist_ok=True)
    (static / "switcher.json").write_text(json.dumps(list_versions()), encoding="utf-8")
    return path
