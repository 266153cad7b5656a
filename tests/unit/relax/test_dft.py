"""DFT: one result per structure whatever happens; VASP's inputs; engines that are missing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.config import DftConfig, DftStage
from adit.errors import ConfigError, DataError, ExternalToolError
from adit.isolate import Outcome
from adit.relax.dft import result as dft_result
from adit.relax.dft import run as dft_run
from adit.relax.dft import stage as dft
from adit.relax.dft.engines import registry as engines
from adit.relax.dft.engines.presets import RelaxPreset, VaspPreset, read_preset
from adit.relax.dft.engines.vasp import flow_maker
from adit.relax.dft.heartbeat import status_line
from adit.relax.dft.result import complete
from adit.relax.dft.task import DftTask, structure_folder
from adit.systems import AtomicSystem, Failure, Kind

TAG = r"gfn1-xtb-demo-[0-9a-f]{8}/GFN1-xTB/none"
PRESETS = Path(__file__).parents[3] / "config" / "dft"
FIELDS = {
    "key",
    "system_id",
    "status",
    "reason",
    "energy",
    "energy_per_atom",
    "fmax",
    "structure",
    "code",
    "code_version",
    "functional",
    "preset",
    "settings_hash",
    "n_steps",
    "wall_s",
    "warnings",
    "forces",
    "stress",
    "energy_tag",
}


def fcc(name: str, numbers: list[int], a: float, second: float = 0.5) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), np.array([[0, 0, 0], [second] * 3]) @ cell, cell)


SYSTEMS = [fcc("si", [14, 14], 5.5, 0.25), fcc("mgo", [12, 8], 4.25), fcc("nacl", [11, 17], 5.69)]


def prepare(folder: Path, systems: list[AtomicSystem]) -> None:
    ids = [system.system_id for system in systems]
    store.write_systems(folder / "r.arrow", systems)
    store.write_frame(folder / "r.parquet", pd.DataFrame({"system_id": ids}))
    selected = pd.DataFrame({"system_id": [*ids, "other"], "selected": [True] * len(ids) + [False]})
    selected["rank"] = [*range(len(ids)), -1]
    store.write_frame(folder / "selected.parquet", selected)


def stage(**settings: object) -> DftStage:
    values: dict[str, object] = {"engine": "gfn1-xtb", "preset": "demo", "shards": 1, "wall_limit_s": 100.0, **settings}
    return DftStage(dft=DftConfig(**values))  # type: ignore[arg-type]


def run(folder: Path, settings: DftStage, shard: int = 0) -> pd.DataFrame:
    out = folder / f"{shard}.parquet"
    arguments = (folder / "selected.parquet", [folder / "r.parquet"], shard, folder / "dft", out)
    dft.run_dft(settings, *arguments, out.with_suffix(".arrow"), 1, PRESETS)
    return store.read_frame(out).set_index("system_id", drop=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("dft")
    prepare(folder, SYSTEMS)
    return folder, run(folder, stage())


def test_a_failure_is_a_row_and_the_others_go_on(done: tuple[Path, pd.DataFrame]) -> None:
    """GFN1-xTB at Γ does not converge for MgO's primitive cell."""
    folder, table = done
    assert tuple(table.columns) == dft.COLUMNS
    assert dict(table["status"]) == {"si": "converged", "mgo": "failed", "nacl": "converged"}
    assert "SCF" in table.loc["mgo", "reason"]
    rows = {row.system_id: row for row in store.read_systems(folder / "0.arrow")}
    assert isinstance(rows["mgo"], Failure)
    assert isinstance(rows["si"], AtomicSystem)
    assert re.fullmatch(TAG, rows["si"].info["dft_energy_tag"])


def test_every_structure_has_a_complete_result(done: tuple[Path, pd.DataFrame]) -> None:
    for system in SYSTEMS:
        result = store.read_json(done[0] / "dft" / system.system_id / "result.json")
        assert set(result) >= FIELDS
        assert result["system_id"] == system.system_id
        if result["status"] == "converged":
            assert result["fmax"] <= 0.1
            assert result["energy"] == pytest.approx(2 * result["energy_per_atom"])


