"""write_suggestions: one HTML file on which a person labels the images that `suggest_labels` chose."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fishsk._utils.files import StrPath
from fishsk.features import check_images
from fishsk.inspection import LabelSuggestions
from fishsk.report._figures import Album
from fishsk.report._render import write_page

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

_LONGEST_SIDE = 320  # pixels: what a person labels is shown larger than what a report shows
_KEYS = "123456789abcdefghijklmnopqrstvwxyz"  # of the classes; 0 skips, u takes back


def write_suggestions(
    found: LabelSuggestions,
    X: ImagesLike,
    path: StrPath,
    *,
    classes: Sequence[object],
    labeled: Sequence[tuple[str, str]] = (),
    title: str | None = None,
    max_unfamiliar: int = 24,
) -> Path:
    """Write a page on which a person gives labels by keys, and saves them as a table that `fit` takes.

    Its one script is written into it, and no other may run; it loads nothing, and sends nothing. `found` is
    what `rank_suggestions` returned of the images `X`. The page can add classes to `classes`; `labeled` are
    paths and labels of images that its table can hold as well. Of the images that are unlike the labeled
    ones, `max_unfamiliar` can be labeled, too.
    """
    images = check_images(X)
    strange = list(found.unfamiliar)[:max_unfamiliar]
    words = [*found.reason, *(found.unfamiliar[row] for row in strange)]
    album = Album(_LONGEST_SIDE)
    cards = [
        {
            "place": place,
            "image": album.add("image", images, row),
            "path": os.path.abspath(images.name(row)),
            "name": images.name(row),
            "reason": reason,
            "guess": str(found.guess[row]),
        }
        for place, (row, reason) in enumerate(
            zip([*found.rows.tolist(), *strange], words, strict=True), start=1
        )
    ]
    script = resources.files("fishsk.report").joinpath("templates/next.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    n_suggested = len(found.rows)
    return write_page(
        path,
        "next.html",
        title=title or f"What to label next: {n_suggested} of {len(images):,} images",
        sections={"label": "Label", "suggested": "Suggested"}
        | ({"unfamiliar": "Unlike the labeled images"} if strange else {})
        | ({"apart": "Set apart"} if found.duplicate or found.unreadable else {}),
        images=album.images,
        suggested=cards[:n_suggested],
        strange=cards[n_suggested:],
        n_strange=len(found.unfamiliar),
        apart={
            "Pictures that are there already": [
                (images.name(row), reason) for row, reason in found.duplicate.items()
            ],
            "Files that cannot be read": [(None, reason) for reason in found.unreadable.values()],
        },
        keys=[(_KEYS[place : place + 1], str(label)) for place, label in enumerate(classes)],
        labeled=json.dumps([[os.path.abspath(name), str(label)] for name, label in labeled]),
        n_labeled=len(labeled),
        # Labels of one page are no labels of another one.
        token=hashlib.sha256(repr([card["path"] for card in cards]).encode()).hexdigest()[:16],
        script=script,
        digest=digest,
    )
