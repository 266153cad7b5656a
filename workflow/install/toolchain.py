"""Compiler, headers and libraries for packages that are built from source: found, or got from Debian and Ubuntu."""

from __future__ import annotations

import os
from dataclasses import replace

from workflow.install import debian, libraries
from workflow.install.libraries import Toolchain
from workflow.install.packages import Installer
from workflow.install.steps import SetupError, say


def find_or_get(installer: Installer) -> Toolchain:
    """Return compiler and libraries, after installing or unpacking missing ones where Debian's packages can be had."""
    chain = libraries.find(installer.env)
    missing = chain.missing()
    if missing and not installer.wheelhouse and debian.is_debian():
        try:
            debian.get(missing, installer.env, installer.env / "apt.log")
        except SetupError as error:
            say(f"not installed: {error}")
        chain = libraries.find(installer.env)
    return chain


def with_headers(installer: Installer, chain: Toolchain) -> Installer:
    """Return an installer whose builds find headers that are unpacked in the environment.

    Some locked packages have no wheel for every Python (chgnet for 3.13), and their builds include Python.h.
    """
    if not chain.include_dirs:
        return installer
    folders = [*(str(path) for path in chain.include_dirs), os.environ.get("CPATH", "")]
    environ = installer.environ | {"CPATH": os.pathsep.join(folder for folder in folders if folder)}
    return replace(installer, environ=environ)
