"""A run of which nothing can be read, or that refuses everything, ends with one line and exit code 3."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adit import cli, config, convert, store
from adit.config import CustomDataset
from adit.data.datasets import custom
from adit.data.datasets.records import Loaded
from adit.errors import DataError
from adit.hull.energy_tables import read_energy_tables
from adit.readers import ReadSettings
from adit.relax import standalone
from adit.score.standalone import Given, score_files
from adit.systems import AtomicSystem, Kind
from tests.unit.readers import cases
from tests.unit.score.test_files import NACL, STAGE, salt

BROKEN = "data_x\n_cell_length_a 4\nloop_\n_atom_site_label\nC1\n"
HERE = ReadSettings(workers=0)
RELAX = config.RelaxStage(relax=config.RelaxConfig())
DFT = config.DftStage(dft=config.DftConfig(engine="gfn1-xtb", preset="standard"))

Relaxation = Callable[[list[Path], Path], None]
RELAXATIONS: dict[str, Relaxation] = {
    "each kind": lambda files, out: standalone.relax_each_kind(RELAX, files, out, 1, HERE),
    "potential": lambda files, out: standalone.relax_with_potential(RELAX, files, out, 1, HERE),
    "GFN2-xTB": lambda files, out: standalone.relax_with_gfn2(RELAX, files, out, 1, HERE),
    "DFT": lambda files, out: standalone.relax_with_dft(DFT, files, out, 1, None, HERE),
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        store.write_text(tmp_path / f"in/{name}.cif", BROKEN)
    return tmp_path / "in"


def load(path: Path, **values: Any) -> Loaded:
    return custom.dataset("mine", CustomDataset.model_validate({"path": str(path), **values})).load(None)


NONE = r"none of the 2 structures can be read \(in/a: CIF has no cell"


@pytest.mark.parametrize("engine", RELAXATIONS)
def test_relaxations_of_files_of_which_none_can_be_read(broken: Path, tmp_path: Path, engine: str) -> None:
    with pytest.raises(DataError, match=NONE):
        RELAXATIONS[engine]([broken], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_exit_code_is_3(broken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["relax", str(broken), "--engine", "chgnet", "--out", str(tmp_path / "out")]) == 3
    assert "error: none of the 2 structures can be read" in capsys.readouterr().err.splitlines()[-1]


def test_scores_and_datasets_of_which_nothing_can_be_read(broken: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=NONE):
        score_files(STAGE, [broken], Given(), tmp_path / "out", workers=1, reading=HERE)
    with pytest.raises(DataError, match=NONE):
        load(broken, kind="crystal")


def test_energies_of_which_none_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "x.extxyz").write_text("2\nenergy=1\nQq 0 0 0\nH 0 0 1\n")
    with pytest.raises(DataError, match="the structure cannot be read"):
        read_energy_tables([tmp_path / "x.extxyz"], "x/y", HERE)
    (tmp_path / "x.extxyz").write_text("2\nenergy=1\nQq 0 0 0\nH 0 0 1\n" + cases.WATER.format(h="H"))
    with pytest.raises(DataError, match="its structures have no energy_per_atom"):
        read_energy_tables([tmp_path / "x.extxyz"], "x/y", HERE)
    head, hydrate = "system_id,formula,energy_per_atom\n", "013,NaCl.2H2O,-4.0\n"
    (tmp_path / "t.csv").write_text(head + hydrate)
    with pytest.raises(DataError, match=r"none of its 1 formulas can be read \(013: 'NaCl.2H2O' can be read in two"):
        read_energy_tables([tmp_path / "t.csv"], "x/y", HERE)
    (tmp_path / "t.csv").write_text(head + hydrate + "014,NaCl,-4.0\n")
    assert len(read_energy_tables([tmp_path / "t.csv"], "x/y", HERE)[0].frame) == 2


def test_an_engine_that_refuses_everything(tmp_path: Path) -> None:
    store.write_text(tmp_path / "x.cif", convert.to_cif(salt("x", 11, 17, 0.7)))
    store.write_text(tmp_path / "y.cif", BROKEN)
    with pytest.raises(DataError, match=r"none of the 2 structures can be relaxed \(x: "):
        RELAXATIONS["DFT"]([tmp_path / "x.cif", tmp_path / "y.cif"], tmp_path / "out")
    assert list(store.read_frame(tmp_path / "out/relaxed.csv")["status"]) == ["refused", "failed"]


def test_a_cell_is_not_dropped_for_another_kind(tmp_path: Path) -> None:
    store.write_text(tmp_path / "x.cif", convert.to_cif(NACL))
    with pytest.raises(DataError, match=r"\(x: has a cell: it is no molecule"):
        load(tmp_path / "x.cif", kind="molecule")
    with pytest.raises(DataError, match=r"\(x: has a cell: it is no molecule"):
        score_files(STAGE, [tmp_path / "x.cif"], Given(Kind.MOLECULE), tmp_path / "o", workers=1, reading=HERE)


def test_a_cell_beside_molecules_is_a_failure_of_its_row(tmp_path: Path) -> None:
    water = AtomicSystem("water", Kind.MOLECULE, [8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.47], [0, -0.76, -0.47]])
    store.write_extxyz(tmp_path / "m.extxyz", [water, salt("box", 11, 17, 5.6)])
    first, second = load(tmp_path / "m.extxyz", kind="molecule").records
    assert first.make().numbers.tolist() == [8, 1, 1]
    with pytest.raises(DataError, match="has a cell: it is no molecule"):
        second.make()


def test_a_table_of_energies_with_structures_in_it_has_their_compositions(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quoted = convert.to_cif(NACL).replace('"', '""')
    (tmp_path / "t.csv").write_text(f'system_id,formula,energy_per_atom,cif\na,KCl,-3.0,"{quoted}"\n')
    (table,) = read_energy_tables([tmp_path / "t.csv"], "x/y", HERE)
    assert list(table.frame["formula"]) == ["ClNa"]
    assert "but a: contradiction: sites give Cl1 Na1, formula says KCl" in caplog.text
