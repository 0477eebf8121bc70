"""Helpers for every room: files, processes, downloads, progress bars, colors, versions.

Nothing here knows images, networks or estimators.
"""
