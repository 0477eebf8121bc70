"""Fitted pipelines in files that hold data and no code: save, load, export to other runtimes.

Nothing that is read here is executed, and rows of features are not kept here but in ``store``.
"""

from fishsk.persistence._export import export_model
from fishsk.persistence._save import load_pipeline, save_pipeline

__all__ = ["export_model", "load_pipeline", "save_pipeline"]
