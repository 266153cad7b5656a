"""Where the workflow works: beside files of others, beside another run, from a checkout that cannot be written to."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from adit import store
from adit.outputs.manifest import State, state_of

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
DATA = "results/tiny/data/builtin-crystals.arrow"
LOG = "results/tiny/logs/prepare-builtin-crystals.log"
NOBODY = 65534
pytestmark = pytest.mark.workflow


def snakemake(
    folder: Path, *extra: str, root: Path = ROOT, user: int | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Make the data of a run in a folder, with the README's command."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "PYTHONPATH": str(root / "src"), "HOME": str(folder), "TMPDIR": str(folder)}
    place = ["--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    words = [
        sys.executable,
        "-P",
        "-m",
        "snakemake",
        "--cores",
        "1",
        *place,
        *extra,
        "--configfile",
        str(root / TINY.relative_to(ROOT)),
    ]
    return subprocess.run(
        [*before, *words, "--", DATA], cwd=folder, env={**os.environ, **own}, capture_output=True, text=True,
        timeout=400, check=False, user=user, group=user, extra_groups=None if user is None else [],
    )  # fmt: skip


@pytest.mark.parametrize("name", [DATA, LOG])
def test_a_file_of_others_at_the_place_of_an_output_stops_the_run(tmp_path: Path, name: str) -> None:
    store.write_text(tmp_path / name, "mine")
    extra = () if name == LOG else ("--forcerun", "prepare")
    said = snakemake(tmp_path, *extra)
    assert said.returncode == 2, said.stderr[-2000:]
    (line,) = [line for line in said.stderr.splitlines() if line.startswith("error: ")]
    assert name in line
    assert "adopt=true" in line
    assert (tmp_path / name).read_text() == "mine"
    said = snakemake(tmp_path, *extra, "--config", "adopt=true")
    assert said.returncode == 0 or name == LOG, said.stderr[-2000:]
    if name == DATA:
        assert state_of(tmp_path / DATA) is State.OWN
        (tmp_path / "results/tiny/data/notes.txt").write_text("mine")
        assert snakemake(tmp_path, "--forcerun", "prepare").returncode == 0  # its own by now
        assert (tmp_path / "results/tiny/data/notes.txt").read_text() == "mine"


def test_a_run_beside_another_one_says_so(tmp_path: Path) -> None:
    """Also where Snakemake finds the other run's locks, and outputs that the other run is making."""
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text(f"{DATA}\n")
    with (tmp_path / ".snakemake/adit.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        said = snakemake(tmp_path)
    assert said.returncode != 0
    assert "another run works in this folder" in said.stderr
    assert "--unlock" not in said.stderr
    assert not (tmp_path / DATA).exists()


def test_no_rule_declares_a_folder() -> None:
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        assert "directory(" not in path.read_text(), path.name


def plain_user() -> tuple[int | None, Sequence[str]]:
    """Return as whom to run, and what to put before the command: root may write everywhere.

    Where another user cannot start this Python, root runs it without its privileges.
    """
    if os.getuid() != 0:
        return None, ()
    try:
        subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    except PermissionError:
        return None, ("setpriv", "--bounding-set", "-all", "--")
    return NOBODY, ()


def test_a_user_who_is_not_root_runs_from_a_checkout_that_cannot_be_written_to(tmp_path: Path) -> None:
    checkout, folder = tmp_path / "checkout", tmp_path / "work"
    for name in ("src", "workflow", "config", "envs", "tests/workflow"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Snakefile", "requirements.lock"):
        shutil.copy(ROOT / name, checkout / name)
    folder.mkdir()
    for name in ("numpy", "struct", "multiprocessing", "json", "torch"):  # files are data, also with these names
        (folder / f"{name}.py").write_text("open('PWNED', 'w')\nraise SystemExit('a module of the folder was run')\n")
    user, before = plain_user()
    if user is not None:
        os.chown(folder, user, user)
        for above in (folder, *folder.parents):
            if above.stat().st_uid == 0 and not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o055)
    for path in sorted(checkout.rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    checkout.chmod(0o555)
    try:
        said = snakemake(folder, root=checkout, user=user, before=before)
        assert said.returncode == 0, said.stderr[-3000:]
        assert state_of(folder / DATA) is State.OWN
        assert not list(folder.rglob("PWNED"))
        assert not list(checkout.rglob("__pycache__"))
    finally:
        for path in [checkout, *checkout.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
