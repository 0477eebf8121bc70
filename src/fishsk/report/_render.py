"""Pages from templates: everything that the data say is text in them, and never markup."""

from __future__ import annotations

from typing import Any

from fishsk.inspection import write_number


def render_page(template: str, /, *, package: str = "fishsk.report", **context: Any) -> str:
    """Return the page of a template and of what it shows.

    Parameters
    ----------
    template : str
        A file in ``templates`` of the package, or else of this one.
    package : str, default="fishsk.report"
        The package; its templates may extend and include those of this one.
    **context : dict
        What the template shows.
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
    environment.filters["percent"] = lambda share: f"{100 * share:.1f}\u00a0%"
    environment.filters["points"] = lambda share: f"{100 * share:+.1f}".replace("-", "\u2212")
    environment.filters["number"] = lambda value: _write(value, digits=3)
    environment.filters["fraction"] = lambda value: _write(round(value, 3) + 0.0, digits=3)
    environment.filters["signed"] = lambda value: _write(value, digits=2, sign=True)
    # Paths break behind a slash rather than in the middle of a word.
    environment.filters["breakable"] = lambda name: markupsafe.escape(name).replace(
        "/", markupsafe.Markup("/<wbr>")
    )
    return environment.get_template(template).render(context)


def _write(value: float, **options: Any) -> str:
    """Return a number with a minus sign that is as wide as a plus; a dash for what is none."""
    return "\u2013" if value != value else write_number(value, **options).replace("-", "\u2212")
