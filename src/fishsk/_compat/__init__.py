"""The private names of other packages that fishsk relies on, one file for each package.

No other room uses a private name of another package.
"""
