"""Where GPAW's compiler and libraries are looked for, and what is said if there are none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workflow.install import debian, gpaw, libraries, toolchain
from workflow.install.__main__ import set_up_gpaw
from workflow.install.libraries import Toolchain
from workflow.install.packages import Installer
from workflow.install.steps import SetupError

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def tool(folder: Path, name: str, script: str) -> Path:
    """Write a program that stands in for a tool."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def installer(env: Path) -> Installer:
    (env / "bin").mkdir(parents=True)
    (env / "bin" / "python").symlink_to(shutil.which("python3") or "python3")
    return Installer(env, dict(os.environ), {}, use_uv=False)


def test_no_compiler_is_said(tmp_path: Path) -> None:
    chain = libraries.find(tmp_path, {"PATH": str(tmp_path)})
    assert not chain.can_build
    assert chain.problem == "no C++ compiler (g++ or clang++)"
    assert chain.missing()[0] == "g++"


def test_a_compiler_without_cpp_is_quoted(tmp_path: Path) -> None:
    tool(
        tmp_path / "bin", "g++", 'echo "probe.cpp:1:10: fatal error: algorithm: No such file or directory" >&2; exit 1'
    )
    chain = libraries.find(tmp_path, {"PATH": str(tmp_path / "bin")})
    assert chain.problem == "g++: probe.cpp:1:10: fatal error: algorithm: No such file or directory"


@needs_compiler
@pytest.mark.parametrize("variable", ["CONDA_PREFIX", "EBROOTLIBXC", "LD_LIBRARY_PATH"])
def test_libxc_of_conda_or_a_module_is_found(tmp_path: Path, variable: str) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "include").mkdir(parents=True)
    (prefix / "lib").mkdir()
    (prefix / "include" / "xc.h").write_text('extern "C" void* xc_func_alloc();\n')
    (tmp_path / "xc.cpp").write_text('extern "C" void* xc_func_alloc() { static int x; return &x; }\n')
    source, library = str(tmp_path / "xc.cpp"), str(prefix / "lib" / "libxc.so")
    subprocess.run(["g++", "-shared", "-fPIC", source, "-o", library], check=True)
    # a compiler whose system has no libxc of its own
    script = (
        f'case "$*" in *-lxc*) case "$*" in *{prefix}/lib*) ;; *) exit 1;; esac;; esac\nexec {shutil.which("g++")} "$@"'
    )
    tool(tmp_path / "bin", "g++", script)
    value = f"/nowhere:{prefix}/lib" if variable == "LD_LIBRARY_PATH" else str(prefix)
    path = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    assert not libraries.find(tmp_path, path).libxc
    chain = libraries.find(tmp_path, path | {variable: value})
    assert chain.libxc
    assert prefix / "include" in chain.include_dirs
    assert f"-Wl,-rpath,{prefix / 'lib'}" in gpaw.siteconfig(chain)


def test_the_site_configuration_leaves_nothing_to_the_machine() -> None:
    values = {"extra_compile_args": ["-Wall"]}
    exec(gpaw.siteconfig(Toolchain("/usr/bin/g++", python_headers=True, libxc=True, blas="openblas")), values)
    assert values["compiler"] == "/usr/bin/g++"
    assert values["mpi"] is False
    assert values["libraries"] == ["xc", "openblas"]
    assert values["extra_link_args"] == []
    exec(gpaw.siteconfig(Toolchain("g++", python_headers=True)), values)
    assert (values["libraries"], values["nolibxc"], values["noblas"]) == ([], True, True)


def test_links_out_of_unpacked_packages_lead_to_the_system(tmp_path: Path) -> None:
    root, system = tmp_path / "root", tmp_path / "system"
    for folder in (root / "usr/lib/gcc/12/x", root / "usr/lib/x", system / "usr/lib/x"):
        folder.mkdir(parents=True)
    (system / "usr/lib/x/libstdc++.so.6").write_text("system")
    (system / "usr/lib/gcc/12/x").mkdir(parents=True)
    (system / "usr/lib/gcc/12/x/crtbegin.o").touch()
    (root / "usr/lib/x/libxc.so.9").write_text("unpacked")
    outside, absolute, inside = root / "usr/lib/gcc/12/x/a.so", root / "usr/lib/x/b.so", root / "usr/lib/x/libxc.so"
    outside.symlink_to("../../../x/libstdc++.so.6")
    absolute.symlink_to("/usr/lib/x/libstdc++.so.6")
    inside.symlink_to("libxc.so.9")
    debian.mend_links(root, system)
    assert outside.read_text() == absolute.read_text() == "system"
    assert os.readlink(inside) == "libxc.so.9"
    assert (root / "usr/lib/gcc/12/x/crtbegin.o").resolve() == system / "usr/lib/gcc/12/x/crtbegin.o"


