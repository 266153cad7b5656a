"""The hull against pymatgen's own, and against a hull that is known by hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from adit import seeds, store
from adit.config import Config, HullStage
from adit.errors import DataError
from adit.hull.convex_hull import Hull, ReferenceEntry, lower_envelope
from adit.hull.energy_tags import MP2020_TAG, surrogate_of
from adit.hull.hull import hull
from adit.systems import AtomicSystem, Failure, Kind

CHGNET_TAG = "chgnet-0.3.0/PBE(+U)/MP2020"

ENTRIES = [
    ReferenceEntry({"Na": 1}, -1.3),
    ReferenceEntry({"Na": 2}, -1.0),  # a higher allotrope
    ReferenceEntry({"Cl": 1}, -1.8),
    ReferenceEntry({"Na": 1, "Cl": 1}, -3.4),
    ReferenceEntry({"Na": 1, "Cl": 3}, -2.0),  # above the hull
]


def test_hull_by_hand() -> None:
    by_hand = Hull.from_entries("tag", ENTRIES)
    assert by_hand.elements == {"Na": -1.3, "Cl": -1.8}
    assert by_hand.energy_at({"Na": 1}) == pytest.approx(-1.3)
    assert by_hand.energy_at({"Na": 4, "Cl": 4}) == pytest.approx(-3.4)
    assert by_hand.energy_at({"Na": 3, "Cl": 1}) == pytest.approx((-1.3 - 3.4) / 2)
    assert by_hand.energy_at({"Na": 1, "Cl": 3}) == pytest.approx((-1.8 - 3.4) / 2)


def test_an_element_without_reference_is_named() -> None:
    with pytest.raises(DataError, match="no reference energy of element K"):
        Hull.from_entries("tag", ENTRIES).energy_at({"K": 1, "Cl": 1})


def test_linear_programme_equals_qhull() -> None:
    generator = seeds.generator("hull test")
    symbols = ["Li", "Fe", "P", "O"]
    entries = [ReferenceEntry({symbol: 1.0}, 0.0) for symbol in symbols]
    for _ in range(60):
        counts = {s: float(n) for s, n in zip(symbols, generator.integers(0, 5, size=4), strict=True) if n}
        if len(counts) > 1:
            entries.append(ReferenceEntry(counts, float(generator.normal(-1.0, 0.7))))
    programme = Hull.from_entries("tag", entries)
    for counts in ({"Li": 1.0, "Fe": 1.0, "P": 1.0, "O": 4.0}, {"Li": 2.0, "O": 1.0}, {"Fe": 3.0, "P": 1.0, "O": 2.0}):
        within = programme.within(frozenset(counts))
        assert lower_envelope(within, counts) == pytest.approx(programme.energy_at(counts), abs=1e-7)


def test_many_elements_are_no_obstacle() -> None:
    symbols = ("H", "Li", "C", "N", "O", "F", "Na", "Mg", "Al", "Si")
    hull_of_elements = Hull.from_entries(
        "tag", [ReferenceEntry({symbol: 1.0}, -float(n)) for n, symbol in enumerate(symbols)]
    )
    assert hull_of_elements.energy_at(dict.fromkeys(symbols, 1.0)) == pytest.approx(-4.5)


def test_tags() -> None:
    assert surrogate_of(CHGNET_TAG, CHGNET_TAG) == ""
    assert surrogate_of(MP2020_TAG, MP2020_TAG) == ""
    assert surrogate_of(CHGNET_TAG, MP2020_TAG) == "chgnet"


@pytest.mark.parametrize(
    ("energy", "of_hull"),
    [
        ("gpaw/PBE/none", MP2020_TAG),
        (MP2020_TAG, CHGNET_TAG),
        ("gfn1-xtb/GFN1-xTB/none", CHGNET_TAG),
        ("chgnet-0.3.0/r2SCAN/none", MP2020_TAG),
        (CHGNET_TAG, "gpaw/PBE/none"),
    ],
)
def test_other_pairs_are_refused_by_name(energy: str, of_hull: str) -> None:
    with pytest.raises(DataError) as raised:
        surrogate_of(energy, of_hull)
    assert energy in str(raised.value)
    assert of_hull in str(raised.value)


def write_reference(path: Path, tag: str, entries: list[ReferenceEntry]) -> None:
    rows = [
        {
            "entry_id": f"e{number}",
            "formula": "",
            "composition": json.dumps(dict(entry.counts)),
            "n_atoms": 1,
            "energy_per_atom": entry.energy_per_atom,
            "is_element": len(entry.counts) == 1,
            "status": "converged",
            "reason": "",
            "hull_tag": tag,
        }
        for number, entry in enumerate(entries)
    ]
    rows.append(rows[0] | {"status": "failed", "energy_per_atom": float("nan"), "entry_id": "broken"})
    store.write_frame(path, pd.DataFrame(rows))


def write_relaxed(path: Path, tag: str) -> None:
    salt = AtomicSystem("s0", Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [2.8, 0, 0]]), np.eye(3) * 4)
    potash = AtomicSystem("s1", Kind.CRYSTAL, np.array([19, 17]), salt.positions, np.eye(3) * 4)
    failure = Failure("s2", "relax", "timeout", Kind.CRYSTAL)
    store.write_systems(path.with_suffix(".arrow"), [salt, potash, failure])
    base = {"status": "converged", "reason": "", "energy_tag": tag}
    rows = [
        base | {"system_id": "s0", "energy_per_atom": -3.5},
        base | {"system_id": "s1", "energy_per_atom": -3.5},
        base | {"system_id": "s2", "energy_per_atom": float("nan"), "status": "timeout", "reason": "killed"},
    ]
    store.write_frame(path, pd.DataFrame(rows))


def run_hull(tmp_path: Path, energy_tag: str, hull_tag: str) -> pd.DataFrame:
    write_reference(tmp_path / "reference.parquet", hull_tag, ENTRIES)
    write_relaxed(tmp_path / "0.parquet", energy_tag)
    stage = Config().stage(HullStage)
    hull(stage, [tmp_path / "0.parquet"], tmp_path / "reference.parquet", tmp_path / "hull.parquet")
    return store.read_frame(tmp_path / "hull.parquet").set_index("system_id")


def test_table(tmp_path: Path) -> None:
    table = run_hull(tmp_path, CHGNET_TAG, CHGNET_TAG)
    assert table.loc["s0", "e_above_hull"] == pytest.approx(-0.1)  # below the hull, of which it is not a part
    assert table.loc["s0", "formation_energy_per_atom"] == pytest.approx(-3.5 + (1.3 + 1.8) / 2)
    assert not table["surrogate"].any()
    assert np.isnan(table.loc["s1", "e_above_hull"])
    assert "element K" in table.loc["s1", "reason"]
    assert table.loc["s2", "reason"] == "killed"


def test_a_surrogate_has_its_name_in_the_table(tmp_path: Path) -> None:
    plain, surrogate = (run_hull(tmp_path, CHGNET_TAG, tag) for tag in (CHGNET_TAG, MP2020_TAG))
    assert bool(surrogate.loc["s0", "surrogate"])
    for name in ("e_above_hull", "formation_energy_per_atom"):
        assert name not in surrogate
        pd.testing.assert_series_equal(surrogate[f"chgnet_surrogate_{name}"], plain[name], check_names=False)


def test_a_failed_row_of_the_hulls_own_method_is_no_mixture(tmp_path: Path) -> None:
    write_reference(tmp_path / "reference.parquet", MP2020_TAG, ENTRIES)
    for name, tag in (("0", CHGNET_TAG), ("1", MP2020_TAG)):
        write_relaxed(tmp_path / f"{name}.parquet", tag)
    failed = store.read_frame(tmp_path / "1.parquet").iloc[2:].assign(system_id="s3")
    store.write_frame(tmp_path / "1.parquet", failed)
    store.write_systems(tmp_path / "1.arrow", [Failure("s3", "relax", "timeout", Kind.CRYSTAL)])
    tables = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    hull(Config().stage(HullStage), tables, tmp_path / "reference.parquet", tmp_path / "hull.parquet")
    frame = store.read_frame(tmp_path / "hull.parquet")
    assert frame["surrogate"].tolist() == [True, True, True, False]
    assert frame["chgnet_surrogate_e_above_hull"].notna().tolist() == [True, False, False, False]


def test_gaps_of_the_hull_are_told(tmp_path: Path) -> None:
    table = run_hull(tmp_path, CHGNET_TAG, CHGNET_TAG)
    assert (table.loc["s0", "hull_covers_chemistry"], table.loc["s0", "hull_gaps"]) == (True, "")
    assert (table.loc["s1", "hull_covers_chemistry"], table.loc["s1", "hull_gaps"]) == (False, "K, Cl-K")


def test_a_pair_is_covered_by_a_compound_of_the_same_system_alone() -> None:
    ternary = ReferenceEntry({"Fe": 1, "Mg": 1, "O": 2}, -6.0)
    hull_with_pair = Hull.from_entries("tag", [ReferenceEntry({s: 1.0}, 0.0) for s in ("Fe", "Mg", "O")] + [ternary])
    assert hull_with_pair.gaps(frozenset({"Fe", "Mg", "O"})) == []
    assert hull_with_pair.gaps(frozenset({"Fe", "Mg"})) == ["Fe-Mg"]
    assert hull_with_pair.gaps(frozenset({"Fe"})) == []


def test_anyones_energies_need_no_structures(tmp_path: Path) -> None:
    write_reference(tmp_path / "reference.parquet", MP2020_TAG, ENTRIES)
    table = pd.DataFrame(
        {"system_id": ["a", 7, "c"], "formula": ["NaCl", "NaCl3", "Qq"], "energy_per_atom": [-3.3, -2, 0]}
    )
    store.write_frame(tmp_path / "mine.csv", table)
    arguments = (
        Config().stage(HullStage),
        [tmp_path / "mine.csv"],
        tmp_path / "reference.parquet",
        tmp_path / "h.parquet",
    )
    with pytest.raises(DataError, match="--energy-tag"):
        hull(*arguments)
    hull(*arguments, energy_tag=MP2020_TAG)
    placed = store.read_frame(tmp_path / "h.parquet").set_index("system_id")
    assert placed.loc["a", "e_above_hull"] == pytest.approx(0.1)
    assert placed.loc["7", "e_above_hull"] == pytest.approx(0.6)
    assert "Qq" in placed.loc["c", "reason"]


def test_wrong_tags_end_the_stage(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gpaw/PBE/none"):
        run_hull(tmp_path, "gpaw/PBE/none", MP2020_TAG)
    assert not (tmp_path / "hull.parquet").exists()


def test_mixed_reference_is_refused(tmp_path: Path) -> None:
    write_reference(tmp_path / "reference.parquet", MP2020_TAG, ENTRIES)
    frame = store.read_frame(tmp_path / "reference.parquet")
    frame.loc[1, "hull_tag"] = CHGNET_TAG
    store.write_frame(tmp_path / "reference.parquet", frame)
    write_relaxed(tmp_path / "0.parquet", CHGNET_TAG)
    with pytest.raises(DataError, match="cannot be on one hull"):
        hull(
            Config().stage(HullStage), [tmp_path / "0.parquet"], tmp_path / "reference.parquet", tmp_path / "h.parquet"
        )


# --- real entries -----------------------------------------------------------------------------------------------------

MIRROR = Path(os.environ.get("ADIT_MIRROR") or Path(__file__).parents[3] / "shared" / "data")
needs_mirror = pytest.mark.skipif(not (MIRROR / "hull").is_dir(), reason="needs the mirror of public data: ADIT_MIRROR")


@needs_mirror
def test_333_entries_of_one_chemical_system_give_44_stable_ones() -> None:
    """Materials Project entries of Cl-Mn-Na-O-Y: corrected again here, each against the hull of all."""
    import gzip

    from pymatgen.entries.computed_entries import ComputedStructureEntry

    from adit.relax.dft.engines.corrections import corrected_entries

    with gzip.open(MIRROR / "hull" / "cl-mn-na-o-y_entries.json.gz") as file:
        raw = [ComputedStructureEntry.from_dict(entry) for entry in json.load(file)]
    corrected = corrected_entries(raw)
    corrected.check("Cl-Mn-Na-O-Y")
    assert corrected.processed == 1.0
    entries = [
        ReferenceEntry({e.symbol: float(n) for e, n in entry.composition.items()}, energy / entry.composition.num_atoms)
        for entry, energy in zip(raw, corrected.energies, strict=True)
        if energy is not None
    ]
    diagram = Hull.from_entries(MP2020_TAG, entries)
    above = [entry.energy_per_atom - diagram.energy_at(entry.counts) for entry in entries]
    assert len(entries) == 333
    assert sum(value < 1e-6 for value in above) == 44
    assert min(above) > -1e-9


@needs_mirror
def test_the_offline_hull_reproduces_published_energies(tmp_path: Path) -> None:
    """1,000 random rows of MP20. The hull of MP20 alone is a subset of the Materials Project's: never above it."""
    from adit.config import HullConfig, ReferenceStage, RelaxConfig
    from adit.hull.hull import read_reference
    from adit.hull.reference import reference

    stage = ReferenceStage(relax=RelaxConfig(), hull=HullConfig())
    out = tmp_path / "reference.parquet"
    reference(stage, [], out, None, 1, find=lambda name: MIRROR / name)
    offline = read_reference(out)
    table = store.read_frame(MIRROR / "hull" / "mp20_formation_energies.parquet")
    published = table[table["e_above_hull"].notna()].sample(1000, random_state=0)
    absolute = store.read_frame(out).set_index("entry_id")
    differences = np.array(
        [
            absolute.loc[row.material_id, "energy_per_atom"]
            - offline.energy_at(json.loads(absolute.loc[row.material_id, "composition"]))
            - row.e_above_hull
            for row in published.itertuples()
        ]
    )
    assert (np.abs(differences) <= 1e-3).mean() >= 0.75
    assert differences.max() <= 1e-3
