"""Verb that removes results."""

from __future__ import annotations

import argparse
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adit.cli.parsing import Verbs
from adit.errors import ExternalToolError
from adit.progress import log

SNAKEMAKE = Path(".snakemake")
SHOWN = 10
"""Number of kept files that are listed by name."""


def _clean(args: argparse.Namespace) -> None:
    from adit.outputs.clean import clean, clean_snakemake

    with _no_run():
        for folder in args.folders:
            count, left = clean(folder)
            log.info("%s: %d files of adit removed, %d other files kept", folder, count, len(left))
            for path in left[:SHOWN]:
                log.info("  kept: %s", path)
        clean_snakemake(SNAKEMAKE)


@contextmanager
def _no_run() -> Iterator[None]:
    """Keep runs of the workflow out of this folder while it is cleaned.

    Raises:
        ExternalToolError: one works here.
    """
    lock = SNAKEMAKE / "adit.lock"
    if not lock.is_file():
        yield
        return
    with lock.open("a") as handle:
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
