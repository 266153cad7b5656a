"""Verb that removes results."""

from __future__ import annotations

import argparse
import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from adit.cli.parsing import Verbs
from adit.errors import ExternalToolError
from adit.progress import log

SNAKEMAKE = Path(".snakemake")
"""Hidden folder of Snakemake, where a workflow holds its lock."""

SHOWN = 10
"""Number of kept files that are listed by name."""


def _clean(args: argparse.Namespace) -> None:
    from adit.outputs.clean import clean

    for folder in args.folders:
        with _no_run(folder):
            count, left = clean(folder)
        log.info("%s: %d files of adit removed, %d other files kept", folder, count, len(left))
        for path in left[:SHOWN]:
            log.info("  kept: %s", path)


@contextmanager
def _no_run(folder: Path) -> Iterator[None]:
    """Keep workflows out while a folder is cleaned: those that were started in it or in a folder above it.

    Raises:
        ExternalToolError: a workflow runs there.
    """
    place = folder.resolve()
    with ExitStack() as handles:
        for lock in [parent / SNAKEMAKE / "adit.lock" for parent in (place, *place.parents)]:
            if not lock.is_file():
                continue
            handle = handles.enter_context(lock.open("a"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ExternalToolError(f"another run works in this folder ({lock}); wait for it, or stop it") from None
        yield


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="e.g. results")

    text = "remove the files listed in the manifests of a folder; other files are kept and listed"
    verbs.add("clean", _clean, text, declare, needs_config=False)
