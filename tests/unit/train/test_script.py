"""How a training is started on the GPUs and nodes of its job (workflow/scripts/train.sh)."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "workflow/scripts/train.sh"


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A folder of commands that print how they were called."""
    said = 'echo "$(basename "$0") $* parent=${ADIT_PARENT_PID:-none}"'
    answers = {"python": said, "srun": said, "scontrol": "echo node7; echo node8", "squeue": "echo 'node[7-8]'"}
    for name, text in answers.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:/usr/bin:/bin", "ADIT_PARENT_PID": "1", **variables}
    return subprocess.run([SCRIPT, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("gpus", ["0", "1"])
def test_one_gpu_or_none_is_one_process(started: Path, gpus: str) -> None:
    assert run(started, "1", gpus, "vae", "--out", "x").stdout == "python -m adit vae --out x parent=1\n"


def test_several_gpus_of_one_node_are_processes_of_torchrun(started: Path) -> None:
    words = run(started, "1", "4", "dit").stdout
    assert words.startswith("python -m torch.distributed.run --standalone --nproc-per-node=4 ")
    assert words.endswith(" -- python -m adit dit parent=1\n")


def test_nodes_meet_at_the_first_of_the_job(started: Path) -> None:
    words = run(started, "2", "8", "dit", SLURM_JOB_ID="41").stdout
    assert words.startswith("srun --nodes=2 --ntasks=2 --ntasks-per-node=1 ")
    assert " --nnodes=2 --nproc-per-node=4 --rdzv-backend=c10d --rdzv-id=41 --rdzv-endpoint=node7:20041 " in words
    assert words.endswith(" -- python -m adit dit parent=none\n"), "the workflow's process is on the first node alone"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_a_signal_ahead_of_the_time_limit_reaches_torchrun_as_the_one_it_knows(started: Path, number: int) -> None:
    (started / "python").write_text(
        "#!/bin/bash\ntrap 'echo told; exit 7' TERM\necho up\nwhile :; do sleep 0.05; done\n"
    )
    environment = {"PATH": f"{started}:/usr/bin:/bin"}
    with subprocess.Popen([SCRIPT, "1", "2", "dit"], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert said == "told\n"
    assert process.returncode == 7, "the status is that of torchrun"


def test_what_cannot_be_started_is_one_line(started: Path) -> None:
    assert "several nodes need a SLURM job" in run(started, "2", "8", "dit").stderr
    assert "3 GPUs do not divide over 2 nodes" in run(started, "2", "3", "dit", SLURM_JOB_ID="41").stderr
