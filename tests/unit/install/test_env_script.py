"""``make env`` where something is missing: one line, exit status 2, and nothing that looks installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow.install import packages
from workflow.install.steps import SetupError

ROOT = Path(__file__).parents[3]

PINS = {
    "requirements.lock": {"some-name": "1.0", "torch": "2.13.0"},
    "requirements-gpaw.lock": {"gpaw-data": "1.2.1"},
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the set-up reads."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (*ROOT.glob("requirements*.lock"), ROOT / "pyproject.toml"):
        shutil.copy(path, folder)
    return folder


def set_up(project: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up script with a PATH that has no environment of this project first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "ENV"))}
    environ = kept | {"PYTHON": sys.executable, "ENV": ".venv"} | variables
    script = project / "workflow" / "scripts" / "env.sh"
    return subprocess.run(["bash", script], env=environ, capture_output=True, text=True, check=False)


def stand_in(folder: Path, version: str) -> Path:
    """Write a program that says it is Python of another version."""
    path = folder / "python"
    short = version.rpartition(".")[0]
    path.write_text(f'#!/bin/sh\ncase "$*" in -V) echo "Python {version}";; *print*) echo {short};; *) exit 1;; esac\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
def test_another_python_is_named_with_the_way_out(project: Path, tmp_path: Path, version: str) -> None:
    done = set_up(project, PYTHON=str(stand_in(tmp_path, version)))
    assert done.returncode == 2
    assert done.stderr == (
        f"[env] error: Python 3.11, 3.12 or 3.13 is needed, found Python {version}; name another: "
        "make env PYTHON=/path/to/python3.13\n"
    )
    assert not (project / ".venv").exists()


def test_no_python_is_one_line(project: Path) -> None:
    done = set_up(project, PYTHON="no-such-python")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_the_versions_of_the_script_are_those_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
    assert "in 3.11 | 3.12 | 3.13)" in (ROOT / "workflow/scripts/env.sh").read_text()


def test_an_index_out_of_reach_ends_in_one_line_and_leaves_no_stamp(project: Path) -> None:
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_CONFIG_FILE": os.devnull}
    done = set_up(project, **unreachable)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(errors) == 1
    assert "the package index cannot be reached" in errors[0]
    assert "then run `make env`; it goes on where it stopped" in errors[0]
    assert not list((project / ".venv").glob(".stamp-*"))


def test_an_index_that_goes_away_midway_is_one_line_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = tmp_path / "env"
    (env / "bin").mkdir(parents=True)
    (env / "bin" / "python").symlink_to(sys.executable)
    uv = env / "bin" / "uv"
    plan = '[[packages]]\nname = "torch"\nversion = "2.13.0+cpu"\nwheels = [{url = "https://a.example", size = 5}]\n'
    uv.write_text(
        f"""#!/bin/sh
        case "$*" in
          *compile*) for word; do [ "$before" = --output-file ] && printf '%s' '{plan}' > "$word"; before=$word; done;;
          *pylock.toml*) [ -e {env}/online ] || {{ echo "error sending request (https://a.example)"; exit 2; }};;
        esac"""
    )
    uv.chmod(0o755)
    verified: list[Path] = []
    monkeypatch.setattr(packages, "verify", lambda python, pins: verified.append(python))
    monkeypatch.setattr(packages, "_need_space", lambda env, build: None)
    installer = packages.Installer(env, dict(os.environ), {}, use_uv=True)
    with pytest.raises(SetupError, match=r"installing the packages: the package index cannot be reached .*goes on"):
        packages.install_packages(installer)
    assert not verified
    (env / "online").touch()
    packages.install_packages(installer)
    assert verified == [env / "bin" / "python"]


def test_a_wheelhouse_without_wheels_is_one_line(project: Path, tmp_path: Path) -> None:
    done = set_up(project, WHEELHOUSE=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "no wheels there; make it with `make wheelhouse`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def whole(project: Path) -> Path:
    """A project with an environment that counts as whole: interpreter, stamps."""
    script = (project / "workflow/scripts/env.sh").read_text()
    parts = script.split("# The environment's own interpreter")[0].replace('cd "$(dirname "$0")/../.."', "true")
    command = ["bash", "-c", parts + 'echo "$packages $gpaw"']
    environ = os.environ | {"ENV": ".venv"}
    names = subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=True).stdout.split()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (project / f".venv/lib/python{version}").mkdir(parents=True)
    (project / ".venv/bin").mkdir()
    (project / ".venv/bin/python").symlink_to(sys.executable)
    (project / names[0]).touch()
    (project / f".venv/.stamp-gpaw-{names[1]}").touch()
    return project


def test_a_wheelhouse_that_lacks_a_package_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "read_lock", lambda path=packages.LOCK: PINS[str(path)])
    for name in ("some_name-1.0-py3-none-any.whl", "torch-2.13.0+cpu-cp311-x.whl", "gpaw-data-1.2.1.tar.gz"):
        (tmp_path / name).touch()
    packages._need_whole(tmp_path)
    (tmp_path / "torch-2.13.0+cpu-cp311-x.whl").rename(tmp_path / "torch-2.12.0+cpu-cp311-x.whl")
    with pytest.raises(SetupError, match=r"without torch 2\.13\.0; make it again with `make wheelhouse`"):
        packages._need_whole(tmp_path)


def test_a_whole_environment_is_left_alone_in_no_time(whole: Path) -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        done = set_up(whole)
        times.append(time.perf_counter() - began)
        assert (done.returncode, done.stderr) == (0, "")
    assert min(times) < 0.2


def test_a_retry_looks_at_a_gpaw_that_was_installed(whole: Path) -> None:
    done = set_up(whole, RETRY_GPAW="1", PIP_CONFIG_FILE=str(whole / "missing.conf"), INSTALLER="none")
    assert done.returncode == 2  # the set-up was started
    assert "INSTALLER=none: no such installer" in done.stderr


def test_broken_settings_of_pip_are_one_line(project: Path, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nbad")
    done = set_up(project, PIP_CONFIG_FILE=str(tmp_path / "pip.conf"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "pip" in done.stderr.splitlines()[-1]


def test_an_environment_of_another_python_is_refused_and_kept(whole: Path, tmp_path: Path) -> None:
    other = "3.12" if sys.version_info[:2] != (3, 12) else "3.13"
    done = set_up(whole, PYTHON=str(stand_in(tmp_path, f"{other}.1")))
    assert done.returncode == 2
    assert f".venv has Python {sys.version_info[0]}.{sys.version_info[1]}, PYTHON=" in done.stderr
    assert f"is {other}; delete .venv to make it anew" in done.stderr
    assert list((whole / ".venv").glob(".stamp-gpaw-*"))


def test_a_python_that_does_not_start_is_one_line_beside_a_whole_environment(whole: Path) -> None:
    done = set_up(whole, PYTHON="/no/such/python")
    assert done.returncode == 2
    assert done.stderr.startswith("[env] error: PYTHON=/no/such/python does not start; name another")
    assert done.stderr.count("\n") == 1


def test_an_environment_whose_python_became_another_version_is_not_whole(whole: Path, tmp_path: Path) -> None:
    (whole / ".venv/bin/python").unlink()
    (whole / ".venv/bin/python").symlink_to(stand_in(tmp_path, "3.13.1" if sys.version_info[1] != 13 else "3.11.1"))
    done = set_up(whole, PYTHON="no-such-python")
    assert done.returncode == 2
    assert "is needed, found" in done.stderr


def test_a_package_at_another_version_is_not_taken_for_installed() -> None:
    with pytest.raises(SetupError, match="numpy, no-such-package not at the locked version"):
        packages.verify(Path(sys.executable), {"numpy": "1.0", "no-such-package": "2", "pytest": _version("pytest")})


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**10, 10**10, 5 * 10**8))
    with pytest.raises(SetupError, match=r"2\.4 GB are needed and 0\.5 GB are free; free some space"):
        packages._need_space(tmp_path, "CPU")


def _version(name: str) -> str:
    import importlib.metadata

    return importlib.metadata.version(name)
