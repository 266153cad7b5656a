"""The whole run on a real SLURM with the project's profile; the part that continuous integration runs."""

from __future__ import annotations

import json

import pytest

from tests.slurm.cluster import LONGEST_MIN, Run, half_written, job, jobs

pytestmark = pytest.mark.slurm


def test_the_run_comes_to_its_report(undisturbed: Run) -> None:
    assert (undisturbed.results / "report/index.html").stat().st_size > 10_000
    assert json.loads((undisturbed.results / "scores/summary.json").read_text())
    assert not half_written(undisturbed)
    states = {facts["rule"]: facts["state"] for facts in jobs().values()}
    for rule in ("rule_vae", "rule_dit", "rule_score"):
        assert states[rule] == "COMPLETED", states


def test_gpus_are_asked_for_and_allocated(undisturbed: Run) -> None:
    submitted = {facts["rule"]: job(number) for number, facts in jobs().items() if facts["rule"].startswith("rule_")}
    for rule in ("rule_vae", "rule_dit", "rule_sampling_sample"):
        assert submitted[rule]["TresPerJob"] in ("gres:gpu:1", "gres/gpu:1"), submitted[rule]
        assert submitted[rule]["Partition"] == "gpu"
    for rule in ("rule_score", "rule_reference"):
        assert "TresPerJob" not in submitted[rule]
        assert submitted[rule]["Partition"] == "main"
    said = "\n".join(path.read_text() for path in (undisturbed.folder / "slurm-logs/rule_vae").rglob("*.log"))
    assert "Traceback" not in said


def test_time_limits_are_the_rules_and_no_longer_than_the_site_allows(undisturbed: Run) -> None:
    limits = {facts["rule"]: job(number)["TimeLimit"] for number, facts in jobs().items()}
    assert limits["rule_hull"] == "01:00:00"
    assert limits["rule_reference"] == "06:40:00", f"eight hours asked for, {LONGEST_MIN} minutes allowed"
    assert limits["rule_vae"] == "3-00:00:00", "set in the profile: trainings go back to the queue"


def test_short_jobs_share_one_job_of_the_scheduler(undisturbed: Run) -> None:
    rules = [facts["rule"] for facts in jobs().values()]
    assert rules.count("rule_data_prepare") == 1, "two datasets, one job"
    assert rules.count("rule_sampling_sample") == 1, "four shards, one job"
    assert not any("page" in rule for rule in rules), "the report is written where Snakemake runs"


def test_a_second_run_finds_nothing_to_do(undisturbed: Run) -> None:
    before = set(jobs())
    undisturbed.complete("all")
    assert "Nothing to be done" in undisturbed.said
    assert set(jobs()) == before
