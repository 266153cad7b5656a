"""Commands that show the networks of a configuration, and the completion of this command line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

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


SHELLS = ("bash", "zsh", "fish")
"""Shells that completion is tested in."""


def _completion(args: argparse.Namespace) -> None:
    import shtab

    from adit.cli import parser

    top = parser()
    _name_files(top, shtab.FILE)
    sys.stdout.write(f"{shtab.complete(top, shell=args.shell)}\n")


def _name_files(parser: argparse.ArgumentParser, files: dict[str, str]) -> None:
    """Mark the options whose values are files, also those of the commands below."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _name_files(command, files)
        elif action.type is Path or action.dest == "config":
            action.complete = files  # type: ignore[attr-defined]


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--models", action="store_true", help="show the networks and their number of parameters")

    verbs.add("info", _info, declare)

    def declare_completion(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")

    verbs.add("completion", _completion, declare_completion, needs_config=False)
