"""Snakemake that asks after its jobs every second.

After every question without news the executor waits ten seconds longer, up to three minutes: right for a cluster, but
here jobs take seconds, and a third of a run would be waiting. Nothing else is changed.
"""

from __future__ import annotations

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = 1


def ask_often() -> None:
    """Let no executor wait longer than ``SECONDS`` between two questions."""
    pause = RemoteExecutor.next_seconds_between_status_checks
    RemoteExecutor.next_seconds_between_status_checks = property(
        lambda executor: min(SECONDS, pause.fget(executor)), pause.fset
    )


if __name__ == "__main__":
    ask_often()
    main(sys.argv[1:])
