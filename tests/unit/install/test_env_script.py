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
    path.write_text(f'#!/bin/sh\n[ "$1" = -V ] && {{ echo "Python {version}"; exit 0; }}\nexit 1\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
def test_another_python_is_named_with_the_way_out(project: Path, tmp_path: Path, version: str) -> None:
    done = set_up(project, PYTHON=str(stand_in(tmp_path, version)))
    assert done.returncode == 2
    assert done.stderr == (
        f"[env] error: Python 3.11, 3.12 or 3.13 is needed, found Python {version}; name another: "
        "make env PYTHON=/path/to/python3.12\n"
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
    assert "(3, 11) <= sys.version_info < (3, 14)" in (ROOT / "workflow/scripts/env.sh").read_text()


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


def test_a_whole_environment_is_left_alone_in_no_time(project: Path) -> None:
    script = (project / "workflow/scripts/env.sh").read_text()
    names = subprocess.run(
        [
            "bash",
            "-c",
            script.split("if [ -x")[0].replace('cd "$(dirname "$0")/../.."', "true") + 'echo "$packages $gpaw"',
        ],
        cwd=project,
        env=os.environ | {"ENV": ".venv"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/python").symlink_to(sys.executable)
    (project / names[0]).touch()
    (project / f".venv/.stamp-gpaw-{names[1]}").touch()
    times = []
    for _ in range(5):
        began = time.perf_counter()
        done = set_up(project)
        times.append(time.perf_counter() - began)
        assert (done.returncode, done.stderr) == (0, "")
    assert min(times) < 0.2


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
