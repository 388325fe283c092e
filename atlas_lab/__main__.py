"""`python -m atlas_lab COMMAND`; see cli.py."""

import sys

from atlas_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
