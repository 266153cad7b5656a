"""``python -m adit``: the command line."""

import atexit
import os
import sys

# Python puts the folder that it is started in before its own modules, where a user's struct.py or numpy.py may lie.
if not sys.flags.safe_path and sys.path[:1] == [os.getcwd()] and not os.path.isdir("adit"):
    del sys.path[0]

from adit.cli import INTERRUPTED, main

code = main()
if code == INTERRUPTED:
    # Python would end by SIGINT instead, if the signal came during the exec of a text (an import of dataclasses, say).
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
sys.exit(code)
