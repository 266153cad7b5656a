"""System libraries that RDKit's drawings of bonds are linked with; a bare machine has none of X11's."""

from __future__ import annotations

import os
import subprocess

from workflow.install import debian
from workflow.install.packages import Installer
from workflow.install.steps import SetupError, say

PACKAGES = ["libxrender1", "libxext6"]

_PROGRAM = "from rdkit.Chem.Draw import rdMolDraw2D"


def install(installer: Installer) -> None:
    """Install what RDKit's drawings need where apt-get can; otherwise print the way out, for the page works without."""
    error = import_error(installer)
    if error is None:
        return
    if debian.is_debian() and os.geteuid() == 0 and not installer.wheelhouse:
        try:
            debian.install(PACKAGES, installer.env / "apt.log")
        except SetupError as reason:
            say(f"{' '.join(PACKAGES)} cannot be installed: {reason}")
        error = import_error(installer)
    if error is not None:
        way_out = f"sudo apt-get install -y {' '.join(PACKAGES)}"
        say(f"reports will have no drawings of bonds: {error}. To get them: {way_out}")


def import_error(installer: Installer) -> str | None:
    """Import RDKit's drawing in the environment; return None, or the last line of the error."""
    command = [str(installer.python), "-I", "-c", _PROGRAM]
    done = subprocess.run(command, env=dict(installer.environ), capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["RDKit cannot be imported"])[-1]
