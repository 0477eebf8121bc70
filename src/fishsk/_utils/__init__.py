"""What every room may use: files, processes, downloads, progress bars, colors, versions.

Nothing here knows images, networks or estimators.
"""
