"""Pages from templates: everything that the data say is text in them, and never markup."""

from __future__ import annotations

import datetime
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fishsk._utils.files import StrPath, expand, write_atomically
from fishsk._version import __version__
from fishsk.inspection import format_number

if TYPE_CHECKING:
    from markupsafe import Markup


def render_page(template: str, /, *, package: str = "fishsk.report", **context: object) -> str:
    """Return the page of a template and of what it shows.

    The template is a file in ``templates`` of `package`, or else of this one, whose files it may extend.
    """
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(each) for each in (package, "fishsk.report")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    slash = markupsafe.Markup("/<wbr>")  # a path breaks behind it rather than in the middle of a word
    environment.filters |= {
        "breakable": lambda name: markupsafe.escape(name).replace("/", slash),
        "markdown": escape_markdown,
        "percent": lambda share: f"{100 * share:.1f}\u00a0%",
        "points": lambda share: f"{100 * share:+.1f}".replace("-", "\u2212"),
        "number": shorten,
        "fraction": lambda value: shorten(round(value, 3) + 0.0),
        "signed": partial(shorten, digits=2, sign=True),
        "p": lambda p_value: "<0.001" if p_value < 0.001 else f"{p_value:.3f}",
    }
    return environment.get_template(template).render(context)


def write_page(path: StrPath, template: str, **context: Any) -> Path:
    """Write the page of a template as a file that appears whole or not at all, and return its path.

    It says when and by which version of fishsk it was written. What no encoding has, such as some file names,
    is written with backslashes.
    """
    written = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"
    page = render_page(template, written=written, version=__version__, **context)
    path = expand(path)
    write_atomically(path, [page.encode(errors="backslashreplace")])
    return path


def escape_markdown(text: object) -> Markup:
    """Return text as Markdown that shows it as it is, in one line, also in a cell of a table."""
    import markupsafe

    return markupsafe.Markup(re.sub(r"([\\`*_\[\]<>|&#~$!])", r"\\\1", " ".join(str(text).split())))


def shorten(value: float, *, digits: int = 3, sign: bool = False) -> str:
    """Return a number with a minus sign that is as wide as a plus; a dash for what is none."""
    if np.isnan(value):
        return "\u2013"
    return format_number(value, digits=digits, sign=sign).replace("-", "\u2212")
