"""VASP: the Materials Project's inputs key by key, and the whole flow with a stand-in for the program."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from adit import convert, store
from adit.errors import DataError, ExternalToolError
from adit.relax.dft import run as dft_run
from adit.relax.dft.engines.presets import VaspPreset, read_preset
from adit.relax.dft.engines.registry import Engine, resolve
from adit.relax.dft.engines.vasp import _mended, flow_maker
from adit.relax.dft.job import job_store
from adit.relax.dft.result import check_corrections, finished
from adit.relax.dft.task import DftTask
from adit.systems import AtomicSystem, Kind
from tests.unit.relax.vasp_stand_in import ENERGY, VERSION, VOLUME

STAND_IN = Path(__file__).with_name("vasp_stand_in.py")


def cubic(name: str, numbers: list[int], a: float, second: float = 0.5) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    fractional = np.array([[0.0, 0, 0], [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


def gallium_nitride() -> AtomicSystem:
    a, c = 3.22, 5.24
    cell = np.array([[a, 0, 0], [-a / 2, a * 3**0.5 / 2, 0], [0, 0, c]])
    sites = [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5], [1 / 3, 2 / 3, 0.377], [2 / 3, 1 / 3, 0.877]]
    return AtomicSystem("GaN", Kind.CRYSTAL, np.array([31, 31, 7, 7]), np.array(sites) @ cell, cell)


STRUCTURES = {
    "NaCl": cubic("NaCl", [11, 17], 5.69),
    "FeO": cubic("FeO", [26, 8], 4.33),
    "Al": cubic("Al", [13], 4.04),
    "GaN": gallium_nitride(),
    "ZnS": cubic("ZnS", [30, 16], 5.41, 0.25),
}

# --- inputs -----------------------------------------------------------------------------------------------------------

# What the Materials Project publishes of its GGA and GGA+U calculations, written down here by hand.
COMMON = {
    "ALGO": "Fast", "ENCUT": 520, "ISPIN": 2, "LASPH": True, "LORBIT": 11, "NELM": 100, "PREC": "Accurate",
    "LWAVE": False, "ISMEAR": -5, "SIGMA": 0.05,
}  # fmt: skip
RELAXATION = {"IBRION": 2, "ISIF": 3, "NSW": 99, "LREAL": "Auto"}
STATIC = {"NSW": 0, "LREAL": False, "LCHARG": True}
HUBBARD = {"LDAU": True, "LDAUTYPE": 2, "LDAUPRINT": 1, "LDAUU": [5.3, 0], "LDAUL": [2, 0], "LDAUJ": [0, 0]}
OWN: dict[str, dict[str, Any]] = {
    "NaCl": {"MAGMOM": [0.6, 0.6]},
    "FeO": {"MAGMOM": [5, 0.6], "LMAXMIX": 4, **HUBBARD},
    "Al": {"MAGMOM": [0.6]},
    "GaN": {"MAGMOM": [0.6] * 4, "LMAXMIX": 4},
    "ZnS": {"MAGMOM": [0.6, 0.6], "LMAXMIX": 4},
}
POTCARS = {"NaCl": ["Na_pv", "Cl"], "FeO": ["Fe_pv", "O"], "Al": ["Al"], "GaN": ["Ga_d", "N"], "ZnS": ["Zn", "S"]}
EDIFF_PER_ATOM = 5e-5


def mesh(system: AtomicSystem, density: float) -> tuple[int, ...]:
    """Return the grid of so many k-points per Å⁻³ of the reciprocal cell, spread over its axes by their lengths."""
    assert system.cell is not None
    reciprocal_volume = (2 * np.pi) ** 3 / system.volume
    lengths = np.linalg.norm(system.cell, axis=1)
    per_length = (density * reciprocal_volume * lengths.prod()) ** (1 / 3)
    return tuple(int(n) for n in np.floor(np.maximum(per_length / lengths, 1)))


def written(name: str, which: str) -> Any:
    flow = flow_maker(VaspPreset(flow="mp-gga"))
    jobs = {
        "first": flow.relax_maker.relax_maker1,
        "second": flow.relax_maker.relax_maker2,
        "static": flow.static_maker,
    }
    structure = convert.to_structure(STRUCTURES[name])
    return jobs[which].input_set_generator.get_input_set(structure, potcar_spec=True)


@pytest.mark.parametrize("which", ["first", "second", "static"])
@pytest.mark.parametrize("name", list(STRUCTURES))
def test_inputs_are_the_materials_projects_key_by_key(name: str, which: str) -> None:
    inputs = written(name, which)
    kind = STATIC if which == "static" else RELAXATION
    expected = {**COMMON, **kind, **OWN[name], "EDIFF": EDIFF_PER_ATOM * len(STRUCTURES[name])}
    assert set(inputs.incar) == set(expected)
    for key, value in expected.items():
        assert inputs.incar[key] == (pytest.approx(value) if isinstance(value, float) else value), key
    assert tuple(inputs.kpoints.kpts[0]) == mesh(STRUCTURES[name], 100 if which == "static" else 64)
    assert inputs.kpoints.style.name == "Gamma"
    assert str(inputs.potcar).split() == POTCARS[name]


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_inputs_equal_pymatgens_own_sets(name: str) -> None:
    """With Γ in every grid, as atomate2's flow has it; pymatgen alone leaves it out of some even ones."""
    from pymatgen.io.vasp.sets import MPRelaxSet, MPStaticSet

    for which, kind in (("first", MPRelaxSet), ("second", MPRelaxSet), ("static", MPStaticSet)):
        ours, theirs = written(name, which), kind(convert.to_structure(STRUCTURES[name]), force_gamma=True)
        assert dict(ours.incar) == dict(theirs.incar)
        assert ours.kpoints.as_dict() == theirs.kpoints.as_dict()
        assert str(ours.potcar).split() == theirs.potcar_symbols


