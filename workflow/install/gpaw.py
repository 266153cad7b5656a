"""GPAW: compiled with a site configuration of the project's own, and believed only once it has computed an energy."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from workflow.install import debian, toolchain
from workflow.install.libraries import Toolchain
from workflow.install.packages import GPAW_LOCK, Installer, installed_versions, read_lock
from workflow.install.steps import SetupError, run, say

# Total energy of H2 (0.7379 Å apart, 2 Å of vacuum, plane waves to 200 eV, PBE, Γ point) by GPAW 26.7.0, in eV.
_ENERGY = -6.742
_PROGRAM = """
from ase import Atoms
from gpaw import GPAW, PW
molecule = Atoms("H2", [[0, 0, 0], [0, 0, 0.7379]])
molecule.center(vacuum=2.0)
molecule.calc = GPAW(mode=PW(200), xc="PBE", txt=None)
print("energy", molecule.get_potential_energy())
"""

# Variables that would change how GPAW is compiled; paths of modules (CPATH, LIBRARY_PATH, ...) stay.
_COMPILER_VARIABLES = ("CC", "CXX", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LDSHARED", "GPAW_BUILD_JOBS")


def siteconfig(chain: Toolchain) -> str:
    """Return GPAW's site configuration, Python that its set-up runs.

    It names everything that GPAW's set-up would otherwise look for: the compiler (its default compiles C++ with the
    interpreter's C compiler), MPI (used if there is an mpic++), libxc and BLAS.
    """
    linked = [name for name, there in (("xc", chain.libxc), (chain.blas or "", chain.blas is not None)) if there]
    rpaths = [f"-Wl,-rpath,{path}" for path in chain.library_dirs]
    values = {
        "compiler": chain.compiler,
        "mpi": False,
        "nolibxc": not chain.libxc,
        "noblas": chain.blas is None,
        "libraries": linked,
        "include_dirs": [str(path) for path in chain.include_dirs],
        "library_dirs": [str(path) for path in chain.library_dirs],
        # DT_RPATH, not DT_RUNPATH: libraries that lie there find one another too
        "extra_link_args": [*rpaths, "-Wl,--disable-new-dtags"] if rpaths else [],
    }
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    return "\n".join(["# Written by workflow/install/gpaw.py", *lines, "extra_compile_args += ['-g0']", ""])


def install(installer: Installer) -> None:
    """Compile GPAW and compute an energy with it.

    Raises:
        SetupError: it cannot be built or does not work here; why, and the way out.
    """
    chain = toolchain.find_or_get(installer)
    _say_what_is_missing(chain)
    if _is_built(installer, chain) and energy_error(installer) is None:
        return
    if not chain.can_build:
        headers = f"no Python.h for {installer.python}; on Debian and Ubuntu: sudo apt-get install -y python3-dev"
        raise SetupError(chain.problem or headers)
    _build(installer, chain)
    error = energy_error(installer)
    if error:
        remove(installer)
        raise SetupError(f"GPAW was built, but computes no energy: {error}")


def _is_built(installer: Installer, chain: Toolchain) -> bool:
    """Return whether the locked GPAW is there, built with this configuration or by the user's own hand."""
    if installed_versions(installer.python).get("gpaw") != read_lock(GPAW_LOCK)["gpaw"]:
        return False
    config = _siteconfig_file(installer.env)
    return not config.exists() or config.read_text(encoding="utf-8") == siteconfig(chain)


def _siteconfig_file(env: Path) -> Path:
    return env.resolve() / "gpaw-siteconfig.py"


def write_siteconfig(env: Path, chain: Toolchain) -> Path:
    """Write GPAW's site configuration into an environment; return its path."""
    path = _siteconfig_file(env)
    path.write_text(siteconfig(chain), encoding="utf-8")
    return path


def _say_what_is_missing(chain: Toolchain) -> None:
    if chain.can_build and not chain.libxc:
        say("GPAW is built without libxc: LDA, PBE, RPBE, revPBE and PW91 only")
    if chain.can_build and chain.blas is None:
        say("GPAW is built without BLAS: numpy's is used")


def _build(installer: Installer, chain: Toolchain) -> None:
    """Compile GPAW from the locked source; no wheel and no cache of this machine is used."""
    remove(installer)
    config = write_siteconfig(installer.env, chain)
    say("compiling GPAW (about a minute)")
    began = time.monotonic()
    environ = {name: value for name, value in installer.environ.items() if name not in _COMPILER_VARIABLES}
    environ |= {"GPAW_CONFIG": str(config), "LC_ALL": "C"}
    # pip, not uv: it shows the compiler's lines as they come
    pip = [
        installer.python,
        "-m",
        "pip",
        "install",
        "--verbose",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
    ]
    source = ["--no-cache-dir", "--no-deps", "--no-build-isolation", "--force-reinstall", "--no-binary", "gpaw"]
    command = [*pip, *source, "-r", GPAW_LOCK]
    run(command, installer.env / "gpaw.log", environ, "compiling GPAW", again="RETRY_GPAW=1 make env")
    say(f"GPAW compiled in {time.monotonic() - began:.0f} s")


def remove(installer: Installer) -> None:
    """Uninstall GPAW: one that was not built with this configuration, or does not work, is used by nothing."""
    if "gpaw" in installed_versions(installer.python):
        command = [installer.python, "-m", "pip", "uninstall", "--yes", "--disable-pip-version-check", "gpaw"]
        run(command, installer.env / "gpaw.log", installer.environ, "removing GPAW")


def energy_error(installer: Installer) -> str | None:
    """Compute the energy of H2; return None, or the error."""
    environ = dict(installer.environ) | {"OMP_NUM_THREADS": "1"}
    command = [str(installer.python), "-I", "-c", _PROGRAM]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return "no energy of H2 within 300 s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    energy = float(done.stdout.split()[-1])
    return None if abs(energy - _ENERGY) < 0.01 else f"the energy of H2 is {energy:.3f} eV instead of {_ENERGY} eV"


def missing_file(env: Path) -> Path:
    """Return the file that says in one line why there is no GPAW; it is absent where GPAW works."""
    return env / "gpaw-missing.txt"


def write_missing(env: Path, reason: str) -> str:
    """Keep the reason why GPAW is missing, and the way out, as one line; return the line."""
    if debian.is_debian():
        way_out = "sudo apt-get install -y g++ python3-dev libxc-dev libopenblas-dev && RETRY_GPAW=1 make env"
    else:
        way_out = (
            "put a C++ compiler on PATH (libxc and OpenBLAS of conda or of modules are found), RETRY_GPAW=1 make env"
        )
    line = f"GPAW is not installed: {reason}. To get it: {way_out}"
    missing_file(env).write_text(line + "\n", encoding="utf-8")
    return line