def test_job_documents_are_kept(done: tuple[Path, pd.DataFrame]) -> None:
    from adit.relax.dft.job import job_store

    jobs = job_store(done[0] / "dft" / "si" / "run" / "jobs")
    with jobs as opened:
        documents = list(opened.query({}))
    assert len(documents) == 1
    assert documents[0]["output"]["output"]["energy"] == pytest.approx(done[1].loc["si", "energy"])


def no_work(given_items: list[object]) -> Callable[..., list[Outcome]]:
    def fake(function: object, items: list[object], **options: object) -> list[Outcome]:
        given_items.extend(items)
        return []

    return fake


def test_finished_results_are_used_again(done: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    given_items: list[object] = []
    monkeypatch.setattr(dft_run, "map_isolated", no_work(given_items))
    again = run(done[0], stage())
    assert given_items == []
    pd.testing.assert_frame_equal(again, done[1])


def test_results_of_other_settings_are_not(done: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> None:
    given_items: list[object] = []
    monkeypatch.setattr(dft_run, "map_isolated", no_work(given_items))
    with pytest.raises(KeyError):
        run(done[0], stage(preset="standard"))
    assert len(given_items) == len(SYSTEMS)


def test_timeouts_and_crashes_are_tried_again_only_where_it_may_help(tmp_path: Path) -> None:
    engine = engines.resolve(stage(), PRESETS)
    task = DftTask(SYSTEMS[0], engine, tmp_path)
    for outcome, limit, reused in (
        (Outcome("timeout", None, "killed at the wall limit of 10 s", 10.1), 10.0, True),
        (Outcome("timeout", None, "killed at the wall limit of 10 s", 10.1), 100.0, False),
        (Outcome("crashed", None, "worker process died (exit code -9)", 1.0), 10.0, False),
        (Outcome("error", None, "SCF not converged", 1.0), 10.0, True),
    ):
        store.write_json(tmp_path / "result.json", complete(task, outcome))
        assert bool(dft_result.finished([task], limit, 0)) is reused
    (tmp_path / "result.json").write_text("{cut sho")
    assert dft_result.finished([task], 10.0, 0) == {}


def test_shards_share_out_the_selected_by_rank(tmp_path: Path) -> None:
    prepare(tmp_path, [fcc(f"s{i}", [14, 14], 5.4 + i / 100, 0.25) for i in range(7)])
    shards = [dft.shard_ids(tmp_path / "selected.parquet", shard, 3) for shard in range(3)]
    assert shards == [["s0", "s3", "s6"], ["s1", "s4"], ["s2", "s5"]]


def test_an_empty_shard_writes_empty_files(tmp_path: Path) -> None:
    prepare(tmp_path, SYSTEMS[:1])
    table = run(tmp_path, stage(engine="vasp", preset="mp-gga", shards=4), shard=3)
    assert len(table) == 0
    assert tuple(table.columns) == dft.COLUMNS
    assert len(store.read_systems(tmp_path / "3.arrow")) == 0


def test_a_selected_structure_without_relaxed_one_is_a_data_error(tmp_path: Path) -> None:
    prepare(tmp_path, SYSTEMS[:1])
    store.write_systems(tmp_path / "r.arrow", [Failure("si", "relax", "lost")])
    with pytest.raises(DataError, match="si: has no relaxed structure"):
        run(tmp_path, stage())


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "..", "tab\there"])
def test_no_id_leaves_the_folder(name: str, tmp_path: Path) -> None:
    folder = tmp_path / structure_folder(name)
    assert folder.resolve().parent == tmp_path.resolve()
    assert not folder.name.startswith(".")


def test_a_long_id_is_a_folder_of_its_own(tmp_path: Path) -> None:
    ids = [f"{'deep/' * 50}{name}" for name in ("a", "b")] + ["Å" * 100, "x" * 300]
    names = {structure_folder(name) for name in ids}
    assert len(names) == len(ids)
    for name in names:
        (tmp_path / f"{name}.extxyz").write_text("")
        assert "/" not in name


