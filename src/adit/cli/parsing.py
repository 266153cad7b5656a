"""Declaration of commands, with the options that all of them share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from adit.cli.overview import VERBS, Group
from adit.errors import one_line

if TYPE_CHECKING:
    from adit import config

DEFAULT_FILE = "config/config.yaml"
"""Default of ``--config``."""

Handler = Callable[[argparse.Namespace], None]
"""Runs a command with its parsed arguments."""


class Parser(argparse.ArgumentParser):
    """Parser with errors of one printable line, for any input."""

    def error(self, message: str) -> NoReturn:
        """Print the error and end with exit code 2.

        Raises:
            SystemExit: always.
        """
        super().error(one_line(message))


Declare = Callable[[argparse.ArgumentParser], None]
"""Adds the options of a command to its parser."""

PATHS: Final = {
    "out": "file or folder to write",
    "data": "prepared datasets, .arrow",
    "vae": "folder of the autoencoder",
    "dit": "folder of the denoiser",
    "latents": "encoded datasets, .arrow",
    "labels": "tables of computed labels, .parquet",
    "state": "folder for checkpoints of an interrupted command",
    "stats": "file for the statistics of the dataset",
    "cache": "folder for cached results",
    "timing": "file for the time that sampling took, JSON, s",
    "samples": "shards of samples, .arrow",
    "shard": "the shard of samples to check, .arrow",
    "structures": "file for the relaxed structures, .arrow",
    "extxyz": "file for the relaxed structures, extended XYZ",
    "sdf": "file for the relaxed molecules with bonds, SDF",
    "relaxed": "tables of relaxations, .parquet",
    "reference": "table of reference entries, .parquet",
    "hull": "table of energies above the hull, .parquet",
    "judged": "tables of the judge, .parquet",
    "judge": "table of both potentials' verdicts, .parquet",
    "prototypes": "table of searched pairs, .parquet",
    "dft": "tables of DFT, .parquet",
    "dos": "file for the phonon densities of states, .parquet",
    "checks": "results of the slow checks, .json",
    "selected": "table of the structures selected for DFT, .parquet",
    "folder": "folder to work in",
    "settings": "folder of the presets of DFT engines",
    "points": "folders of the points of the grid",
    "run": "folder of the run",
    "crystal": "shards of crystals, .arrow",
    "molecule": "shards of molecules, .arrow",
    "mof": "shards of MOFs, .arrow",
}
"""Options that take a path, and their help."""


class Verbs:
    """The commands in three groups: for users, for the upkeep of this project, and stages (``adit stage VERB``).

    All are in the lists of the help; those of registered rooms have their options.
    """

    def __init__(self, top: argparse.ArgumentParser) -> None:
        people = top.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
        text = "run one stage of the workflow, as its rules do; `adit stage --help` lists the stages"
        stage = people.add_parser("stage", help=text, description=text)
        stages = stage.add_subparsers(dest="stage", required=True, metavar="STAGE", title="stages")
        for verb in VERBS:
            if verb.group in (Group.USERS, Group.BOTH):
                people.add_parser(verb.name, help=verb.text, description=verb.text)
            if verb.group in (Group.STAGES, Group.BOTH):
                stages.add_parser(verb.name, help=verb.text, description=verb.text)
            if verb.group is Group.UPKEEP:
                people.add_parser(verb.name, description=verb.text)
        self._people: Mapping[str, argparse.ArgumentParser] = people.choices
        self._stages: Mapping[str, argparse.ArgumentParser] = stages.choices

    def add(self, name: str, handler: Handler, declare: Declare, *, needs_config: bool = True) -> None:
        """Declare a command for users or for the upkeep.

        Args:
            name: name of the command in ``VERBS``.
            handler: called with the parsed arguments.
            declare: adds the options.
            needs_config: whether the command has ``--config``.
        """
        _declare(self._people[name], handler, declare, "YAML file" if needs_config else "")

    def stage(self, name: str, handler: Handler, declare: Declare, *, needs_config: bool = True) -> None:
        """Declare a stage of the workflow; see ``add``."""
        text = "section of the configuration for this stage as JSON, or a YAML file"
        _declare(self._stages[name], handler, declare, text if needs_config else "")

    def both(self, name: str, handler: Handler, declare: Declare, *, needs_config: bool = True) -> None:
        """Declare a command that users and the workflow call in the same way; see ``add``."""
        self.add(name, handler, declare, needs_config=needs_config)
        self.stage(name, handler, declare, needs_config=needs_config)


def _declare(sub: argparse.ArgumentParser, handler: Handler, declare: Declare, config_help: str) -> None:
    """Add the options of all commands, and add the default of every option to its help."""
    if config_help:
        sub.add_argument("--config", default=DEFAULT_FILE, help=config_help)
    sub.add_argument("--log", type=Path, help="also write messages to this file; default: only to the terminal")
    text = "replace output files that are not in the manifest of this command (docs/security.md)"
    sub.add_argument("--adopt", action="store_true", help=text)
    declare(sub)
    for action in sub._actions:
        if action.dest == "config" and action.default is None:
            action.help = f"{action.help}; default: the settings stored with the weights"
        empty = action.default is False or action.default in (None, [], argparse.SUPPRESS)
        if action.option_strings and not empty and "default:" not in (action.help or ""):
            shown = " ".join(map(str, action.default)) if isinstance(action.default, list) else str(action.default)
            action.help = f"{action.help}; default: {shown.replace('%', '%%')}"
    sub.set_defaults(handler=handler)


def name_of(args: argparse.Namespace) -> str:
    """Return the verb or stage that was called."""
    return str(args.stage) if args.verb == "stage" else str(args.verb)


READ: Final = (
    *("files", "file", "tables", "runs", "data", "latents", "labels", "samples", "shard", "relaxed", "reference"),
    *("hull", "judged", "dft", "checks", "selected", "profile", "lock", "motif", "weights", "python"),
    *("formulas_data", "earlier", "rounds", "kept"),
)
"""Options whose values are files or folders that a command reads, in all commands that have them."""


WRITTEN: Final = ("out", "stats", "timing", "structures", "extxyz", "dos", "state", "cache", "folder", "ledger")
"""Options whose values are files or folders that a command writes; some commands only read one of them."""


def read_files(args: argparse.Namespace) -> list[Path]:
    """Return the files that a call names to be read; of folders, those that are settings of this package."""
    paths = config_file(args)
    for name in READ:
        value = getattr(args, name, None)
        values = value if isinstance(value, list) else [value]  # the shard of some stages is a number
        paths += [Path(each) for each in values if isinstance(each, str | Path) and each]
    settings = getattr(args, "settings", None)
    presets = sorted(settings.glob("*.yaml")) if isinstance(settings, Path) else []
    inner = [path / name for path in paths for name in ("bundle.json", "config.yaml")]
    return [*paths, *inner, *presets]


def written_paths(args: argparse.Namespace) -> list[Path]:
    """Return the files and folders that a call names to be written, without its log."""
    values = [getattr(args, name, None) for name in WRITTEN]
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return [each for each in flat if isinstance(each, Path)]


def used_paths(args: argparse.Namespace) -> list[Path]:
    """Return the files and folders that a call names, its configuration included, without its log."""
    paths: list[Path] = []
    for name, value in vars(args).items():
        values = value if isinstance(value, list) else [value]
        if name != "log":
            paths += [each for each in values if isinstance(each, Path)]
    return [*paths, *config_file(args)]


def config_file(args: argparse.Namespace) -> list[Path]:
    """Return the file of ``--config`` in a list; an empty one where it is JSON, or there is none."""
    text = getattr(args, "config", None)
    if not isinstance(text, str) or text.lstrip().startswith("{"):
        return []
    return [Path(text)]


def whole_config(path: str) -> config.Config:
    """Return the named configuration; the defaults if it is ``DEFAULT_FILE`` and there is no such file.

    Raises:
        ConfigError: the file is missing, empty, not YAML, or invalid.
    """
    from adit import config

    return config.Config() if path == DEFAULT_FILE and not Path(path).is_file() else config.load(path)


def add_paths(
    sub: argparse.ArgumentParser, *names: str, many: bool = False, required: bool = True, default: str = "none"
) -> None:
    """Add options that take paths, with the help of ``PATHS``.

    Args:
        sub: parser of a command.
        names: keys of ``PATHS``, without dashes.
        many: whether each option takes several paths.
        required: whether the options have to be given.
        default: what happens without an option that does not have to be given, for its help.
    """
    for name in names:
        text = PATHS[name] + ("" if required else f"; default: {default}")
        if many:
            nargs = "+" if required else "*"
            sub.add_argument(f"--{name}", type=Path, nargs=nargs, default=[], required=required, help=text)
        else:
            sub.add_argument(f"--{name}", type=Path, required=required, help=text)


def add_workers(sub: argparse.ArgumentParser, what: str = "processes") -> None:
    """Add the option ``--workers`` for the number of parallel processes; ``what`` is its help."""
    sub.add_argument("--workers", type=at_least_one, default=1, help=what)


def add_structures(sub: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the files of structures as arguments, and the option that turns contradictions in them into failures.

    Args:
        sub: parser of a command.
        required: whether at least one file has to be given.
    """
    text = "structures in any format of adit score, or folders with structures"
    sub.add_argument("files", metavar="FILE", type=Path, nargs="+" if required else "*", help=text)
    add_refuse(sub)


def add_refuse(sub: argparse.ArgumentParser) -> None:
    """Add the option that turns contradictions in files into failures."""
    sub.add_argument(
        "--refuse-contradictions",
        action="store_true",
        help="structures that contradict their own file (formula, Z, density, volume, number of atoms) are "
        "failures; default: they get a note",
    )


def at_least_one(text: str) -> int:
    """Return an option's count: an integer from 1 to ``MOST``.

    Raises:
        ArgumentTypeError: the text is another.
    """
    return _whole(text, 1)


def from_zero(text: str) -> int:
    """Return an option's count: an integer from 0 to ``MOST``.

    Raises:
        ArgumentTypeError: the text is another.
    """
    return _whole(text, 0)


def seed(text: str) -> int:
    """Return an option's seed: an integer from 0 to 2⁶³ - 1.

    Raises:
        ArgumentTypeError: the text is another.
    """
    return _whole(text, 0, 2**63 - 1)


def _whole(text: str, least: int, most: int | None = None) -> int:
    from adit.config.base import MOST

    most = MOST if most is None else most
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"'{one_line(text, 40)}' is not a whole number from {least} to {most}")
    return number
