"""Each random decision of the denoiser's training step has a random number of its own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from adit.config import DitModelConfig, DitTrainConfig, LabelConfig
from adit.model.conditions import NULL_KIND, Conditions
from adit.model.dit import DiT
from adit.train.dit import DitTask
from adit.train.draws import Draws, step_generator

LABELS = (
    LabelConfig(name="spacegroup", type="category", classes=231, dropout=0.5),
    LabelConfig(name="phase", type="category", classes=4, dropout=0.5),
)
VALUE = 3
COUNT = 5


class Corpus:
    """Systems of one kind, all with the same labels."""

    def conditions(self, labels: object, rows: np.ndarray, split: str) -> Conditions:
        values = torch.full((len(rows),), VALUE)
        return Conditions(torch.zeros(len(rows), dtype=torch.long), {label.name: values for label in LABELS})


@pytest.fixture
def task() -> DitTask:
    module = DiT(DitModelConfig(d_model=8, heads=2, layers=1, labels=LABELS), 4)
    source = SimpleNamespace(latent_dim=4)
    return DitTask(module, source, Corpus(), DitTrainConfig(label_dropout=0.1), torch.device("cpu"))  # type: ignore[arg-type]


def dropped(task: DitTask, column: int) -> set[str]:
    """Return which conditions are null where the number in ``column`` is low and all others are high."""
    draws = Draws.make(np.full(COUNT, 2), step_generator(0, "dropout"), task.per_system, task.per_atom)
    uniform = torch.full_like(draws.uniform, 0.99)
    uniform[:, column] = 0.01
    conditions = task._conditions(np.arange(COUNT), replace(draws, uniform=uniform), "train")
    nulls = {name for label in LABELS if (conditions.labels[name := label.name] != VALUE).all()}
    return nulls | ({"kind"} if (conditions.kind == NULL_KIND).all() else set())


def test_each_label_is_dropped_by_a_draw_of_its_own(task: DitTask) -> None:
    assert task.per_system == 3 + len(LABELS)
    dropped_by = [dropped(task, column) for column in range(task.per_system)]
    assert dropped_by == [
        set(),  # the time
        {"kind", "spacegroup", "phase"},  # label dropout: everything together
        set(),  # the cached view
        {"spacegroup"},
        {"phase"},
    ]


def test_the_time_is_the_first_draw(task: DitTask) -> None:
    times = task._times(torch.tensor([0.0, 0.5]), "train")
    torch.testing.assert_close(times, torch.tensor([0.01, 0.505]))
