"""Command that shows the networks of a configuration."""

from __future__ import annotations

import argparse

from adit import config
from adit.cli.parsing import Verbs
from adit.errors import ConfigError
from adit.progress import log


def _info(args: argparse.Namespace) -> None:
    if not args.models:
        raise ConfigError("adit info: nothing to show; add --models")
    from adit.model.sizes import configured_sizes, paper_sizes

    checked = config.load(args.config)
    log.info("networks of the paper, with the number of parameters of the modules:")
    for size in paper_sizes():
        log.info("  %s", size.line())
    log.info("networks of %s:", args.config)
    for size in configured_sizes(checked):
        log.info("  %s", size.line())


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--models", action="store_true", help="show the networks and their number of parameters")

    verbs.add("info", _info, "show the networks of a configuration", declare)
