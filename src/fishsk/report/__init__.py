"""HTML pages and model cards that show what ``inspection`` found: of a classifier, of two, of a data set.

Nothing is computed here, and no page loads anything from elsewhere.
"""

from fishsk.report._comparison import write_comparison, write_drift
from fishsk.report._data_issues import write_data_issues
from fishsk.report._figures import encode_image
from fishsk.report._render import render_page
from fishsk.report._report import write_model_card, write_report
from fishsk.report._suggestions import write_suggestions
from fishsk.report._training import list_gains
