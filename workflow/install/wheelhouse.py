"""A folder of wheels that ``make env WHEELHOUSE=folder`` installs from, on machines without a network."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from workflow.install import gpaw, libraries, packages, settings, torch_build
from workflow.install.packages import Installer
from workflow.install.steps import SetupError, run, say


def pack(folder: Path, env: Path) -> None:
    """Put every package of the locks into a folder: wheels, and GPAW's source, which each machine compiles itself."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = dict(os.environ)
    installer = Installer(env, environ, settings.read_pip_settings(env / "bin" / "python", environ), use_uv=True)
    versions = packages.installed_versions(installer.python)
    names = sorted(set(versions) - {"adit-pipeline", "gpaw", "gpaw-data", "pip", "torch"})
    lines = [f"{name}=={versions[name]}" for name in names]
    if "uv" not in versions:
        lines.append(f"uv=={packages.read_lock(packages.UV_LOCK)['uv']}")
    requirements = env / "wheelhouse.in"
    requirements.write_text("\n".join([*lines, ""]), encoding="utf-8")
    say(f"packing {len(lines) + 1} packages into {folder}")
    pip = [installer.python, "-m", "pip", "--disable-pip-version-check"]
    shared = ["--no-build-isolation", "--progress-bar", "off", "--no-deps"]
    wheel = [*pip, "wheel", "--use-pep517", *shared, "--wheel-dir", folder]
    _pack_torch(installer, [*wheel, f"torch=={versions['torch']}"])
    run([*wheel, "-r", requirements], installer.log, environ, "packing the wheels", again="make wheelhouse")
    download = [*pip, "download", *shared, "--dest", folder, "--no-binary", "gpaw", "-r", packages.GPAW_LOCK]
    _pack_gpaw(installer, folder, download)
    size = sum(path.stat().st_size for path in folder.iterdir()) / 1e9
    say(f"{folder}: {len(list(folder.iterdir()))} files, {size:.1f} GB; elsewhere: make env WHEELHOUSE={folder}")


def _pack_torch(installer: Installer, command: list[object]) -> None:
    """Pack the installed build of PyTorch; where pip's settings do not lead to it, PyTorch's own index has it."""
    try:
        run(command, installer.log, installer.environ, "packing PyTorch")
    except SetupError:
        if "+cpu" not in str(command[-1]):
            raise
        index = ["--index-url", torch_build.CPU_INDEX]
        run([*command, *index], installer.log, installer.environ, "packing PyTorch", again="make wheelhouse")


def _pack_gpaw(installer: Installer, folder: Path, command: list[object]) -> None:
    """Download GPAW's source and data; pip asks its set-up for its dependencies, which needs a compiler."""
    chain = libraries.find(installer.env)
    if not chain.can_build:
        raise SetupError(f"GPAW's source cannot be packed: {chain.problem or 'no Python.h'}; run `make env` first")
    with tempfile.TemporaryDirectory() as scratch:
        environ = installer.environ | {"GPAW_CONFIG": str(gpaw.write_siteconfig(Path(scratch), chain))}
        run(command, installer.log, environ, "packing GPAW", again="make wheelhouse")
