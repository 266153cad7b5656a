"""``python -m adit``: the command line."""

import sys

from adit.cli import main

sys.exit(main())
