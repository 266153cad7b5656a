"""What dry runs plan, and what stops a run before it begins."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from adit import config
from adit.expected import Site, expected
from tests.workflow.running import ROOT, command, dry, environment, jobs, snakemake

pytestmark = pytest.mark.workflow


def test_a_dry_run_in_a_fork_says_what_snakemake_says(tmp_path: Path) -> None:
    line = command(tmp_path, "-n", "samples")
    alone = subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=300, check=False)
    assert jobs(alone) == jobs(snakemake(tmp_path, "-n", "samples"))
    assert line[:3] == [sys.executable, "-m", "snakemake"]


def test_the_papers_run_is_planned_for_slurm_from_the_root() -> None:
    counts = jobs(dry(["--profile", "slurm", "-n", "all"], ROOT))
    assert counts | {"sample": 200, "relax": 100, "vae": 1, "dit": 1} == counts


@pytest.mark.parametrize(
    "changed",
    [
        {"sample": {"crystal": 2, "molecule": 0, "shards": 9}, "dft": {"engine": "gfn1-xtb", "preset": "demo"}},
        {"sample": {"crystal": 0, "molecule": 4, "shards": 2}},
        {"hull": {"reference": "mp20-formation-energies"}, "dft": {"engine": "vasp", "preset": "mp-gga", "shards": 9}},
        {"dft": {"engine": "gpaw", "preset": "demo", "references": "elements"}},
        {"hull": {"reference": "optimade", "live": {"providers": [{"address": "http://127.0.0.1:9"}]}}},
        {"sample": {"from": "Snakefile", "crystal": 5, "molecule": 0, "shards": 2}},
        {"model": {"source": "pretrained", "weights": "."}, "latents": {"views": 2}},
        {"stability": {"top": 3}},
    ],
)
def test_the_plan_has_every_job_of_the_run(tmp_path: Path, changed: dict[str, dict[str, object]]) -> None:
    (tmp_path / "Snakefile").touch()
    (tmp_path / "bundle.json").touch()
    values = {"name": "x", **changed}
    (tmp_path / "run.yaml").write_text(json.dumps(values))
    place = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    counts = jobs(dry([*place, "-n", "--cores", "1", "all", "--configfile", "run.yaml"], tmp_path))
    apart = {"all", "page", "doctor_cpu", "doctor_gpu"}  # nothing, seconds where Snakemake runs, seconds on each node
    estimates = expected(config.load(str(tmp_path / "run.yaml")), Site({}, {}, {}))
    assert {e.rule: e.jobs for e in estimates} == {rule: number for rule, number in counts.items() if rule not in apart}


def test_two_runs_do_not_share_a_folder_and_a_plan_keeps_nobody_out(tmp_path: Path) -> None:
    """Also where both were started before either had Snakemake's lock."""
    datasets = [f"results/tiny/data/{name}.arrow" for name in ("builtin-crystals",)]
    assert snakemake(tmp_path, "-n", *datasets).returncode == 0
    with (tmp_path / ".snakemake/adit.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert snakemake(tmp_path, "-n", *datasets).returncode == 0
        second = snakemake(tmp_path, *datasets)
        assert second.returncode != 0
        assert "another run works in this folder" in second.stderr
        assert not (tmp_path / datasets[0]).exists()
    assert snakemake(tmp_path, *datasets).returncode == 0


def test_a_mistyped_key_stops_the_workflow_with_one_line(tmp_path: Path) -> None:
    said = snakemake(tmp_path, "-n", "--config", "scoer=1")
    assert said.returncode == 2
    assert "error: config: scoer: unknown key; did you mean 'score'?" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("results='$(touch PWNED)'", "results: has the character '$'"),
        ("results='`touch PWNED`'", "results: has the character '`'"),
        ("results=.snakemake", "results: '.snakemake' is a folder of the program's own"),
        ("results=/proc/x", "is in a folder of the system"),
        ("sample={crystal: true}", "sample.crystal: Input should be a valid integer"),
        ("limits={worker_bytes: 1}", "limits.worker_bytes: "),
        ("score={mofchecker_python: -c evil}", "score.mofchecker_python: begins with -"),
    ],
)
def test_what_no_run_can_have_stops_the_workflow_with_one_line(tmp_path: Path, setting: str, message: str) -> None:
    planned = snakemake(tmp_path, "-n", "--config", setting)
    assert planned.returncode == 2
    (line,) = [line for line in planned.stderr.splitlines() if "error" in line]
    assert message in line
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("target", ["models", "samples", "report", "doctor", "all"])
def test_named_targets_exist(tmp_path: Path, target: str) -> None:
    assert snakemake(tmp_path, target, "-n").returncode == 0
