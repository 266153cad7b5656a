"""Scripts of the page: its own, and the viewer of structures with its licence.

Writes: report/assets/page.js, report/assets/3Dmol-min.js, report/assets/3Dmol-LICENSE.txt
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

from adit import store

SCRIPTS: Final = ("files", "drawing", "viewer", "table", "candidates", "page")
"""Parts of the page's own script, in their order."""

VIEWER: Final = ("3Dmol-min.js", "3Dmol-LICENSE.txt")
"""Files of the viewer."""


def write(folder: Path) -> None:
    """Write the scripts into ``folder``."""
    store.write_text(folder / "page.js", page_script())
    for name in VIEWER:
        store.write_text(folder / name, read_asset(f"assets/{name}"))


def page_script() -> str:
    """Return the page's own script in a scope of its own."""
    parts = [read_asset(f"templates/js/{name}.js") for name in SCRIPTS]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n"


def read_asset(path: str) -> str:
    """Return a text file of the package ``adit.report``.

    Args:
        path: relative to the package.
    """
    return resources.files("adit.report").joinpath(path).read_text(encoding="utf-8")
