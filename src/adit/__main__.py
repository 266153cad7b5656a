"""``python -m adit``: the command line."""

import os
import sys

# Python puts the folder that it is started in before its own modules, where a user's struct.py or numpy.py may lie.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()] and not os.path.isdir("adit"):
    del sys.path[0]

from adit.cli import main

sys.exit(main())
