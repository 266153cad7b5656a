"""Commands that make a folder to run the workflow in, and that remove results."""

from __future__ import annotations

import argparse
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Final

from adit.cli.parsing import Verbs
from adit.errors import ConfigError, ExternalToolError
from adit.places import shared
from adit.progress import log

ITEMS: Final = (
    *("Snakefile", "requirements.lock", "config", "envs", "weights", "results/README.md"),
    *("workflow/profiles", "workflow/report", "workflow/rules", "workflow/schemas", "workflow/scripts/train.sh"),
)
"""What a folder gets; setup.py puts the same into the wheel."""

OMITTED: Final = ("__pycache__", ".*", "Dockerfile", "*.def")
"""Files in these folders that only a clone can use; setup.py leaves the same out of the wheel."""

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


def make_folder(folder: Path) -> None:
    """Make a folder in which Snakemake runs the workflow; nothing is left behind if this fails.

    Args:
        folder: an empty folder, or a path that does not exist.

    Raises:
        ConfigError: the folder is not empty, or is a file, or this installation lacks the workflow.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"{folder}: is not a folder; name a new one")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty, and its files are kept; name a new folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        new = Path(scratch, "new")
        for name in ITEMS:
            _copy(shared(name), new / name)
        (new / "slurm").symlink_to("workflow/profiles/slurm")
        text = files("adit.cli").joinpath("init.md").read_text(encoding="utf-8")
        (new / "README.md").write_text(text, encoding="utf-8")
        new.rename(folder)  # over an empty folder, or a path that does not exist


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*OMITTED))
    else:
        shutil.copy2(source, target)
    if target.suffix == ".sh":
        target.chmod(0o755)


def _init(args: argparse.Namespace) -> None:
    make_folder(args.folder)
    log.info("%s is ready; next: cd %s && snakemake --cores 2 --configfile config/demo.yaml", args.folder, args.folder)


def register(verbs: Verbs) -> None:
    """Add the verbs of this room."""

    def declare(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="e.g. results")

    verbs.add("clean", _clean, declare, needs_config=False)

    def declare_init(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("folder", metavar="DIR", type=Path, help="folder to make; an existing one must be empty")

    verbs.add("init", _init, declare_init, needs_config=False)
