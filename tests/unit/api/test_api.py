"""The public interface from weights to a ranking, with the same results as the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, molecule
from pymatgen.core import Lattice, Structure

import adit.api as module
from adit import api, store
from adit.cli import main

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.8), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="module")
def model() -> api.Model:
    return api.load_model()


def test_waiting_threads_sleep_in_a_script_as_in_a_command() -> None:
    code = "import os\nfrom adit import api\napi.load_model()\nprint(os.environ.get('GOMP_SPINCOUNT'))"
    environ = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "5000\n"


def test_samples_are_those_of_the_command_line(model: api.Model, tmp_path: Path) -> None:
    rows = model.sample("crystal", 2, seed=3, composition="NaCl", steps=4)
    out = tmp_path / "s.arrow"
    words = ["--kind", "crystal", "--n", "2", "--seed", "3", "--composition", "NaCl", "--steps", "4"]
    assert main(["sample", *words, "--out", str(out)]) == 0
    for mine, theirs in zip(rows, store.read_systems(out), strict=True):
        assert isinstance(mine, api.AtomicSystem)
        assert isinstance(theirs, api.AtomicSystem)
        assert mine.system_id == theirs.system_id
        np.testing.assert_array_equal(mine.positions, theirs.positions)
    more = model.sample("crystal", 3, seed=3, composition="NaCl", steps=4)
    assert [row.system_id for row in more[:2]] == [row.system_id for row in rows]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"stepps": 3}, "stepps"),
        ({"steps": 0}, "steps"),
        ({"labels": {"nothing": 1.0}}, "nothing"),
        ({"spacegroup": 231}, "spacegroup"),
    ],
)
def test_a_wrong_setting_is_one_line(model: api.Model, settings: dict, match: str) -> None:
    with pytest.raises(api.ConfigError, match=match) as error:
        model.sample("crystal", 1, **settings)
    assert "\n" not in str(error.value)


def test_relaxed_crystals_are_placed_and_ranked(tmp_path: Path) -> None:
    rows = api.relax([SALT, bulk("NaCl", "cesiumchloride", a=3.5), bulk("Si"), molecule("H2O")], fmax=0.3)
    assert list(rows.table["status"]) == ["converged"] * 4
    assert rows.table["energy_tag"].iloc[0].startswith("chgnet")
    assert rows.table["homo_lumo_gap"].notna().tolist() == [False, False, False, True]
    crystals = rows.named(["0", "1", "2"])
    placed = api.above_hull(crystals)
    assert set(placed.table["verdict"]) <= {"stable", "unstable", "unknown hull", "metastable"}
    ranked = api.rank(placed)
    energies = ranked.table.set_index("system_id")["e_above_hull"]
    assert energies["0"] < energies["1"]
    assert list(energies) == sorted(energies)
    lower = placed.table[["system_id", "energy_per_atom", "energy_tag"]].iloc[:1].assign(status="converged", reason="")
    own = lower.assign(composition='{"Na": 1, "Cl": 1}', hull_tag=lower["energy_tag"])
    elements = pd.DataFrame({"system_id": ["Na", "Cl"], "composition": ['{"Na": 1}', '{"Cl": 1}']})
    elements = elements.assign(energy_per_atom=-1.0, status="converged", hull_tag=own["hull_tag"].iloc[0])
    store.write_frame(tmp_path / "own.parquet", pd.concat([own, elements]))
    again = api.above_hull(placed.named(["0"]), reference=tmp_path / "own.parquet")
    assert again.table["e_above_hull"].iloc[0] == pytest.approx(0.0, abs=1e-9)
    assert again.table["formation_energy_per_atom"].iloc[0] != placed.table["formation_energy_per_atom"].iloc[0]
    assert not again.table.columns.duplicated().any()
    with pytest.raises(api.ConfigError, match="call above_hull first"):
        api.rank(crystals)


def test_scores_are_tables() -> None:
    scores = api.evaluate([SALT, molecule("H2O"), molecule("CH4")], reference=())
    assert set(scores.samples) == {"crystal", "molecule"}
    assert list(scores.samples["molecule"]["validity"]) == [True, True]
    assert {"metric", "numerator", "denominator"} <= set(scores.rates)
    assert set(scores.funnel["kind"]) == {"crystal", "molecule"}
    with pytest.raises(api.ConfigError, match="nonsense"):
        api.evaluate([SALT], nonsense=1)


def test_progress_is_seen_and_an_exception_ends_the_call() -> None:
    seen: list[tuple[str, int, int]] = []
    with api.watched(lambda *counts: seen.append(counts)):
        api.relax([molecule("H2O"), molecule("CH4")])
    assert seen[-1][1:] == (2, 2)

    class StopError(Exception): ...

    def stop(what: str, done: int, total: int) -> None:
        raise StopError

    with api.watched(stop), pytest.raises(StopError):
        api.relax([molecule("H2O"), molecule("CH4")])
    api.relax([molecule("H2O")])  # as before


def test_an_unknown_engine_is_one_line() -> None:
    with pytest.raises(api.ConfigError, match="engine"):
        api.relax([SALT], engine="magic")


def test_every_public_name_is_there_and_documented() -> None:
    for name in module.__all__:
        assert getattr(module, name).__doc__, name
    assert sorted(module.__all__) == module.__all__
