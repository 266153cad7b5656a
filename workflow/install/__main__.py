"""``python -m workflow.install env``, ``docs`` and ``wheelhouse``; called by workflow/scripts/env.sh and make."""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow.install import drawing, gpaw, packages, toolchain, wheelhouse
from workflow.install.steps import SetupError, say


def main() -> int:
    """Run a verb; return the exit status: 2 where the user or the machine has to change something."""
    parser = argparse.ArgumentParser(prog="workflow.install", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    env = verbs.add_parser("env", help="install packages and GPAW")
    env.add_argument("--stamp", type=Path, required=True, help="stamp file, written when all packages are installed")
    env.add_argument("--gpaw-stamp", type=Path, required=True, help="file that says: GPAW has computed an energy")
    docs = verbs.add_parser("docs", help="install the tools of the documentation site")
    docs.add_argument("--stamp", type=Path, required=True, help="stamp file, written when they are installed")
    pack = verbs.add_parser("wheelhouse", help="pack everything that the lock needs into a folder")
    pack.add_argument("folder", type=Path)
    options = parser.parse_args()
    folder = Path(os.environ.get("ENV", ".venv"))
    try:
        with _only_one(folder):
            if options.verb == "wheelhouse":
                wheelhouse.pack(options.folder, folder)
            elif options.verb == "docs":
                set_up_docs(folder, options.stamp)
            else:
                set_up(folder, options.stamp, options.gpaw_stamp)
    except SetupError as error:
        say(f"error: {error}")
        return 2
    except OSError as error:
        say(f"error: {error.filename or folder}: {error.strerror}; mend this and run `make env`")
        return 2
    except KeyboardInterrupt:
        say("stopped; `make env` goes on where it stopped")
        return 130
    return 0


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one set-up of a folder run at a time; another one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another set-up of {folder} is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def set_up(folder: Path, stamp: Path, gpaw_stamp: Path) -> None:
    """Install parts without a stamp; a stamp is written only after its part was checked."""
    began = time.monotonic()
    source = os.environ.get("WHEELHOUSE")
    whole = stamp.exists()
    if not whole:
        _remove_stamps(folder)
    name = os.environ.get("INSTALLER") or "uv"
    if name not in ("uv", "pip"):
        raise SetupError(f"INSTALLER={name}: no such installer; give uv or pip")
    installer = packages.prepare(folder, sys.executable, Path(source) if source else None, name)
    if not whole:
        packages.install_packages(toolchain.with_headers(installer, toolchain.find_or_get(installer)))
        drawing.install(installer)
        stamp.touch()
    set_up_gpaw(installer, gpaw_stamp)
    say(f"ready after {time.monotonic() - began:.0f} s")


def set_up_docs(folder: Path, stamp: Path) -> None:
    """Install the tools of the documentation site into an environment that is set up."""
    source, name = os.environ.get("WHEELHOUSE"), os.environ.get("INSTALLER") or "uv"
    packages.install_docs(packages.prepare(folder, sys.executable, Path(source) if source else None, name))
    stamp.touch()


def set_up_gpaw(installer: packages.Installer, stamp: Path) -> None:
    """Install GPAW, or report in one line why it failed: the rest of the project works without it."""
    failed = stamp.with_name(stamp.name.replace("gpaw", "no-gpaw"))
    for old in (*installer.env.glob(".stamp-gpaw-*"), *installer.env.glob(".stamp-no-gpaw-*")):
        old.unlink()
    try:
        gpaw.install(installer)
    except SetupError as error:
        say(gpaw.write_missing(installer.env, str(error)))
        say("Until then DFT falls back to GFN1-xTB, semi-empirical and not DFT, where the configuration allows it.")
        failed.touch()
    else:
        if gpaw.missing_file(installer.env).exists():
            gpaw.missing_file(installer.env).unlink()
            say("GPAW works now; to repeat DFT of a finished run with it: make run REDO='dft dft_molecules'")
        stamp.touch()


def _remove_stamps(folder: Path) -> None:
    for stamp in folder.glob(".stamp-*"):
        stamp.unlink()


if __name__ == "__main__":
    sys.exit(main())
