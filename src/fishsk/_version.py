"""The version of fishsk, of which everything else asks here."""

__version__ = "0.1.0"
