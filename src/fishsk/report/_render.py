"""Pages from templates: everything that the data say is text in them, and never markup."""

from __future__ import annotations

from typing import Any


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
    # Paths break behind a slash rather than in the middle of a word.
    environment.filters["breakable"] = lambda name: markupsafe.escape(name).replace(
        "/", markupsafe.Markup("/<wbr>")
    )
    return environment.get_template(template).render(context)
