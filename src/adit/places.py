"""Files that travel with the package: configuration, workflow, presets of DFT, weights.

A wheel holds them below ``adit/share``; in a clone of the repository they lie at its root.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from adit.errors import ConfigError

_PACKAGE: Final = Path(__file__).parent
_IN_WHEEL: Final = _PACKAGE / "share"
_IN_CLONE: Final = _PACKAGE.parents[1]


def shared_folder() -> Path | None:
    """Return the folder with the files that travel with the package; ``None`` if there is none."""
    folders = (folder for folder in (_IN_WHEEL, _IN_CLONE) if (folder / "Snakefile").is_file())
    return next(folders, None)


def shared(name: str) -> Path:
    """Return the path of a file or folder that travels with the package.

    Args:
        name: path below the root of the repository, such as ``weights`` or ``config/dft``.

    Raises:
        ConfigError: this installation lacks it.
    """
    folder = shared_folder()
    if folder is None or not (folder / name).exists():
        raise ConfigError(f"{name}: did not come with this installation of adit; install its wheel, or use a clone")
    return folder / name
