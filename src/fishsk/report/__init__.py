"""HTML files that say what inspection found: a report of one classifier, a comparison of two."""

from fishsk.report._comparison import write_comparison
from fishsk.report._report import write_report

__all__ = ["write_comparison", "write_report"]
