"""How a verb is declared: its options are the same everywhere."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from adit import config
from adit.config.base import MOST
from adit.errors import one_line

DEFAULT_FILE = "config/config.yaml"
"""``--config`` where it is not given."""

Handler = Callable[[argparse.Namespace], None]


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one printable line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end with exit code 2."""
        super().error(one_line(message))


class Verbs:
    """The verbs of the command line, as the rooms add them."""

    def __init__(self, top: argparse.ArgumentParser) -> None:
        self._verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def add(self, name: str, handler: Handler, text: str, *, needs_config: bool = True) -> argparse.ArgumentParser:
        """Add a verb and return its parser.

        Args:
            name: as typed.
            handler: called with the parsed arguments.
            text: what the verb does.
            needs_config: whether it takes ``--config``.
        """
        sub = self._verbs.add_parser(name, help=text, description=text)
        if needs_config:
            sub.add_argument("--config", default=DEFAULT_FILE, help="YAML file, or the stage's slice as JSON")
        sub.add_argument("--log", type=Path, help="write messages to this file too")
        text = "replace outputs that no manifest says this verb wrote (docs/security.md)"
        sub.add_argument("--adopt", action="store_true", help=text)
        sub.set_defaults(handler=handler)
        return sub


def whole_config(path: str) -> config.Config:
    """Return the configuration named; the defaults where none is named and none lies here."""
    return config.Config() if path == DEFAULT_FILE and not Path(path).is_file() else config.load(path)


def add_paths(sub: argparse.ArgumentParser, *names: str, many: bool = False, required: bool = True) -> None:
    """Add options that take a path, or several."""
    for name in names:
        if many:
            sub.add_argument(f"--{name}", type=Path, nargs="*" if not required else "+", default=[], required=required)
        else:
            sub.add_argument(f"--{name}", type=Path, required=required)


def add_refuse(sub: argparse.ArgumentParser) -> None:
    """Add the option that makes contradictions of files failures."""
    sub.add_argument(
        "--refuse-contradictions",
        action="store_true",
        help="structures that contradict their own file (formula, Z, density, volume, number of atoms) are failures; "
        "default: they are flagged",
    )


def at_least_one(text: str) -> int:
    """Return a count from 1 on: a whole number, at most ``MOST``."""
    return _whole(text, 1)


def from_zero(text: str) -> int:
    """Return a count from 0 on: a whole number, at most ``MOST``."""
    return _whole(text, 0)


def seed(text: str) -> int:
    """Return a seed: a whole number from 0 to 2⁶³ - 1."""
    return _whole(text, 0, 2**63 - 1)


def _whole(text: str, least: int, most: int = MOST) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"'{one_line(text, 40)}' is no whole number from {least} to {most}")
    return number
