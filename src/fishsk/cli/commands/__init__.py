"""The commands, one file each: its docstring is its help, `add_arguments` its options, `run` what it does.

A command's module is imported to build the parser, so that what it needs to run is imported in `run`.
"""