def test_where_root_cannot_write_packages_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch = """case "$*" in
      *--download-only*) for word; do case $word in Dir::Cache=*) touch "${word#*=}/archives/a.deb";; esac; done;;
      *" update"*|"update -qq") ;;
      *) echo "E: Read-only file system" >&2; exit 100;;
    esac"""
    tool(tmp_path / "bin", "apt-get", fetch)
    tool(tmp_path / "bin", "dpkg", 'mkdir -p "$3/usr"; echo "$2" > "$3/usr/unpacked"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    env = tmp_path / "env"
    env.mkdir()
    debian.get(["g++"], env, env / "apt.log", as_root=True)
    assert (env / "debian/usr/unpacked").read_text().strip().endswith("a.deb")
    assert not (env / "apt").exists()


def test_without_a_compiler_the_reason_is_kept_and_no_stamp_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(libraries, "find", lambda env: Toolchain(None, problem="no C++ compiler (g++ or clang++)"))
    monkeypatch.setattr(debian, "is_debian", lambda: False)
    env = tmp_path / "env"
    set_up_gpaw(installer(env), env / ".stamp-gpaw-1")
    line = (env / "gpaw-missing.txt").read_text()
    assert line.startswith(
        "GPAW is not installed: no C++ compiler (g++ or clang++). To get it: put a C++ compiler on PATH"
    )
    assert line.count("\n") == 1
    assert line.strip() in capsys.readouterr().err
    assert not (env / ".stamp-gpaw-1").exists()
    assert (env / ".stamp-no-gpaw-1").exists()


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (
            "raise ImportError('libxc.so.9: cannot open shared object file')",
            "libxc.so.9: cannot open shared object file",
        ),
        ("print('energy', -3.2)", r"the energy of H2 is -3.200 eV instead of -6.742 eV"),
    ],
)
def test_a_gpaw_that_computes_no_energy_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    whole = Toolchain("g++", python_headers=True, libxc=True, blas="openblas")
    monkeypatch.setattr(libraries, "find", lambda env: whole)
    monkeypatch.setattr(gpaw, "_build", lambda installer, chain: None)
    monkeypatch.setattr(gpaw, "_PROGRAM", program)
    removed: list[Path] = []
    monkeypatch.setattr(gpaw, "remove", lambda installer: removed.append(installer.env))
    with pytest.raises(SetupError, match=reason):
        gpaw.install(installer(tmp_path / "env"))
    assert removed == [tmp_path / "env"]


def test_headers_unpacked_without_root_are_seen_by_builds_of_packages(tmp_path: Path) -> None:
    plain = installer(tmp_path / "env")
    assert toolchain.with_headers(plain, Toolchain("g++")) is plain
    unpacked = tmp_path / "env" / "debian" / "usr" / "include" / "python3.13"
    building = toolchain.with_headers(plain, Toolchain("g++", include_dirs=(unpacked,)))
    assert building.environ["CPATH"].split(":")[0] == str(unpacked)
    assert "CPATH" not in plain.environ


def test_gpaw_that_works_takes_the_reason_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = tmp_path / "env"
    there = installer(env)
    (env / "gpaw-missing.txt").write_text("no\n")
    (env / ".stamp-no-gpaw-1").touch()
    monkeypatch.setattr(gpaw, "install", lambda installer: None)
    set_up_gpaw(there, env / ".stamp-gpaw-1")
    assert (env / ".stamp-gpaw-1").exists()
    assert not (env / "gpaw-missing.txt").exists()
    assert not (env / ".stamp-no-gpaw-1").exists()


def test_a_package_that_cannot_be_had_keeps_none_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = tmp_path / "packages"
    script = (
        f'case "$*" in *libpython9*) echo "E: Unable to locate package libpython9-dev"; exit 100;; '
        f'*install*) echo "$@" >> {asked_for};; esac'
    )
    tool(tmp_path / "bin", "apt-get", script)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(debian, "unpack", lambda packages, env, log: debian.install(packages, log))
    with pytest.raises(SetupError, match=r"^libpython9-dev: .*Unable to locate package libpython9-dev") as error:
        debian.get(["g++", "libpython9-dev", "libxc-dev"], tmp_path, tmp_path / "apt.log", as_root=True)
    assert "g++:" not in str(error.value)
    assert [line.split()[-1] for line in asked_for.read_text().splitlines()] == ["g++", "libxc-dev"]


def test_headers_are_seen_without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "python_includes", lambda: (tmp_path / "include",))
    bare = {"PATH": str(tmp_path)}
    assert any(name.startswith("libpython") for name in libraries.find(tmp_path, bare).missing())
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "Python.h").touch()
    assert not any(name.startswith("libpython") for name in libraries.find(tmp_path, bare).missing())
