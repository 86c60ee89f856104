"""``python -m autonoise``."""

import sys

from autonoise.cli import main

if __name__ == "__main__":
    sys.exit(main())
