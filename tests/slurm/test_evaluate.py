"""Evaluation alone, on SLURM and here: the models are never trained, whatever happened to them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.slurm.cluster import Run

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


def test_evaluate_needs_no_models(undisturbed: Run, folder: Path) -> None:
    run = undisturbed.copy(folder, "relaxed/*/*", "state/relax", "scores/*", "report/*", "dft/*", "hull/hull.parquet")
    for model in ("vae", "dit", "latents", "state"):
        shutil.rmtree(run.results / model, ignore_errors=True)
    os.utime(next(run.results.glob("data/*.arrow")))  # what the models were trained on is newer
    run.complete("evaluate")
    assert run.runs("vae") == run.runs("dit") == run.runs("sample") == 0
    assert run.runs("relax") == 2
    assert run.hashes("relaxed/*/*.arrow") == undisturbed.hashes("relaxed/*/*.arrow")
    assert (run.results / "report/index.html").is_file()
