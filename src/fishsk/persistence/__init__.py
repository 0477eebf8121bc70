"""Fitted pipelines in files that hold data and no code: save, load, export to Keras."""

from fishsk.persistence._export import export_keras
from fishsk.persistence._save import load_pipeline, save_pipeline

__all__ = ["export_keras", "load_pipeline", "save_pipeline"]
