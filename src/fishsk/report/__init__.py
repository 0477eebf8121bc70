"""One HTML file on how a fitted classifier does: what is gathered, its figures, its templates."""

from fishsk.report._report import write_report

__all__ = ["write_report"]
