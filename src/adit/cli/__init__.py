"""The command line: commands for users and stages of the workflow; each error is printed as one line."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Collection, Sequence
from importlib import import_module
from pathlib import Path

from adit import __version__
from adit.cli.overview import VERBS, Group, rooms_of
from adit.cli.parsing import Parser, Verbs, name_of, read_files, used_paths, written_paths
from adit.errors import AditError, DataError, from_os_error
from adit.outputs.check import check_output_places, set_adopting
from adit.outputs.inputs import reads_only
from adit.progress import log, setup
from adit.slurm import back_to_the_queue, requeue, wait_for_end
from adit.transfer import let_threads_sleep

PARENT_VARIABLE = "ADIT_PARENT_PID"
"""Environment variable with the process id of the workflow: a stage ends when that process has ended."""

STOPPED = 143
"""Exit code of a training that was stopped by a signal and saved its state."""

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C or a signal ended."""


def parser(rooms: Collection[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        rooms: only the commands of these modules of ``adit.cli`` have options; ``None``: all.
    """
    top = Parser(
        prog="adit",
        description="Generate crystals and molecules, relax, score and report them;\n"
        "`adit VERB --help` lists the options of a command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=__version__)
    verbs = Verbs(top)
    for room in dict.fromkeys(verb.room for verb in VERBS) if rooms is None else sorted(rooms):
        import_module(f"adit.cli.{room}").register(verbs)
    groups = {
        "for the upkeep of this project": (Group.UPKEEP,),
        "stages of the workflow, called by its rules as `adit stage STAGE`": (Group.STAGES, Group.BOTH),
    }
    lines = [
        f"{title}: {', '.join(verb.name for verb in VERBS if verb.group in group)}" for title, group in groups.items()
    ]
    top.epilog = "\n\n".join(textwrap.fill(line, 78, break_on_hyphens=False) for line in lines)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    It is 0 without an error, 2 for the configuration, 3 for data, 4 for an external tool, ``STOPPED`` or
    ``INTERRUPTED`` after a signal, 1 for any other error of this package.

    Args:
        arguments: words of the command line; ``None``: those of this process.

    Raises:
        SystemExit: the command line is wrong (exit code 2), or asks for help or the version (0).
    """
    let_threads_sleep()
    args = _parsed(sys.argv[1:] if arguments is None else arguments)
    verb = name_of(args)
    reads_only(read_files(args))
    set_adopting(args.adopt)
    try:
        setup(verb, args.log, used_paths(args), written_paths(args))
    except AditError as error:
        sys.stderr.write(f"[{verb}] error: {error}\n")
        return error.exit_code
    _end_with_parent()
    from adit.limits import DEFAULTS, limited

    try:
        with back_to_the_queue(), limited(DEFAULTS):
            check_output_places(written_paths(args))
            args.handler(args)
    except AditError as error:
        log.error("error: %s", error)
        if error.exit_code == STOPPED and requeue():
            wait_for_end()
        return error.exit_code
    except OSError as error:
        message = from_os_error(error, str(error.filename or f"adit {verb}"))
        log.error("error: %s", message)
        return message.exit_code
    except UnicodeEncodeError as error:
        near = error.object[max(0, error.start - 40) : error.end + 40]
        message = DataError(f"a text is not valid Unicode and cannot be stored: {near!r}; change the input")
        log.error("error: %s", message)
        return message.exit_code
    except KeyboardInterrupt:
        log.error("interrupted; repeat the command to resume from saved results")
        return INTERRUPTED
    return 0


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Return the parsed command line; words that are not UTF-8 end it, since no library writes files of such names."""
    top = parser(rooms_of(list(words)))
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            top.error(f"'{word}': is not UTF-8 text; rename the file or folder")
    return top.parse_args(words)


def _end_with_parent() -> None:
    """End this process, and the workers it started, when the workflow named in ``ADIT_PARENT_PID`` is gone."""
    text = os.environ.get(PARENT_VARIABLE, "")
    if not text.isdigit():
        return
    parent = int(text)

    def watch() -> None:
        while _alive(parent):
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
