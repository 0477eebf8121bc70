"""The commands, one file each: its summary, its examples, its arguments and what it does.

A command's module is imported to build the parser, so that what it needs to run is imported in `run`.
"""
