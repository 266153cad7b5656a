"""Training on two processes of a SLURM job comes to the loss curve of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.slurm.cluster import Run, job

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def curve(run: Run) -> pd.DataFrame:
    frame = pd.read_csv(run.results / "vae/metrics.csv")
    return frame[["step", "split", "loss"]]


def assert_same_curve(one: pd.DataFrame, two: pd.DataFrame) -> None:
    """Assert that two curves are equal up to rounding, which grows with the steps until they part by some per cent."""
    assert two[["step", "split"]].equals(one[["step", "split"]])
    np.testing.assert_allclose(two["loss"][:10], one["loss"][:10], rtol=1e-5)  # 200 steps
    apart = np.abs(two["loss"] / one["loss"] - 1)
    assert apart.median() < 0.02
    assert apart.max() < 0.2


def test_two_processes_have_the_loss_curve_of_one(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, "vae/*", "dit/*", "state/vae", "state/dit")
    run.resources = ["vae:gpu=2"]
    run.complete("results/small/vae/model.safetensors")
    assert "x 2" in (run.results / "logs/vae.log").read_text(), "two processes"
    (number,) = run.submitted("rule_vae")
    assert job(number)["TresPerJob"].endswith("gpu:2")
    assert_same_curve(curve(undisturbed), curve(run))
