"""What clusters do to jobs: the run completes, finished work stays, results are those of an undisturbed run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import ROOT, SCRIPT, Run, half_written, job, node, sh, wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.slow]
DATA = "data/*"
MODELS = ("vae/*", "dit/*", "state/vae", "state/dit")
SAMPLES = ("samples/*/*", "state/sample")
RELAXED = ("relaxed/*/*", "state/relax")


def assert_as_undisturbed(run: Run, undisturbed: Run, *patterns: str) -> None:
    assert run.hashes(*patterns) == undisturbed.hashes(*patterns)
    assert run.hashes(*patterns)
    assert not half_written(run)


def training(undisturbed: Run, folder: Path) -> tuple[Run, dict[str, int]]:
    """Return a run whose autoencoder is still to be trained, and the times of what is done."""
    run = undisturbed.copy(folder, *MODELS)
    return run, run.times(DATA)


def vae_log(run: Run) -> str:
    return (run.results / "logs/vae.log").read_text()


def end_training(run: Run, undisturbed: Run, done: dict[str, int]) -> None:
    """Assert that the disturbed training resumed and came to the same weights, and that nothing else ran again."""
    run.must_end_well()
    assert "resumed at step" in vae_log(run)
    assert run.times(DATA) == done
    assert_as_undisturbed(run, undisturbed, "vae/model.safetensors")


def test_a_cancelled_job_is_retried_and_resumes(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    sh("scancel", run.wait_for_training())
    end_training(run, undisturbed, done)
    assert len(run.submitted("rule_vae")) == 2


def test_the_signal_before_the_time_limit_sends_a_training_back_to_the_queue(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    number = run.wait_for_training()
    # What SLURM sends 300 s before the limit (--signal in the profile), without the wait for it; this cancels nothing.
    sh("scancel", "--signal=TERM", number)
    wait_until("the job is back in the queue", lambda: job(number)["JobState"] == "PENDING")
    sh("scontrol", "update", f"jobid={number}", "starttime=now")
    end_training(run, undisturbed, done)
    assert run.submitted("rule_vae") == [number], "one job, started twice"
    assert job(number)["Restarts"] == "1"


def test_a_preempted_job_saves_and_goes_on(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    number = run.wait_for_training()
    urgent = sh(
        "sbatch", "--parsable", "-p", "urgent", "--cpus-per-task=64", "--output=/dev/null", "--wrap", "true"
    ).strip()
    wait_until("pre-emption", lambda: job(number)["JobState"] == "PENDING")
    wait_until("the urgent job", lambda: job(urgent)["JobState"] == "COMPLETED")
    sh("scontrol", "update", f"jobid={number}", "starttime=now")
    end_training(run, undisturbed, done)
    assert run.submitted("rule_vae") == [number]


def test_a_dead_node_sends_its_jobs_back(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    number = run.wait_for_training()
    subprocess.run([SCRIPT, "kill-node"], check=True, timeout=60)
    node("down")  # the scheduler would find out by itself, in minutes
    wait_until("the job is back in the queue", lambda: job(number)["JobState"] == "PENDING")
    subprocess.run([SCRIPT, "start-node"], check=True, timeout=60)
    node("resume")
    sh("scontrol", "update", f"jobid={number}", "starttime=now")
    end_training(run, undisturbed, done)


def test_snakemake_killed_leaves_no_job_that_writes_beside_the_next(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    number = run.wait_for_training()
    run.kill()
    assert job(number)["JobState"] == "RUNNING", "the scheduler knows nothing of the kill"
    run.start("results/small/vae/model.safetensors")
    end_training(run, undisturbed, done)
    assert f"are still in the queue and are cancelled: {number}" in run.said
    assert job(number)["JobState"] == "CANCELLED"


def test_a_second_snakemake_says_that_the_folder_is_taken(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    run.wait_for("rule_vae")
    second = subprocess.run(run.command("all"), cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode != 0
    assert "cannot be locked" in second.stderr
    run.must_end_well()
    assert run.times(DATA) == done
    assert_as_undisturbed(run, undisturbed, "vae/model.safetensors")


def test_a_job_killed_for_memory_gets_more_and_passes(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, *RELAXED)
    done = run.times(DATA, "samples/*/*")
    (run.harm / "relax.memory").write_text("1800")
    run.resources = ["relax:mem_mb=1500*attempt"]
    run.complete("results/small/relaxed/crystal/0.arrow")
    first, second = run.submitted("rule_relax")
    assert job(first)["JobState"] in ("FAILED", "OUT_OF_MEMORY"), "the step was killed"
    assert job(second)["JobState"] == "COMPLETED"
    assert job(second)["MinMemoryNode"] in ("3000M", "3000.00M")
    assert run.times(DATA, "samples/*/*") == done
    assert run.hashes("relaxed/crystal/0.arrow") == undisturbed.hashes("relaxed/crystal/0.arrow")


def test_a_job_out_of_time_gets_more_and_passes(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, *RELAXED)
    done = run.times(DATA, "samples/*/*")
    (run.harm / "relax.hang").write_text("1")
    run.resources = ["relax:runtime=60**(attempt-1)"]  # a minute, then an hour
    run.complete("results/small/relaxed/crystal/0.arrow")
    first, second = run.submitted("rule_relax")
    assert [job(first)[fact] for fact in ("JobState", "TimeLimit")] == ["TIMEOUT", "00:01:00"]
    assert [job(second)[fact] for fact in ("JobState", "TimeLimit")] == ["COMPLETED", "01:00:00"]
    assert run.times(DATA, "samples/*/*") == done
    assert run.hashes("relaxed/crystal/0.arrow") == undisturbed.hashes("relaxed/crystal/0.arrow")


def test_a_drained_node_delays_and_loses_nothing(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, *SAMPLES, *RELAXED)
    done = run.times(DATA, "vae/*", "dit/*")
    run.start("results/small/relaxed/crystal/0.arrow")
    number = run.wait_for("rule_sampl")
    node("drain")
    wait_until("the running job ends", lambda: job(number)["JobState"] == "COMPLETED")
    run.wait_for("rule_relax", "PENDING")
    node("resume")
    run.must_end_well()
    assert run.times(DATA, "vae/*", "dit/*") == done
    assert run.hashes("relaxed/crystal/0.arrow") == undisturbed.hashes("relaxed/crystal/0.arrow")


def test_a_restarted_controller_is_waited_for(undisturbed: Run, folder: Path) -> None:
    run, done = training(undisturbed, folder)
    run.start("results/small/vae/model.safetensors")
    run.wait_for_training()
    subprocess.run([SCRIPT, "stop-controller"], check=True, timeout=60)
    subprocess.run(["sleep", "20"], check=True)  # several questions about the jobs go unanswered
    assert not run.ended()
    subprocess.run([SCRIPT, "start-controller"], check=True, timeout=60)
    run.must_end_well()
    assert len(run.submitted("rule_vae")) == 1
    assert run.times(DATA) == done
    assert_as_undisturbed(run, undisturbed, "vae/model.safetensors")


def test_a_rule_that_fails_twice_passes_the_third_time(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, *RELAXED)
    (run.harm / "relax.fail").write_text("2")
    run.complete("results/small/relaxed/crystal/1.arrow")
    assert run.runs("relax") == 3
    assert run.hashes("relaxed/crystal/1.arrow") == undisturbed.hashes("relaxed/crystal/1.arrow")


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 64 kB, to be mounted where a job writes."""
    mounted = folder / "results/small/relaxed/crystal"
    yield mounted
    subprocess.run(["umount", str(mounted)], check=False)


def test_a_full_disk_fails_one_job_and_the_retry_passes(undisturbed: Run, folder: Path, small_disk: Path) -> None:
    run = undisturbed.copy(folder, *RELAXED)
    done = run.times(DATA, "samples/*/*")
    small_disk.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small_disk)], check=True)
    run.start("results/small/relaxed/crystal/0.arrow")
    run.wait_for("rule_relax", "FAILED")
    assert "no space left on the device" in (run.results / "logs/relax-crystal-0.log").read_text()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    run.must_end_well()
    assert run.times(DATA, "samples/*/*") == done
    assert run.hashes("relaxed/crystal/0.arrow") == undisturbed.hashes("relaxed/crystal/0.arrow")
    assert not half_written(run)
