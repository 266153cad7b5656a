"""What GPAW is compiled with: a C++ compiler, Python's headers, libxc and a BLAS, wherever they lie.

In this order: the system's own; those of conda or of a cluster's modules; packages of Debian or Ubuntu, installed as
root or unpacked into the environment without it. libxc and BLAS may be missing in the end: GPAW has PBE of its own, and
uses numpy's BLAS.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from workflow.install.steps import first_error

# Variables of conda and of cluster modules with the location of a library.
_PREFIX_VARIABLES = ("CONDA_PREFIX", "EBROOTLIBXC", "LIBXC_ROOT", "LIBXC_DIR", "LIBXC_HOME", "LIBXCROOT")
_BLAS_VARIABLES = ("EBROOTOPENBLAS", "EBROOTFLEXIBLAS", "OPENBLAS_ROOT", "OPENBLAS_DIR", "OPENBLAS_HOME")
_BLAS = ("openblas", "flexiblas", "blas")

_CPP = "#include <algorithm>\nint main() { int a[2] = {2, 1}; std::sort(a, a + 2); return a[0] - 1; }\n"
_PYTHON = "#include <Python.h>\nint main() { return 0; }\n"
_LIBXC = "#include <xc.h>\nint main() { return xc_func_alloc() == nullptr; }\n"
_DDOT = 'extern "C" double ddot_(int*, double*, int*, double*, int*);\n'
_CALL = "int main() { int n = 1; double x = 2; return ddot_(&n, &x, &n, &x, &n) != 4; }\n"


@dataclass(frozen=True)
class Toolchain:
    """What was found to compile GPAW with.

    Attributes:
        compiler: the C++ compiler, None if there is none that works.
        include_dirs: folders of headers beside the compiler's own.
        library_dirs: folders of libraries beside the linker's own.
        python_headers: Python.h is there.
        libxc: libxc is there.
        blas: name of the BLAS to link, None if there is none.
        problem: what the compiler said where it does not work.
    """

    compiler: str | None
    include_dirs: tuple[Path, ...] = ()
    library_dirs: tuple[Path, ...] = ()
    python_headers: bool = False
    libxc: bool = False
    blas: str | None = None
    problem: str = ""

    @property
    def can_build(self) -> bool:
        """GPAW compiles with this, be it without libxc and BLAS."""
        return self.compiler is not None and self.python_headers

    def missing(self) -> list[str]:
        """Return the packages of Debian and Ubuntu with the missing libraries."""
        version = sysconfig.get_python_version()
        packages = {
            "g++": self.compiler is not None,
            f"libpython{version}-dev": self.python_headers,
            "libxc-dev": self.libxc,
            "libopenblas-dev": self.blas is not None,
        }
        return [name for name, there in packages.items() if not there]


def probe(
    chain: Toolchain, program: str, libraries: tuple[str, ...] = (), include_dirs: tuple[Path, ...] = ()
) -> str | None:
    """Compile, link and run a program; return None, or the first line that says why it did not work."""
    if chain.compiler is None:
        return chain.problem
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder, "probe.cpp"), Path(folder, "probe")
        source.write_text(program, encoding="utf-8")
        headers = [f"-I{path}" for path in (*include_dirs, *chain.include_dirs)]
        folders = [word for path in chain.library_dirs for word in (f"-L{path}", f"-Wl,-rpath,{path}")]
        links = [*folders, "-Wl,--disable-new-dtags", *(f"-l{name}" for name in libraries)]
        command = [chain.compiler, str(source), "-o", str(binary), *headers, *links]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode:
                return first_error(done.stderr + done.stdout)
            done = subprocess.run([binary], capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        return None if done.returncode == 0 else first_error(done.stderr) or f"probe ended with {done.returncode}"


def find(env: Path, environ: Mapping[str, str] = os.environ) -> Toolchain:
    """Return what there is to compile GPAW with, the system's own before anything else."""
    unpacked = env.resolve() / "debian" / "usr"
    chain = _find_compiler(unpacked, environ)
    if chain.compiler is None:
        return replace(chain, python_headers=_has_headers(unpacked))
    if unpacked.is_dir():
        chain = replace(chain, include_dirs=_headers(unpacked), library_dirs=_folders(unpacked))
    chain = replace(chain, python_headers=probe(chain, _PYTHON, include_dirs=python_includes()) is None)
    return _find_blas(_find_libxc(chain, environ), environ)