def test_ordinary_ids_are_their_own_folder() -> None:
    assert [structure_folder(name) for name in ("crystal-0-7", "mp-149", "Na Cl (2).cif")] == [
        "crystal-0-7",
        "mp-149",
        "Na Cl (2).cif",
    ]
    with pytest.raises(DataError, match="without an id"):
        structure_folder("")


# --- engines and presets ----------------------------------------------------------------------------------------------


def test_vasp_that_is_missing_is_one_line_with_exit_code_4(tmp_path: Path) -> None:
    prepare(tmp_path, SYSTEMS[:1])
    with pytest.raises(ExternalToolError) as error:
        run(tmp_path, stage(engine="vasp", preset="mp-gga", command="no_such_program vasp_std"))
    assert str(error.value) == "vasp_std not found; set dft.command or choose dft.engine: gpaw"
    assert error.value.exit_code == 4


def test_a_vasp_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vasp_std"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert engines.available("vasp", "vasp_std") is not None
    assert engines.available("vasp", "env vasp_std") is None or Path("/bin/env").exists()
    assert engines.available("vasp", "env vasp_ncl") is None


def test_gpaw_that_is_missing_is_an_error_unless_a_fallback_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda engine, command=None: None if engine == "gpaw" else "0.8.0")
    with pytest.raises(ExternalToolError, match="RETRY_GPAW=1 make env"):
        engines.resolve(stage(engine="gpaw"), PRESETS)
    engine = engines.resolve(stage(engine="gpaw", fallback="gfn1-xtb"), PRESETS)
    assert engine.name == "gfn1-xtb"
    result = complete(DftTask(SYSTEMS[0], engine, Path("x")), Outcome("error", None, "failed", 1.0))
    assert "gpaw is not installed" in result["code"]
    assert "not DFT" in result["warnings"][0]
    assert re.fullmatch(TAG, result["energy_tag"])


def test_why_gpaw_is_missing_goes_with_every_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "available", lambda engine, command=None: None if engine == "gpaw" else "0.8.0")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    line = "GPAW is not installed: no C++ compiler. To get it: put one on PATH"
    (tmp_path / "gpaw-missing.txt").write_text(line + "\n")
    engine = engines.resolve(stage(engine="gpaw", fallback="gfn1-xtb"), PRESETS)
    result = complete(DftTask(SYSTEMS[0], engine, Path("x")), Outcome("error", None, "failed", 1.0))
    assert result["warnings"][1:] == [line]
    assert "compiler" not in result["code"]


def test_every_preset_in_the_repository_is_valid() -> None:
    files = sorted(PRESETS.glob("*.yaml"))
    assert {file.stem for file in files} >= {
        f"{engine}-{name}" for engine in ("gpaw", "gfn1-xtb") for name in ("demo", "standard", "accurate")
    }
    for file in files:
        engine, name = file.stem.rsplit("-", 1)
        molecules = engine.endswith("-molecule")
        assert read_preset(engine.removesuffix("-molecule"), name, PRESETS, molecules=molecules)


def test_presets_that_are_wrong_say_so(tmp_path: Path) -> None:
    text = (PRESETS / "gpaw-demo.yaml").read_text().replace("encut:", "encutt:")
    (tmp_path / "gpaw-demo.yaml").write_text(text)
    with pytest.raises(ConfigError, match="encut"):
        read_preset("gpaw", "demo", tmp_path)
    with pytest.raises(ConfigError, match=r"dft\.preset from: demo"):
        read_preset("gpaw", "dmo", tmp_path)
    with pytest.raises(ConfigError, match="root of the repository"):
        read_preset("gfn1-xtb", "demo", tmp_path)
    with pytest.raises(ConfigError, match="mp-gga"):
        read_preset("vasp", "demo", None)


def test_settings_decide_the_hash_and_the_tag() -> None:
    first, second = (engines.resolve(stage(preset=name), PRESETS) for name in ("demo", "standard"))
    assert first.settings_hash != second.settings_hash
    assert first.energy_tag != second.energy_tag


def test_the_hash_does_not_depend_on_the_order_of_the_settings() -> None:
    class Other(RelaxPreset):
        a: int
        b: int

    class Another(RelaxPreset):
        b: int
        a: int

    engine = engines.resolve(stage(preset="demo"), PRESETS)
    values = {"fmax": 0.1, "max_steps": 5, "a": 1, "b": 2}
    hashes = {replace(engine, preset=kind.model_validate(values)).settings_hash for kind in (Other, Another)}
    assert len(hashes) == 1


