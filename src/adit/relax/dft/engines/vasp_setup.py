"""Whether VASP is set up: its command and the folder of its POTCARs."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from adit.errors import ExternalToolError


def vasp_version(command: str | None) -> str | None:
    """Return ``"unknown"`` if VASP's command can be started, else ``None``; only a run tells the version.

    Args:
        command: command that starts VASP; ``None``: atomate2's setting.
    """
    words = shlex.split(os.path.expandvars(command)) if command else []
    if not words:
        from atomate2 import SETTINGS

        words = shlex.split(os.path.expandvars(SETTINGS.VASP_CMD))
    programs = [word for word in words if Path(word).name.startswith("vasp")] or words[:1]
    runs = bool(programs) and all(shutil.which(program) is not None for program in (words[0], *programs))
    return "unknown" if runs else None


def need_potcars() -> None:
    """Check that there is a folder of POTCARs.

    Raises:
        ExternalToolError: there is none.
    """
    from pymatgen.core import SETTINGS

    folder = SETTINGS.get("PMG_VASP_PSP_DIR")
    if not folder or not Path(folder).expanduser().is_dir():
        problem = f"{folder} is not a folder" if folder else "PMG_VASP_PSP_DIR is not set"
        raise ExternalToolError(
            f"VASP's POTCARs: {problem}; set it to the folder of your licensed POTCARs as pymatgen says"
        )
