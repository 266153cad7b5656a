"""Packages of Debian and Ubuntu: installed as root, or unpacked into the environment without it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from workflow.install.steps import SetupError, run, say


def get(packages: list[str], env: Path, log: Path, *, as_root: bool | None = None) -> None:
    """Install packages with apt-get, or unpack them into ``<env>/debian`` where this is not allowed.

    If not all can be had together, each is tried alone: a Python that is not the system's has no package of headers.

    Raises:
        SetupError: at least one package could not be had; the others are there.
    """
    try:
        _get(packages, env, log, as_root=as_root)
    except SetupError as error:
        if len(packages) == 1:
            raise
        reasons = _get_singly(packages, env, log, as_root)
        if reasons:
            raise SetupError("; ".join(reasons)) from error


def _get_singly(packages: list[str], env: Path, log: Path, as_root: bool | None) -> list[str]:
    reasons = []
    for package in packages:
        try:
            _get([package], env, log, as_root=as_root)
        except SetupError as error:
            reasons.append(f"{package}: {error}")
    return reasons


def _get(packages: list[str], env: Path, log: Path, *, as_root: bool | None) -> None:
    if shutil.which("apt-get") is None:
        raise SetupError("no apt-get here")
    as_root = os.geteuid() == 0 if as_root is None else as_root
    if as_root:
        try:
            install(packages, log)
        except SetupError as error:
            say(f"apt-get cannot install ({error}); unpacking into {env} instead")
        else:
            return
    unpack(packages, env, log)


def install(packages: list[str], log: Path) -> None:
    """Install packages into the system."""
    say(f"installing {' '.join(packages)} with apt-get")
    environ = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    run(["apt-get", "update", "-qq"], log, environ, "apt-get update")
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], log, environ, "apt-get install")


def unpack(packages: list[str], env: Path, log: Path) -> None:
    """Download packages with all that they need and is not installed, and unpack them; needs no root."""
    say(f"unpacking {' '.join(packages)} into {env}/debian")
    root, state = env.resolve() / "debian", env.resolve() / "apt"
    for folder in (state / "lists" / "partial", state / "cache" / "archives" / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    folders = {"Dir::State::Lists": state / "lists", "Dir::Cache": state / "cache"}
    options = [word for name, path in folders.items() for word in ("-o", f"{name}={path}")]
    options += ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=", "-o", "Dpkg::Use-Pty=0"]
    environ = dict(os.environ) | {"LC_ALL": "C"}
    run(["apt-get", *options, "update", "-qq"], log, environ, "apt-get update")
    fetch = ["install", "-y", "--no-install-recommends", "--download-only", *packages]
    run(["apt-get", *options, *fetch], log, environ, "apt-get download")
    for archive in sorted((state / "cache" / "archives").glob("*.deb")):
        run(["dpkg", "-x", archive, root], log, environ, "dpkg -x")
    mend_links(root)
    shutil.rmtree(state)


def mend_links(root: Path, system: Path = Path("/")) -> None:
    """Point links that lead out of the unpacked packages to the system's files: what is installed was not unpacked."""
    for link in root.rglob("*"):
        if not link.is_symlink() or link.exists():
            continue
        target = Path(os.path.normpath(link.parent / os.readlink(link)))
        inside = target.relative_to(root) if target.is_relative_to(root) else target.relative_to("/")
        for candidate in (root / inside, system / inside):
            if candidate.exists():
                link.unlink()
                link.symlink_to(candidate)
                break
    # g++ looks beside itself for all of GCC: headers and objects of the C compiler that the system has
    for folder in root.glob("usr/lib/gcc/*/*"):
        for path in (system / folder.relative_to(root)).glob("*"):
            if not (folder / path.name).exists():
                (folder / path.name).symlink_to(path)


def is_debian() -> bool:
    """Return whether dpkg and apt-get are here."""
    return shutil.which("dpkg") is not None and shutil.which("apt-get") is not None


def architecture() -> str:
    """Return dpkg's name of this architecture."""
    return subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
