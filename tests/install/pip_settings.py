"""Write into a room how this machine reaches its package index, and nothing of what lies on its disk.

    python3 tests/install/pip_settings.py ROOM [--torch]

With ``--torch``, the wheel of PyTorch's CPU build goes along where pip's settings lead to one on this machine's disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
sys.path.insert(0, str(PROJECT))

from workflow.install.packages import read_lock  # noqa: E402
from workflow.install.settings import read_pip_settings  # noqa: E402

NETWORK = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def remote(value: str) -> str:
    """Return those words of a setting that name nothing on this machine's disk."""
    return " ".join(word for word in value.split() if not word.startswith(("file:", "/", "~", ".")))


def torch_wheel(settings: dict[str, str], python: str) -> Path | None:
    """Return the wheel of the locked PyTorch's CPU build that pip's settings lead to."""
    version = read_lock(PROJECT / "requirements.lock")["torch"]
    for folder in settings.get("find-links", "").split():
        for path in Path(folder.removeprefix("file://")).glob(f"torch-{version}+cpu-{python}-*.whl"):
            return path
    return None


def main() -> None:
    """Write /etc/pip.conf of a room."""
    room = Path(sys.argv[1])
    try:
        settings = read_pip_settings(sys.executable)
    except subprocess.CalledProcessError:  # a Python without pip has no settings
        settings = {}
    kept = {name: remote(settings[name]) for name in NETWORK if settings.get(name)}
    if "cert" in settings:
        shutil.copy(settings["cert"], room / "etc/ssl/pip-cert.pem")
        kept["cert"] = "/etc/ssl/pip-cert.pem"
    python = next((room / "usr/lib").glob("python3.*")).name.replace("python3.", "cp3")
    wheel = torch_wheel(settings, python) if "--torch" in sys.argv else None
    if wheel:
        folder = room / "wheels"
        folder.mkdir()
        shutil.copy(wheel, folder)
        kept["find-links"] = "/wheels"
        print(f"[room] of this machine's wheels, the room sees {wheel.name}", file=sys.stderr)
    lines = [f"{name} = {value}" for name, value in kept.items() if value]
    (room / "etc/pip.conf").write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