def test_r2scan_inputs() -> None:
    flow = flow_maker(VaspPreset(flow="mp-r2scan"))
    first, second, static = (
        maker.input_set_generator.get_input_set(convert.to_structure(STRUCTURES["FeO"]), potcar_spec=True).incar
        for maker in (flow.relax_maker.relax_maker1, flow.relax_maker.relax_maker2, flow.static_maker)
    )
    assert [incar["ENCUT"] for incar in (first, second, static)] == [680] * 3
    assert (first["GGA"].upper(), first.get("METAGGA")) == ("PS", None)  # PBEsol first
    assert [incar["METAGGA"].upper() for incar in (second, static)] == ["R2SCAN"] * 2
    assert not {"LDAU", "LDAUU"} & {*first, *second, *static}
    assert (second["EDIFFG"], static["NSW"]) == (-0.02, 0)


# --- the flow with a stand-in -----------------------------------------------------------------------------------------


@pytest.fixture
def vasp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in on disk with empty POTCARs; ``plan.json`` says which call goes wrong, ``plan.log`` what came."""
    for functional in ("POT_GGA_PAW_PBE", "POT_GGA_PAW_PBE_54"):
        folder = tmp_path / "psp" / functional
        folder.mkdir(parents=True)
        for symbol, electrons in {"Mg_pv": 8, "O": 6, "Fe_pv": 14}.items():
            (folder / f"POTCAR.{symbol}").write_text(potcar(symbol, electrons))
    (tmp_path / "plan.json").write_text("{}")
    program = tmp_path / "vasp_std"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(STAND_IN))} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path / "psp"))
    monkeypatch.setenv("STAND_IN_PLAN", str(tmp_path / "plan.json"))
    return tmp_path


def potcar(symbol: str, electrons: int) -> str:
    element = symbol.partition("_")[0]
    return f"""  PAW_PBE {symbol} 01Jan2000
   {electrons}.0
 parameters from PSCTR are:
   VRHFIN ={element}: none
   LEXCH  = PE
   EATOM  = 1.0000 eV,    1.0000 Ry

   TITEL  = PAW_PBE {symbol} 01Jan2000
   LULTRA =        F    use ultrasoft PP ?
   LPAW   =        T    paw PP
   POMASS =    1.000; ZVAL   =    {electrons}.000    mass and valenz
   ENMAX  =  300.000; ENMIN  =  200.000 eV
   END of PSCTR-controll parameters
 none
   1.0  2.0  3.0
 End of Dataset