def test_vasp_inputs_are_the_materials_project_s() -> None:
    from adit import convert

    def input_set(preset: VaspPreset) -> Any:
        first = flow_maker(preset).relax_maker.relax_maker1
        return first.input_set_generator.get_input_set(convert.to_structure(SYSTEMS[2]), potcar_spec=True)

    inputs = input_set(VaspPreset(flow="mp-gga"))
    incar = inputs.incar
    assert (incar["ENCUT"], incar["ISIF"], incar["ISPIN"]) == (520, 3, 2)
    assert inputs.kpoints.kpts[0] == (7, 7, 7)
    assert str(inputs.kpoints.style).lower().endswith("gamma")
    assert str(inputs.potcar).split() == ["Na_pv", "Cl"]
    meta = input_set(VaspPreset(flow="mp-r2scan")).incar
    assert meta["ENCUT"] == 680


def test_the_command_reaches_every_vasp_job() -> None:
    maker = flow_maker(VaspPreset(flow="mp-gga"), "srun -n 4 vasp_std")
    jobs = [maker.relax_maker.relax_maker1, maker.relax_maker.relax_maker2, maker.static_maker]
    assert [job.run_vasp_kwargs["vasp_cmd"] for job in jobs] == ["srun -n 4 vasp_std"] * 3


def test_only_mp_gga_carries_mp2020() -> None:
    tags = {
        name: engines.Engine("vasp", "6", name, VaspPreset(flow=name)).energy_tag  # type: ignore[arg-type]
        for name in ("mp-gga", "mp-r2scan")
    }
    assert tags == {"mp-gga": "vasp/PBE(+U)/MP2020", "mp-r2scan": "vasp/r2SCAN/none"}


# --- progress ---------------------------------------------------------------------------------------------------------


def test_the_heartbeat_tells_step_energy_and_fmax(tmp_path: Path) -> None:
    folder = tmp_path / "crystal-0-7"
    assert status_line(folder) is None
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "started").write_text(json.dumps({}))
    assert "starting" in (status_line(folder) or "")
    (folder / "run" / "gpaw.txt").write_text("niter=2\n|iter:   1| x\n|iter:   2| y\n")
    assert "SCF step 2" in (status_line(folder) or "")
    (folder / "run" / "relax.log").write_text(
        "      Step     Time\nBFGS:    3 01:03:28     -124.712777        0.193218\n"
    )
    line = status_line(folder) or ""
    assert line.startswith("crystal-0-7: step 3, energy -124.712777 eV, fmax 0.193218 eV/Å")
    assert status_line(folder, since=4e9) is None


def test_the_heartbeat_of_vasp_tells_the_job_and_its_step(tmp_path: Path) -> None:
    for name, text in (
        ("job_1", "   1 F= -.5E+02 E0= -.5E+02\n"),
        ("job_2", "DAV: 1\n 1 F= -.12E+02 E0= -.11E+02 d E\n"),
    ):
        (tmp_path / "mgo" / "run" / name).mkdir(parents=True)
        (tmp_path / "mgo" / "run" / name / "OSZICAR").write_text(text)
    (tmp_path / "mgo" / "run" / "started").write_text("{}")
    assert "job 2 of the flow, step 1, energy -.11E+02 eV" in (status_line(tmp_path / "mgo") or "")


def test_an_engine_that_cannot_be_imported_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tblite").mkdir()
    (tmp_path / "tblite/__init__.py").write_text("raise ImportError('libxc.so.9: cannot open shared object file')\n")
    probe = engines.ENGINES["gfn1-xtb"].probe
    assert engines._imports.__wrapped__("tblite", probe)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert not engines._imports.__wrapped__("tblite", probe)
    monkeypatch.setattr(engines, "IMPORT_LIMIT_S", 0.2)
    assert not engines._imports.__wrapped__("tblite", "import time; time.sleep(60)"), "one that hangs is missing too"