def _has_headers(unpacked: Path) -> bool:
    """Return whether there is a Python.h, for machines without a compiler that could include it."""
    return any((folder / "Python.h").is_file() for folder in (*python_includes(), *_headers(unpacked)))


def python_includes() -> tuple[Path, ...]:
    """Return the folders of Python's own headers."""
    paths = sysconfig.get_paths()
    return tuple(dict.fromkeys([Path(paths["include"]), Path(paths["platinclude"])]))


def _find_compiler(unpacked: Path, environ: Mapping[str, str]) -> Toolchain:
    problem = "no C++ compiler (g++ or clang++)"
    for name in [environ.get("CXX", "").split(" ")[0], "g++", "clang++", "c++", str(unpacked / "bin" / "g++")]:
        path = shutil.which(name, path=environ.get("PATH")) if name else None
        if path is None:
            continue
        error = probe(Toolchain(path), _CPP)
        if error is None:
            return Toolchain(path)
        problem = f"{name}: {error}"
    return Toolchain(None, problem=problem)


def _find_libxc(chain: Toolchain, environ: Mapping[str, str]) -> Toolchain:
    for prefix in [None, *_prefixes(_PREFIX_VARIABLES, "libxc", environ)]:
        candidate = _with_prefix(chain, prefix)
        if probe(candidate, _LIBXC, ("xc",)) is None:
            return replace(candidate, libxc=True)
    return chain


def _find_blas(chain: Toolchain, environ: Mapping[str, str]) -> Toolchain:
    for prefix in [None, *_prefixes((*_BLAS_VARIABLES, *_PREFIX_VARIABLES), "openblas", environ)]:
        candidate = _with_prefix(chain, prefix)
        for name in _BLAS:
            if probe(candidate, _DDOT + _CALL, (name,)) is None:
                return replace(candidate, blas=name)
    return chain


def _prefixes(variables: tuple[str, ...], package: str, environ: Mapping[str, str]) -> list[Path]:
    """Return the folders that conda, a cluster's modules or pkg-config name, in this order."""
    prefixes = [Path(environ[name]) for name in variables if environ.get(name)]
    for name in ("LIBRARY_PATH", "LD_LIBRARY_PATH"):
        prefixes += [Path(entry).parent for entry in environ.get(name, "").split(":") if entry]
    program = shutil.which("pkg-config", path=environ.get("PATH"))
    if program:
        command = [program, "--variable=prefix", package]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ)).stdout.strip()
        prefixes += [Path(answer)] if answer else []
    return [prefix for prefix in dict.fromkeys(prefixes) if prefix.is_dir() and str(prefix) not in {"/usr", "/"}]


def _with_prefix(chain: Toolchain, prefix: Path | None) -> Toolchain:
    if prefix is None:
        return chain
    include = tuple(dict.fromkeys([*chain.include_dirs, *_headers(prefix)]))
    library = tuple(dict.fromkeys([*chain.library_dirs, *_folders(prefix)]))
    return replace(chain, include_dirs=include, library_dirs=library)


def _headers(prefix: Path) -> tuple[Path, ...]:
    include = prefix / "include"
    folders = [include, include / f"python{sysconfig.get_python_version()}", *include.glob("*-linux-gnu*")]
    return tuple(path for path in folders if path.is_dir())


def _folders(prefix: Path) -> tuple[Path, ...]:
    """Return the folders of libraries below a prefix; Debian keeps OpenBLAS in one of its own."""
    libraries = [prefix / "lib", prefix / "lib64", *(prefix / "lib").glob("*-linux-gnu*")]
    return tuple(path for folder in libraries for path in (folder, *folder.glob("openblas-*")) if path.is_dir())
