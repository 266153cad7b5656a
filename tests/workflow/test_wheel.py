"""The wheel alone, outside any clone: commands, a folder to run in, a planned and a finished run."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from adit.cli.folders import ITEMS, OMITTED
from adit.config.yaml_text import load_yaml

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests/workflow/tiny.yaml"
MOST_MB = 60
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of programs of an environment with the wheel; its other packages are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if not name.startswith(("tests/", "docs/", "benchmarks/")) and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, source]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    assert wheel.stat().st_size < MOST_MB * 10**6
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "env")}))
    install = [*pip, "--python", folder / "env/bin/python", "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env/bin"


def run(programs: Path, folder: Path, *words: str | Path, code: int = 0) -> str:
    """Run a program in a folder, with nothing of the clone on its path; return what it printed."""
    path = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)),
        cwd=folder,
        env=environ | {"PATH": path, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == code, (done.stdout + done.stderr)[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that ``adit init`` made."""
    parent = tmp_path_factory.mktemp("outside")
    run(programs, parent, "adit", "init", "run")
    return parent / "run"


def test_the_package_is_that_of_the_wheel(programs: Path, tmp_path: Path) -> None:
    place = run(programs, tmp_path, programs / "python", "-c", "import adit; print(adit.__file__)")
    assert Path(place.strip()).is_relative_to(programs.parent)


def test_the_wheel_and_the_folder_hold_the_same_files() -> None:
    tree = ast.parse((ROOT / "setup.py").read_text())
    values = [node.value for node in tree.body if isinstance(node, ast.Assign)]
    shared, omitted = [[node.value for node in ast.walk(value) if isinstance(node, ast.Constant)] for value in values]
    assert sorted(shared) == sorted(ITEMS)
    assert sorted(omitted) == sorted(OMITTED)


def test_samples_come_from_the_shipped_weights_and_are_scored(programs: Path, tmp_path: Path) -> None:
    run(programs, tmp_path, "adit", "sample", "--kind", "crystal", "--n", "2", "--steps", "5", "--out", "s.arrow")
    said = run(programs, tmp_path, "adit", "score", "s.arrow", "--out", "scored")
    assert "Of 2 requested crystals" in said
    assert (tmp_path / "scored/report/index.html").is_file()


def test_a_folder_that_is_not_empty_is_kept(programs: Path, folder: Path) -> None:
    said = run(programs, folder.parent, "adit", "init", "run", code=2)
    assert "run: is not empty, and its files are kept" in said
    (folder.parent / "file").touch()
    assert "is not a folder" in run(programs, folder.parent, "adit", "init", "file", code=2)
    assert sorted(path.name for path in folder.parent.iterdir() if path.name != ".adit") == ["file", "run"]


def test_the_runs_of_the_readme_are_planned_in_the_folder(programs: Path, folder: Path) -> None:
    demo = run(programs, folder, "snakemake", "--cores", "2", "--configfile", "config/demo.yaml", "-n")
    assert "select_molecules" in demo
    assert "This was a dry-run" in demo
    paper = run(programs, folder, "snakemake", "--profile", "slurm", "-n", "--quiet", "rules", "all")
    assert "Using profile slurm" in paper
    assert "This was a dry-run" in paper


@pytest.mark.slow
def test_a_run_in_the_folder_has_a_page_and_its_evaluation_alone_can_be_repeated(programs: Path, folder: Path) -> None:
    values = load_yaml(TINY.read_text(), str(TINY))
    assert values["name"] == "tiny"
    shutil.copy(TINY, folder / "tiny.yaml")
    command = ["--cores", "2", "--configfile", "tiny.yaml"]
    run(programs, folder, "snakemake", *command, "--quiet", "rules")
    assert (folder / "results/tiny/report/index.html").is_file()
    assert "Nothing to be done" in run(programs, folder, "snakemake", "evaluate", *command)
    assert (folder / "results/README.md").is_file()
