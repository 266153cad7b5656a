"""``adit doctor`` says what is missing and how to get it; ``adit plan``: hours follow the configuration."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from adit import config, slurm
from adit.cli import main
from adit.cli.plan import site_of, table
from adit.doctor import machine, nodes, scheduler, software
from adit.doctor.finding import examine, missing, ok
from adit.errors import ConfigError
from adit.expected import Site, expected

ROOT = Path(__file__).parents[3]
PROFILE = ROOT / "slurm/config.yaml"


def fake(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of commands that stands alone in the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def lines(checks: list) -> str:
    return "\n".join(finding.line() for finding in examine(checks))


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on() -> None:
    def broken() -> list:
        raise RuntimeError("no\nsuch thing")

    findings = examine([broken, lambda: [ok("other", "there")]])
    assert [f.status for f in findings] == ["missing", "ok"]
    assert findings[0].line() == "missing broken: RuntimeError: no such thing; fix this, and repeat"


def test_versions_that_differ_from_the_lock_are_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("# comment\nnumpy==0.1\nno-such-package==1.0\n")
    printed = lines([lambda: software.locked(lock)])
    assert "missing versions: not installed: no-such-package; make env" in printed
    assert "(locked: 0.1)" in printed


def test_a_folder_that_cannot_be_written_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    printed = lines([lambda: machine.writing(tmp_path / "file/results")])
    assert "missing writing results" in printed
    assert "choose a folder that can be written" in printed


def test_logs_that_cannot_be_written_are_missing(tmp_path: Path) -> None:
    profile = tmp_path / "config.yaml"
    profile.write_text(f"slurm-logdir: {tmp_path}/logs")
    assert lines([lambda: scheduler.logs(profile)]).startswith("ok      writing logs of jobs")
    (tmp_path / "logs").rmdir()
    (tmp_path / "logs").touch()
    printed = lines([lambda: scheduler.logs(profile)])
    assert printed == f"missing writing logs of jobs: {tmp_path}/logs: File exists; choose a folder that can be written"


def test_a_quota_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch, commands: Path) -> None:
    fake(commands, "quota", "exec sleep 60")
    run = subprocess.run
    monkeypatch.setattr(machine.subprocess, "run", lambda words, **options: run(words, **{**options, "timeout": 0.2}))
    assert lines([machine._quota]).startswith("note    quota: quota -s does not answer")


def test_without_slurm_it_says_so(commands: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(commands))
    assert lines([scheduler.controller]).startswith("missing SLURM: sbatch, srun, squeue, sinfo, scontrol, scancel not")


@pytest.mark.parametrize(
    ("sinfo", "finding"),
    [
        ("main|(null)|infinite|up\ngpu|gpu:4|7-00:00:00|up", "ok      partition: gpu, with GPUs"),
        ("main|(null)|infinite|up", "missing partition: gpu does not exist; set slurm_partition at the top of"),
        ("main|(null)|infinite|up\ngpu|(null)|infinite|up", "missing partition: gpu has no GPUs"),
        ("main|(null)|infinite|up\ngpu|gpu:4|1-00:00:00|up", "missing partition: gpu ends jobs after 1440 min"),
        ("main|(null)|2-00:00:00|up\ngpu|gpu:4|infinite|up", "main ends jobs after 2880 min, 4320 are requested"),
    ],
)
def test_partitions_of_the_profile(commands: Path, sinfo: str, finding: str) -> None:
    fake(commands, "sinfo", f"cat <<'END'\n{sinfo}\nEND")
    assert finding in lines([lambda: scheduler.partitions(PROFILE)])


def test_how_states_can_be_asked(commands: Path) -> None:
    fake(commands, "scontrol", "echo 'MinJobAge = 300 sec'")
    fake(commands, "sacct", "exit 1")
    assert "squeue (remembers 300 s); sacct does not work here" in lines([scheduler.status_command])
    fake(commands, "scontrol", "echo 'MinJobAge = 10 sec'")
    assert lines([scheduler.status_command]).startswith("missing job states: squeue forgets jobs after 10 s")
    fake(commands, "sacct", "exit 0")
    assert "ok      job states: sacct; sacct works too" in lines([scheduler.status_command])


@pytest.mark.parametrize(
    ("sinfo", "finding"),
    [
        ("main|64|(null)|a\ngpu|64|gpu:a100:4(S:0-1)|a", "ok      nodes: every job of the profile fits one"),
        (
            "main|16|(null)|a\ngpu|64|gpu:4|a",
            "missing nodes: dft asks for 32 cores, the largest node of main has 16; set-thr",
        ),
        ("main|64|(null)|a\ngpu|64|gpu:4|a\ngpu|12|gpu:8|b", "ok      nodes"),
        (
            "main|64|(null)|a\ngpu|64|gpu:h100:2|a",
            "missing nodes: vae asks for 4 GPUs a node, those of gpu have 2; set gpu: 2",
        ),
        ("main|64|(null)|a\ngpu|64|gpu:4|b", "missing nodes: dit: no node of gpu has the feature a; set constraint"),
    ],
)
def test_jobs_of_the_profile_fit_nodes(commands: Path, tmp_path: Path, sinfo: str, finding: str) -> None:
    fake(commands, "sinfo", f"cat <<'END'\n{sinfo}\nEND")
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        "default-resources: {slurm_partition: main}\n"
        "set-resources:\n"
        "  vae: {slurm_partition: gpu, gpu: 8, nodes: 2, mem_mb: 'attempt * 1000'}\n"
        "  dit: {slurm_partition: gpu, gpu: 1, constraint: a}\n"
        "set-threads: {dft: 32, vae: 16}\n"
    )
    findings = lines([lambda: nodes.fitting(profile)])
    assert finding in findings
    assert len(findings.splitlines()) == 1


def test_a_profile_that_is_none_is_one_line(tmp_path: Path) -> None:
    for text in ("a: [", "- a", "set-threads: [vae=2]", "set-resources: {vae: 3}"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"config\.yaml: .*slurm/config\.yaml"):
            site_of(tmp_path, "a100")
    with pytest.raises(ConfigError, match="no such profile"):
        site_of(tmp_path / "none", "a100")
    (tmp_path / "config.yaml").write_text("set-resources: {vae: {gpu: 'attempt'}}\nset-threads: {vae: 'attempt'}")
    assert site_of(tmp_path, "a100").gpus == {"vae": 0}, "an expression is known to Snakemake alone"


@pytest.mark.parametrize(
    ("text", "minutes"), [("infinite", float("inf")), ("2-00:00:00", 2880), ("12:30:00", 750), ("30:00", 30)]
)
def test_time_limits_are_read(text: str, minutes: float) -> None:
    assert scheduler.minutes(text) == minutes


def test_the_verb_fails_when_something_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "disk", lambda folder: iter([missing("disk", "none", "buy one")]))
    stage = config.Config(name="x", sample=config.SampleConfig(crystal=0)).stage(config.DoctorStage)
    words = ["doctor", "--on", "cpu", "--config", stage.model_dump_json(), "--lock", "none", "--out", "found.json"]
    assert main(["stage", *words]) == 4
    assert not Path("found.json").exists(), "the workflow takes the file as a passed check"
    assert main(words) == 4
    assert {"what": "disk", "status": "missing", "found": "none", "remedy": "buy one"} in json.loads(
        Path("found.json").read_text()
    )
    monkeypatch.setattr(machine, "disk", lambda folder: iter([ok("disk", "enough")]))
    assert main(words) == 0
    assert {"what": "disk", "status": "ok", "found": "enough", "remedy": ""} in json.loads(
        Path("found.json").read_text()
    )


# --- plan -------------------------------------------------------------------------------------------------------------


def test_no_job_of_the_papers_run_is_shorter_than_a_minute() -> None:
    estimates = expected(config.Config(), site_of(PROFILE, "h100"))
    assert {e.rule for e in estimates} >= {"prepare", "vae", "dit", "sample", "relax", "dft", "score"}
    assert {e.rule: round(e.seconds) for e in estimates if e.seconds < 60} == {}
    assert next(e.jobs for e in estimates if e.rule == "sample") == 20, "200 shards, ten in a job"


def test_hours_follow_the_configuration() -> None:
    site = Site({"dit": 4}, {"dit": 2}, {})
    short = config.parse({"train": {"dit": {"max_minutes": 30.0}}})
    (dit,) = [e for e in expected(short, site) if e.rule == "dit"]
    assert dit.seconds == pytest.approx(30 * 60, abs=60)
    assert dit.gpu_hours == pytest.approx(2 * dit.seconds / 3600)
    assert dit.core_hours == pytest.approx(4 * dit.seconds / 3600)
    alone = config.parse({"sample": {"from": "samples.extxyz", "molecule": 0}})
    rules = [e.rule for e in expected(alone, site)]
    assert "take" in rules
    assert not {"sample", "vae", "dit"} & set(rules), "no model is trained for samples from elsewhere"
    assert table(expected(short, site))[-1].startswith("all")
    taken = config.parse({"model": {"source": "pretrained"}})
    assert all(e.seconds < 60 for e in expected(taken, site) if e.rule in ("vae", "dit")), (
        "weights are read, not trained"
    )


@pytest.mark.parametrize(("most", "crystals", "jobs"), [(None, 1000, 100), (7, 1000, 7), (None, 3, 3), (0, 1000, 0)])
def test_no_job_of_dft_is_without_structures(most: int | None, crystals: int, jobs: int) -> None:
    settings = config.parse({"select": {"max_structures": most}, "sample": {"crystal": crystals}})
    assert sum(e.jobs for e in expected(settings, Site({}, {}, {})) if e.rule == "dft") == jobs


# --- jobs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "requeue", "restarts", "taken"),
    [("RUNNING", 1, 0, True), ("CANCELLED", 1, 0, False), ("RUNNING", 0, 0, False), ("RUNNING", 1, 100, False)],
)
def test_only_a_running_job_that_may_goes_back_to_the_queue(
    commands: Path, monkeypatch: pytest.MonkeyPatch, state: str, requeue: int, restarts: int, taken: bool
) -> None:
    facts = f"JobId=7 JobState={state} Requeue={requeue} Restarts={restarts}"
    fake(commands, "scontrol", f'[ "$1" = requeue ] && touch {commands}/asked || echo "{facts}"')
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(slurm.REQUEUE_VARIABLE, "1")
    assert slurm.requeue() is taken
    assert (commands / "asked").exists() is taken
    monkeypatch.delenv(slurm.REQUEUE_VARIABLE)
    assert slurm.requeue() is False, "a job that is not the workflow's stays as it is"


def test_jobs_of_a_killed_run_are_found_by_its_number(commands: Path, tmp_path: Path) -> None:
    logs = tmp_path / "log"
    logs.mkdir()
    (logs / "1.snakemake.log").write_text("Building DAG\nSLURM run ID: adit_12-34\n")
    (logs / "2.snakemake.log").write_text("SLURM run ID: adit_56-78\ncut sh")
    fake(commands, "squeue", "echo '11 adit_12-34'; echo '12 adit_99-99'; echo '13 other'")
    assert slurm.left_behind(logs) == ["11"]
    assert slurm.left_behind(tmp_path / "none") == []
    fake(commands, "squeue", "exit 1")
    assert slurm.left_behind(logs) is None, "a controller that does not answer is not an empty queue"
    assert slurm.left_behind(tmp_path / "none") == []


@pytest.mark.parametrize(("answers", "said"), [([300, None, None], 300), ([None, None, 300], None)])
def test_the_executor_keeps_the_age_that_the_controller_told_it(
    answers: list[int | None], said: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller that restarts later does not turn questions to a sacct that never answers."""
    plugin = types.ModuleType(slurm.EXECUTOR)
    left = iter(answers)
    plugin.get_min_job_age = lambda: next(left)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, slurm.EXECUTOR, plugin)
    slurm.remember_min_job_age()
    assert plugin.get_min_job_age() == said


def test_the_executor_asks_what_is_remembered() -> None:
    plugin = importlib.import_module(slurm.EXECUTOR)
    source = inspect.getsource(plugin.Executor.check_active_jobs)
    assert "= get_min_job_age()" in source
    assert callable(vars(plugin)["get_min_job_age"])