"""


def task(folder: Path, system: AtomicSystem, preset: str = "mp-gga") -> DftTask:
    command = str(folder / "vasp_std")
    return DftTask(
        system, Engine("vasp", "unknown", preset, read_preset("vasp", preset), command), folder / system.system_id
    )


def run(folder: Path, *tasks: DftTask, plan: dict[str, str] | None = None) -> dict[str, dict[str, Any]]:
    (folder / "plan.json").write_text(json.dumps(plan or {}))
    return dft_run.run_tasks(tasks, wall_limit_s=300.0, workers=1)


def calls(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "plan.log").read_text().splitlines()]


MGO, FEO = cubic("mgo", [12, 8], 4.5), cubic("feo", [26, 8], 4.5)
OXIDE, IRON = -0.687, -2.256
"""MP2020, eV per oxygen of an oxide and per iron of one computed with U; Wang et al. 2021, Table 2."""


def test_the_command_is_started_without_a_shell(vasp: Path) -> None:
    """Quotes group words; nothing else in the command means anything."""
    evil = ["$(touch PWNED)", "`touch PWNED`", "; touch PWNED", "a  b", "{x}", "é\n漢"]
    command = shlex.join([str(vasp / "vasp_std"), *evil]) + " | touch PWNED"
    given = task(vasp, MGO)
    result = run(vasp, replace(given, engine=replace(given.engine, command=command)))["mgo"]
    assert result["status"] == "converged"
    assert {tuple(call["arguments"]) for call in calls(vasp)} == {(*evil, "|", "touch", "PWNED")}
    assert not list(vasp.rglob("PWNED"))


def test_the_whole_flow_mends_an_error_and_corrects_the_energy(vasp: Path) -> None:
    """Call 2, the second relaxation, stops with ZBRENT; custodian continues from its CONTCAR (call 3)."""
    result = run(vasp, task(vasp, MGO), plan={"2": "zbrent"})["mgo"]
    commands = calls(vasp)
    assert [call["wrong"] for call in commands] == [[]] * 4
    assert [call["incar"]["NSW"] for call in commands] == ["99", "99", "99", "0"]
    assert commands[1]["folder"] == commands[2]["folder"]
    assert commands[0]["volume"] > commands[1]["volume"] > commands[2]["volume"] > commands[3]["volume"]
    assert commands[0]["potcar"] == ["Mg_pv", "O"]
    assert result["status"] == "converged"
    final = abs(np.linalg.det(np.array(result["structure"]["cell"])))
    assert final == pytest.approx(2 * VOLUME, rel=0.01)
    assert result["energy"] == pytest.approx(2 * ENERGY + OXIDE, abs=1e-3)
    assert result["correction"] == pytest.approx(OXIDE, abs=1e-6)
    assert result["energy_tag"] == "vasp/PBE(+U)/MP2020"
    assert result["code_version"] == VERSION
    assert result["n_steps"] == 4 + 4 + 1
    assert "MP GGA relax 2: custodian corrected zbrent" in result["warnings"]
    assert np.array(result["forces"]).shape == (2, 3)
    assert np.array(result["stress"]).shape == (3, 3)
    with job_store(vasp / "mgo" / "run" / "jobs") as jobs:
        assert sorted(document["name"] for document in jobs.query({})) == [
            "MP GGA relax 1",
            "MP GGA relax 2",
            "MP GGA static",
        ]
    assert run(vasp, task(vasp, MGO)) == {"mgo": result}
    assert len(calls(vasp)) == 4


def test_iron_oxide_gets_both_corrections_of_a_hubbard_run(vasp: Path) -> None:
    result = run(vasp, task(vasp, FEO))["feo"]
    assert {call["incar"]["LDAUU"] for call in calls(vasp)} == {"5.3 0"}
    assert result["correction"] == pytest.approx(OXIDE + IRON, abs=1e-6)
    assert result["energy"] == pytest.approx(2 * ENERGY + OXIDE + IRON, abs=1e-3)


def test_r2scan_has_its_own_tag_and_no_correction(vasp: Path) -> None:
    result = run(vasp, task(vasp, MGO, "mp-r2scan"))["mgo"]
    assert [call["wrong"] for call in calls(vasp)] == [[]] * 3
    assert (result["energy_tag"], result["correction"]) == ("vasp/r2SCAN/none", None)
    assert result["energy"] == pytest.approx(2 * ENERGY, abs=1e-3)


def test_a_vasp_that_dies_is_a_row_and_the_next_structure_goes_on(vasp: Path) -> None:
    first, second = MGO, cubic("mgo2", [12, 8], 4.4)
    results = run(vasp, task(vasp, first), task(vasp, second), plan={"1": "dies"})
    assert results["mgo"]["status"] == "failed"
    assert "SIGSEGV" in results["mgo"]["reason"]
    assert results["mgo"]["energy"] is None
    assert results["mgo2"]["status"] == "converged"


def test_a_vasp_that_ran_away_is_a_row(vasp: Path) -> None:
    result = run(vasp, task(vasp, MGO), plan={"2": "runs-away"})["mgo"]
    assert (result["status"], result["energy"], result["structure"]) == ("failed", None, None)
    assert result["reason"].startswith("diverged: 1006 eV/atom below free atoms after 6 steps")


def test_scf_that_never_converges_is_a_row(vasp: Path) -> None:
    """Custodian tries other algorithms, then gives up."""
    result = run(vasp, task(vasp, MGO), plan={str(call): "no-scf" for call in range(1, 30)})["mgo"]
    assert result["status"] == "failed"
    assert len({call["incar"]["ALGO"] for call in calls(vasp)}) > 1
    assert "converge" in result["reason"] or "Unconverged" in result["reason"]


def test_a_killed_run_goes_on_from_the_last_contcar(vasp: Path) -> None:
    """VASP hangs in its third ionic step and the worker is killed; what it had started dies with it."""

    def kill() -> None:
        while not (contcars := list((vasp / "mgo" / "run").glob("job_*/CONTCAR"))) or contcars[0].stat().st_size == 0:
            time.sleep(0.05)
        time.sleep(1.0)
        os.kill(store.read_json(vasp / "mgo" / "run" / "started")["pid"], signal.SIGKILL)

    killer = Thread(target=kill, daemon=True)
    killer.start()
    killed = run(vasp, task(vasp, MGO), plan={"1": "hangs"})["mgo"]
    killer.join()
    assert killed["status"] == "failed"
    assert "exit code -9" in killed["reason"]
    result = run(vasp, task(vasp, MGO), plan={"1": "hangs"})["mgo"]
    volumes = [call["volume"] for call in calls(vasp)]
    assert volumes[0] == pytest.approx(4.5**3 / 4)
    assert volumes[1] < volumes[0] * 0.95
    assert result["status"] == "converged"
    assert any("continued from the last geometry" in warning for warning in result["warnings"])


@pytest.mark.slow
def test_the_wall_limit_restarts_from_the_last_contcar(vasp: Path) -> None:
    (vasp / "plan.json").write_text(json.dumps({"1": "hangs"}))
    result = dft_run.run_tasks([task(vasp, MGO)], wall_limit_s=60.0, workers=1, restarts=1)["mgo"]
    assert (result["status"], result["attempts"]) == ("converged", 2)
    assert calls(vasp)[1]["volume"] < calls(vasp)[0]["volume"] * 0.95


def test_a_program_that_has_gone_is_a_fault_of_the_machine(vasp: Path) -> None:
    (vasp / "vasp_std").unlink()
    with pytest.raises(ExternalToolError, match="vasp_std: no such program"):
        run(vasp, task(vasp, MGO))
    assert finished([task(vasp, MGO)], 300.0, 0) == {}


def test_potcars_that_are_not_set_up_are_said_before_anything_runs(vasp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pymatgen.core

    from adit.config import DftConfig, DftStage

    stage = DftStage(dft=DftConfig(command=str(vasp / "vasp_std")))
    monkeypatch.setitem(pymatgen.core.SETTINGS, "PMG_VASP_PSP_DIR", str(vasp / "nowhere"))
    with pytest.raises(ExternalToolError, match="nowhere is not a folder"):
        resolve(stage)


def test_an_oxide_without_its_correction_is_an_error() -> None:
    row = {"system_id": "mgo", "energy_tag": "vasp/PBE(+U)/MP2020", "energy": -12.0, "correction": OXIDE}
    row["structure"] = {"numbers": [12, 8]}
    check_corrections([row])
    with pytest.raises(DataError, match="mgo: is an oxide"):
        check_corrections([{**row, "correction": 0.0}])
    check_corrections([{**row, "correction": 0.0, "structure": {"numbers": [12]}}])


def test_what_custodian_corrected_is_a_warning() -> None:
    runs = [SimpleNamespace(corrections=[{"errors": ["zbrent", "brmix"]}, {"errors": []}]), SimpleNamespace()]
    document = SimpleNamespace(task_label="relax 1", custodian=runs)
    assert _mended(document) == [
        "relax 1: custodian corrected zbrent, brmix",
        "relax 1: custodian corrected an error",
    ]
    assert _mended(SimpleNamespace(task_label="static", custodian=None)) == []
