"""Run fishsk's command line: ``python -m fishsk``."""

import sys

from fishsk.cli import main

if __name__ == "__main__":
    sys.exit(main())
