"""Dossiers: the facts of known crystals and molecules, the files beside them, and what has none."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adit import convert, store
from adit.cli import main
from adit.dossier import crystals, molecules, supply
from adit.dossier.build import Task, _stability, build
from adit.dossier.content import Subject
from adit.dossier.decomposition import Phase, Phases
from adit.dossier.neighbours import absence, alike, nearest
from adit.dossier.subjects import with_references
from adit.dossier.write import folders
from adit.systems import AtomicSystem, Kind
from tests.unit.ledger.runs import caesium, salt, write_run

PHASES = Phases(
    "vasp/PBE(+U)/MP2020", [Phase("mp-1", "Na", {"Na": 1.0}, -1.3), Phase("mp-2", "Cl2", {"Cl": 2.0}, -1.8)]
)


FRAGMENT = AtomicSystem("m", Kind.MOLECULE, np.array([6, 1, 1]), np.array([[0, 0, 0], [1.1, 0, 0], [5.0, 0, 0]]))


def molecule(smiles: str) -> AtomicSystem:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=1)  # type: ignore[attr-defined]
    return convert.from_rdkit(mol, smiles)


def test_rock_salt() -> None:
    symmetry = crystals.symmetry(salt("s"))
    assert (symmetry.symbol, symmetry.number, symmetry.system) == ("Fm-3m", 225, "cubic")
    assert symmetry.conventional is not None
    assert len(symmetry.conventional) == 8
    sites = crystals.sites(symmetry.conventional)
    assert [(site.symbol, site.wyckoff, site.oxidation, site.coordination, site.neighbours) for site in sites] == [
        ("Na", "4a", 1.0, 6, "6 Cl"),
        ("Cl", "4b", -1.0, 6, "6 Na"),
    ]
    assert crystals.prototype(salt("s")) == ["Halite, Rock Salt (AB_cF8_225_a_b)"]
    assert crystals.protostructure(salt("s")) == "AB_cF8_225_a_b:Cl-Na"
    assert crystals.density_of(salt("s")) == pytest.approx(2.16, abs=0.01)


def test_elements_have_their_supply_and_their_warnings() -> None:
    result = {one.symbol: one for one in supply.supply({"Pb": 1.0, "U": 1.0, "Cl": 2.0})}
    assert "WHO" in result["Pb"].warning
    assert result["U"].warning == "no stable isotope"
    assert result["Cl"].warning == ""
    assert result["Pb"].production == 2700.0
    assert result["U"].price is None
    assert supply.price_per_kg(list(result.values())) is None
    assert sum(one.mass_share for one in result.values()) == pytest.approx(1)
    lead = supply.supply({"Pb": 1.0})
    assert supply.price_per_kg(lead) == pytest.approx(2.69, abs=0.01)
    assert supply.weighted(lead, "reserves") == 1800.0


def test_the_nearest_known_by_structure_and_by_composition() -> None:
    references = [caesium("b"), salt("a"), salt("c", 35, 5.97), molecule("O")]
    by_structure, by_composition = nearest(salt("s", edge=5.7), references)
    assert by_structure[1].system_id == "a"
    assert by_composition[0].endswith("0 % of the atoms differ")
    assert nearest(salt("s", 53, 6.5), references)[0][0].startswith("nearest by composition: ")
    assert nearest(salt("s"), []) == []
    ranked = alike(molecule("CCO"), [molecule("C"), *references, molecule("CO"), molecule("OCC")], most=2)
    assert [one.system_id for one in ranked] == ["OCC", "CO"]


@pytest.mark.parametrize(
    ("references", "why"),
    [
        ([], "No nearest known crystal is shown: no known structures were given (--reference, or the data of a run)."),
        ([molecule("O")], "No nearest known crystal is shown: the known structures that were given have no crystal."),
        (
            [salt("c", 35, 5.97)],
            "No nearest known crystal by structure is shown: of those that were given, none has the same elements.",
        ),
        ([salt("a")], ""),
    ],
)
def test_a_crystal_without_a_nearest_known_one_says_why(references: list[AtomicSystem], why: str) -> None:
    subject = with_references(Subject("s", [("as given", salt("s", edge=5.7))]), references)
    section = build(Task(subject)).sections[0]
    assert list(section.notes) == [why] * bool(why)
    assert any("nearest by structure" in caption for _, caption in section.pictures) == (not why)


def test_a_crystal_of_which_no_distances_are_there_says_so() -> None:
    assert "cannot be computed" in absence(salt("s"), [salt("a")], 1)


@pytest.mark.parametrize(
    ("references", "why"),
    [
        ([], "no known structures were given (--reference, or the data of a run)."),
        ([salt("a")], "the known structures that were given have no molecule."),
        ([FRAGMENT], "no bonds fit in the 1 known molecule compared."),
        ([molecule("CO")], ""),
    ],
)
def test_a_molecule_without_a_nearest_known_one_says_why(references: list[AtomicSystem], why: str) -> None:
    subject = with_references(Subject("m", [("as given", molecule("CCO"))]), references)
    section = build(Task(subject)).sections[0]
    assert list(section.notes) == [f"No nearest known molecule is shown: {why}"] * bool(why)
    assert any("nearest in the data" in caption for _, caption in section.pictures) == (not why)


def test_a_molecule_s_names_properties_and_alerts() -> None:
    mol = convert.to_rdkit(molecule("CC(=O)Oc1ccccc1C(=O)O"))
    assert molecules.names(mol)["InChIKey"] == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"
    values = molecules.properties(mol)
    assert values["molar mass, g/mol"] == pytest.approx(180.16, abs=0.01)
    assert values["polar surface (TPSA), Å²"] == pytest.approx(63.6, abs=0.1)
    assert 1 < values["SA score, 1 to 10"] < 2.5
    assert ("Brenk", "phenol_ester") in molecules.alerts(mol)
    assert molecules.alerts(convert.to_rdkit(molecule("CCO"))) == []
    near = molecules.nearest(mol, [molecule("CCO"), molecule("O=C(O)c1ccccc1O"), salt("s")])
    assert near is not None
    assert near[1].system_id == "O=C(O)c1ccccc1O"
    text = molecules.sdf(mol, "aspirin", {"x": 1})
    assert text.endswith("$$$$\n")
    assert ">  <x>\n1\n" in text


@pytest.mark.parametrize(
    ("record", "method"),
    [
        ({}, "method not stated"),
        ({"energy_tag": PHASES.tag}, PHASES.tag),
        ({"energy_tag": "chgnet-0.3.0/PBE(+U)/MP2020"}, "chgnet-0.3.0/PBE(+U)/MP2020"),
        (
            {"energy_tag": "chgnet-0.3.0/PBE(+U)/MP2020", "surrogate": True},
            "chgnet-0.3.0/PBE(+U)/MP2020: a surrogate, chgnet on a DFT hull",
        ),
    ],
)
def test_the_energy_of_the_run_has_its_method(record: dict[str, object], method: str) -> None:
    subject = Subject("s", [("as given", salt("s"))], record={"e_above_hull": 0.0123, **record})
    section = _stability(Task(subject, PHASES))
    assert dict(section.facts)[f"energy above the hull in the run, eV/atom ({method})"] == "0.0123"
    assert list(section.notes) == [
        "There is no energy of this structure, and so no distance from this mixture or from the hull."
    ]
    assert not any("above this mixture" in name for name, _ in section.facts)
    assert list(_stability(Task(replace(subject, energy=-3.4, energy_tag=PHASES.tag), PHASES)).notes) == []


def test_the_dossier_of_a_crystal_has_its_reaction_and_its_files() -> None:
    subject = Subject("s", [("generated", salt("s", edge=5.9)), ("relaxed", salt("s"))], -3.4, PHASES.tag)
    dossier = build(Task(subject, PHASES))
    facts = dict(next(section for section in dossier.sections if section.title == "Stability").facts)
    assert facts["decomposition on the hull"] == "NaCl → Na + 0.5 Cl2"
    assert facts[f"energy above this mixture, eV/atom ({PHASES.tag})"] == f"{-3.4 + 1.55:.4f}"
    assert {"structure.cif", "POSCAR", "structure.extxyz", "xrd.csv", "vasp/INCAR", "gpaw/gpaw-relax.py"} <= set(
        dossier.files
    )
    from pymatgen.io.vasp.sets import MPRelaxSet

    compile(dossier.files["gpaw/gpaw-relax.py"], "gpaw-relax.py", "exec")
    assert "ENCUT = 520" in dossier.files["vasp/INCAR"]
    assert dossier.files["vasp/KPOINTS"] == "".join(
        f"{line}\n" for line in str(MPRelaxSet(convert.to_structure(salt("s")), force_gamma=True).kpoints).splitlines()
    )
    assert "MOMENTS = {'Na': 0.6, 'Cl': 0.6}" in dossier.files["gpaw/gpaw-relax.py"]
    back = convert.from_cif(dossier.files["structure.cif"], "back")
    assert convert.spacegroup_number(back) == 225


def test_energies_of_another_method_are_not_compared() -> None:
    subject = Subject("s", [("relaxed", salt("s"))], -3.4, "gpaw-demo-1/PBE/none")
    (section,) = [one for one in build(Task(subject, PHASES)).sections if one.title == "Stability"]
    assert "cannot be compared" in section.notes[0]


def test_a_molecule_without_bonds_says_so() -> None:
    dossier = build(Task(Subject("m", [("generated", FRAGMENT)])))
    assert "No bonds fit" in dossier.sections[0].notes[0]
    assert "no nearest known molecule" in dossier.sections[0].notes[0]
    assert set(dossier.files) == {"structure.extxyz"}


def test_folders_are_different_and_plain() -> None:
    assert folders(["a/b", "a b", "A b", "../x", "", "…"]) == [
        "a-b",
        "a-b--1",
        "A-b--2",
        "x",
        "candidate",
        "candidate--1",
    ]
    for names in (["a", "a", "a--1"], ["a--1", "a", "a", "A"], ["index.html", "Dossiers.csv"], ["x" * 90, "x" * 80]):
        chosen = [folder.lower() for folder in folders(names)]
        assert len({*chosen, "index.html", "dossiers.csv"}) == len(names) + 2


@pytest.mark.parametrize("words", [["{bad}"], ["{good}", "--reference", "{bad}"]])
def test_files_of_which_nothing_can_be_read_are_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad, out = tmp_path / "good.arrow", tmp_path / "bad.cif", tmp_path / "out"
    store.write_systems(good, [salt("s")])
    bad.write_text("data_x\n_cell_length_a 3\n")
    line = [word.format(good=good, bad=bad) for word in words]
    assert main(["dossier", *line, "--out", str(out)]) == 3
    assert "error: the structure cannot be read (bad: " in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_the_verb_of_a_run_and_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", [salt("crystal-0-0"), caesium("crystal-0-1")])
    assert main(["dossier", "--run", str(run), "--top", "1", "--out", str(tmp_path / "a")]) == 0
    assert (tmp_path / "a/crystal-0-0/xrd.csv").is_file()
    assert "ab" * 32 in (tmp_path / "a/crystal-0-0/index.html").read_text()
    bad = tmp_path / "bad.cif"
    bad.write_text("data_x\n_cell_length_a 3\n")
    assert main(["dossier", str(tmp_path / "a/crystal-0-0/structure.cif"), str(bad), "--out", str(tmp_path / "b")]) == 0
    assert "no known structures were given" in (tmp_path / "b/structure/index.html").read_text()
    assert "1 dossier, 1 without" in capsys.readouterr().err
    rows = list(csv.DictReader((tmp_path / "b/dossiers.csv").open()))
    assert [bool(row["folder"]) for row in rows] == [True, False]
    assert rows[1]["reason"]
    assert main(["dossier", "--out", str(tmp_path / "c")]) == 2
    assert "give files, or --run" in capsys.readouterr().err
