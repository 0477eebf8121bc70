"""Fitted pipelines in files that hold data and no code: save, load, export to other runtimes."""

from fishsk.persistence._export import export_keras, export_model
from fishsk.persistence._save import load_pipeline, save_pipeline

__all__ = ["export_keras", "export_model", "load_pipeline", "save_pipeline"]
