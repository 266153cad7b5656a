"""``adit check-stability``: a row for every structure, kept results, limits of time, the best crystals of a run."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from adit import config, store
from adit.cli import main
from adit.columns import Col
from adit.config import RelaxConfig, StabilityConfig
from adit.relax import stability
from adit.relax.potentials.chosen import Chosen
from adit.report.run.inputs import load_run
from adit.systems import AtomicSystem, Failure, Kind
from tests.unit.ledger.runs import write_run

SETTINGS = "stability: {length: 5.0, max_atoms: 30}\nrelax: {engine: emt}\n"


def metal(name: str, number: int, edge: float, *, simple: bool = False) -> AtomicSystem:
    """Return an fcc metal in its primitive cell, or a simple cubic one, which is no minimum."""
    cell = np.eye(3) * edge if simple else (np.ones((3, 3)) - np.eye(3)) * edge / 2
    return AtomicSystem(name, Kind.CRYSTAL, np.array([number]), np.zeros((1, 3)), cell)


COPPER, GOLD, SIMPLE = metal("cu", 29, 3.6), metal("au", 79, 4.1), metal("sc", 29, 2.4, simple=True)


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stability")
    (folder / "run.yaml").write_text(SETTINGS)
    rows = [COPPER, SIMPLE, metal("si", 14, 5.0), Failure("lost", "decode", "no volume", Kind.CRYSTAL)]
    store.write_systems(folder / "crystals.arrow", rows)
    words = ("check-stability", folder / "crystals.arrow", "--config", folder / "run.yaml", "--out", folder / "out")
    assert run(*words) == 0
    return folder


def test_every_structure_is_a_row(checked: Path) -> None:
    table = store.read_frame(checked / "out/stability.parquet").set_index("system_id")
    assert table[Col.STATUS].to_dict() == {"cu": "ok", "sc": "ok", "si": "refused", "lost": "failed"}
    assert table[Col.DYNAMICALLY_STABLE].dropna().to_dict() == {"cu": True, "sc": False}
    assert table.loc["lost", Col.REASON] == "no volume"
    assert "does not know Si" in table.loc["si", Col.REASON]
    assert set(table[Col.ENERGY_TAG]) == {"emt-ase/EMT/none"}
    assert table.loc["cu", Col.PHONON_SUPERCELL] == "2×2×2"
    assert table.loc["cu", Col.SOURCE].endswith("crystals.arrow")


def test_densities_figure_and_structures_are_written(checked: Path) -> None:
    dos = store.read_frame(checked / "out/dos.parquet")
    assert set(dos[Col.SYSTEM_ID]) == {"cu", "sc"}
    for _, part in dos.groupby(Col.SYSTEM_ID):
        assert np.trapezoid(part[Col.DENSITY_OF_STATES], part[Col.FREQUENCY]) == pytest.approx(3, rel=0.02)
    assert (checked / "out/phonon-dos.svg").read_text().count("cu") > 0
    after = {row.system_id: row for row in store.read_systems(checked / "out/relaxed.arrow")}
    assert isinstance(after["cu"], AtomicSystem)
    assert isinstance(after["si"], Failure)
    assert len(list((checked / "out/.relax").glob("phonons-*.json"))) == 3  # what is refused is known too


def test_a_second_run_computes_nothing(checked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = store.read_frame(checked / "out/stability.csv")
    started: list[object] = []
    monkeypatch.setattr(stability, "map_isolated", lambda function, items, **_: started.extend(items))
    words = ("check-stability", checked / "crystals.arrow", "--config", checked / "run.yaml", "--out", checked / "out")
    assert run(*words) == 0
    assert not started
    assert store.read_frame(checked / "out/stability.csv").equals(before)


def test_files_without_a_crystal_for_the_potential_end_with_their_reason(
    checked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write_systems(tmp_path / "si.arrow", [metal("si", 14, 5.0)])
    words = ("check-stability", tmp_path / "si.arrow", "--config", checked / "run.yaml", "--out", tmp_path / "out")
    assert run(*words) == 3
    assert "does not know Si" in capsys.readouterr().err
    assert (tmp_path / "out/stability.csv").is_file()


class Slow(Chosen):
    """EMT that sleeps before gold."""

    def relax(self, task):  # type: ignore[no-untyped-def]
        if task[0].system_id == "au":
            time.sleep(60)
        return super().relax(task)


def test_the_wall_limit_ends_one_structure_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "chosen_of", lambda relax: Slow("emt"))
    settings = StabilityConfig(length=5.0, max_atoms=30, wall_limit_s=8.0)
    slow, fast = stability.check_rows(settings, RelaxConfig(engine="emt"), [GOLD, COPPER], 1, None)
    assert (slow.status, slow.reason) == ("timeout", "killed at the wall limit of 8 s")
    assert (fast.status, fast.values[Col.DYNAMICALLY_STABLE]) == ("ok", True)


def test_the_best_crystals_of_a_run_are_checked(tmp_path: Path) -> None:
    crystals = [metal("a", 29, 3.6), metal("b", 79, 4.1), metal("c", 47, 4.1)]  # in the order of their energies
    folder = write_run(tmp_path / "r", crystals)
    store.write_systems(folder / "relaxed/crystal/0.arrow", crystals)
    whole = config.Config.model_validate(
        {"relax": {"engine": "emt"}, "stability": {"top": 2, "length": 5.0, "max_atoms": 30}}
    )
    places = {name: folder / "stability" / f"{name}.parquet" for name in ("stability", "dos")}
    words = ["--out", places["stability"], "--dos", places["dos"], "--structures", folder / "stability/relaxed.arrow"]
    stage = whole.stage(config.StabilityStage).model_dump_json()
    assert run("stage", "check-stability", "--config", stage, "--run", folder, *words) == 0
    results = load_run(folder, "{}")
    assert results.stability is not None
    assert results.phonon_dos is not None
    assert results.stability[Col.SYSTEM_ID].tolist() == ["a", "b"]
    assert set(results.phonon_dos[Col.SYSTEM_ID]) == {"a", "b"}
