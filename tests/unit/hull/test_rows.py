"""Rows of the hull's table for structures without an energy above the hull."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from adit import store
from adit.dossier.decomposition import Phases
from adit.errors import DataError
from adit.hull.convex_hull import Hull, ReferenceEntry
from adit.hull.hull import _place, read_reference
from adit.hull.reference_rows import reference_row

TAG = "vasp/PBE(+U)/MP2020"
HULL = Hull.from_entries(
    TAG,
    [
        ReferenceEntry({"Na": 1.0}, -1.3),
        ReferenceEntry({"Cl": 1.0}, -1.8),
        ReferenceEntry({"Na": 1.0, "Cl": 1.0}, -3.4),
    ],
)
SALT = {"Na": 1.0, "Cl": 1.0}


def record(**values: Any) -> dict[str, Any]:
    row = {"system_id": "s", "energy_per_atom": -3.0, "status": "converged", "reason": "", "energy_tag": TAG}
    return row | values


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"status": "failed", "reason": "SCF"}, "SCF"),
        ({"status": "timeout", "reason": ""}, "no energy"),
        ({"energy_per_atom": None}, "no energy"),
        ({"energy_per_atom": float("inf")}, "no energy"),
        ({"energy_per_atom": "n/a"}, "energy 'n/a' is not a number"),
    ],
)
def test_a_row_without_an_energy_keeps_its_method_and_says_why(values: dict[str, Any], reason: str) -> None:
    row = _place(record(**values), SALT, HULL)
    assert math.isnan(row["e_above_hull"])
    assert math.isnan(row["formation_energy_per_atom"])
    assert (row["system_id"], row["energy_tag"], row["hull_tag"], row["reason"]) == ("s", TAG, TAG, reason)
    assert row["hull_covers_chemistry"] is False


@pytest.mark.parametrize(("tag", "surrogate"), [("chgnet-0.3.0/PBE(+U)/MP2020", True), (TAG, False)])
def test_a_failed_row_is_a_surrogate_as_the_others_of_its_method(tag: str, surrogate: bool) -> None:
    assert _place(record(status="failed", energy_tag=tag), SALT, HULL)["surrogate"] is surrogate


def test_a_composition_that_cannot_be_told_is_the_reason() -> None:
    row = _place(record(), "xyz: is not a formula", HULL)
    assert row["reason"] == "xyz: is not a formula"
    assert math.isnan(row["e_above_hull"])


def test_an_error_of_the_hull_is_one_line_of_at_most_300_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Hull, counts: dict[str, float]) -> float:
        raise RuntimeError("Qhull\n  " + "x" * 400)

    monkeypatch.setattr(Hull, "energy_at", broken)
    row = _place(record(), SALT, HULL)
    assert row["reason"] == "Qhull " + "x" * 294
    assert math.isnan(row["e_above_hull"])


def test_a_structure_on_the_hull_has_both_energies() -> None:
    row = _place(record(energy_per_atom=-3.5), SALT, HULL)
    assert row["e_above_hull"] == pytest.approx(-0.1)
    assert row["formation_energy_per_atom"] == pytest.approx(-3.5 + (1.3 + 1.8) / 2)
    assert (row["hull_covers_chemistry"], row["hull_gaps"], row["reason"]) == (True, "", "")


def test_a_pair_without_a_compound_makes_the_hull_unknown() -> None:
    hull = Hull.from_entries(TAG, [ReferenceEntry({"Dy": 1.0}, -4.0), ReferenceEntry({"Se": 1.0}, -3.0)])
    row = _place(record(energy_per_atom=-5.47), {"Dy": 1.0, "Se": 1.0}, hull)
    assert row["e_above_hull"] == pytest.approx(-1.97)
    assert (row["verdict"], row["missing_pairs"], row["hull_covers_chemistry"]) == ("unknown hull", "Dy-Se", False)
    placed_row = _place(record(energy_per_atom=-3.5), SALT, HULL)
    assert (placed_row["verdict"], placed_row["missing_pairs"]) == ("stable", "")
    assert _place(record(energy_per_atom=-3.3), SALT, HULL)["verdict"] == "unstable"
    assert _place(record(status="failed"), SALT, HULL)["verdict"] == "no energy"


def test_a_reference_that_holds_all_has_no_gaps_but_missing_elements(tmp_path: Path) -> None:
    rows = [reference_row(name, name, {name: 1}, -1.0, TAG) for name in ("Dy", "Se")]
    for kind, gaps in (("mp-2023-02-07", []), ("builtin", ["Dy-Se"])):
        store.write_frame(tmp_path / "reference.parquet", pd.DataFrame(rows), {"reference": kind})
        hull = read_reference(tmp_path / "reference.parquet")
        assert hull.gaps(frozenset({"Dy", "Se"})) == gaps
        assert hull.gaps(frozenset({"Dy", "Xe"}))[0] == "Xe"


def test_relaxed_structures_make_a_hull_without_those_whose_formula_cannot_be_read(tmp_path: Path) -> None:
    """A table of `adit relax` in place of reference entries (``--hull``)."""
    table = pd.DataFrame(
        {
            "system_id": ["na", "cl", "salt", "broken", "failed"],
            "formula": ["Na", "Cl", "NaCl", "Na(", "Na2"],
            "energy_per_atom": [-1.3, -1.8, -3.4, -9.0, -9.0],
            "status": ["converged", "converged", "unconverged", "converged", "failed"],
            "energy_tag": TAG,
        }
    )
    store.write_frame(tmp_path / "relaxed.parquet", table)
    hull = read_reference(tmp_path / "relaxed.parquet")
    assert hull.tag == TAG
    assert hull.elements == {"Na": -1.3, "Cl": -1.8}
    assert hull.energy_at(SALT) == pytest.approx(-3.4)
    assert {key: len(entries) for key, entries in hull.entries.items()} == dict.fromkeys(
        (frozenset({"Na"}), frozenset({"Cl"}), frozenset({"Na", "Cl"})), 1
    )


@pytest.mark.parametrize("name", ["status", "energy_per_atom"])
def test_a_reference_without_a_column_is_one_line(tmp_path: Path, name: str) -> None:
    rows = [reference_row("Na", "Na", {"Na": 1}, -1.3, TAG)]
    store.write_frame(tmp_path / "r.parquet", pd.DataFrame(rows).drop(columns=[name]))
    with pytest.raises(
        DataError, match=rf"r\.parquet: is no table .* lacks {name}; run `adit stage reference`"
    ) as error:
        read_reference(tmp_path / "r.parquet")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        '{"Na"',
        "",
        None,
        "[1]",
        "{}",
        "3",
        '{"Na": "1"}',
        '{"Na": 0}',
        '{"Na": NaN}',
        '{"Na": true}',
        '{"1": 2}',
        "[" * 10**5,
    ],
)
def test_a_reference_whose_composition_cannot_be_read_is_one_line(tmp_path: Path, text: str | None) -> None:
    row = {**reference_row("Na", "Na", {"Na": 1}, -1.3, TAG), "composition": text}
    store.write_frame(tmp_path / "r.parquet", pd.DataFrame([row]))
    for read in (read_reference, Phases.read):
        with pytest.raises(DataError, match=r"r\.parquet: composition .* is not JSON .*; run `adit stage") as error:
            read(tmp_path / "r.parquet")
        assert len(str(error.value).splitlines()) == 1


def test_reference_entries_without_a_method_are_one_line(tmp_path: Path) -> None:
    rows = [reference_row(name, name, {name: 1}, -1.3, TAG) for name in ("Na", "Cl")]
    store.write_frame(tmp_path / "r.parquet", pd.DataFrame([rows[0], {**rows[1], "hull_tag": None}]))
    with pytest.raises(DataError, match="cannot be on one hull; use one method"):
        read_reference(tmp_path / "r.parquet")


def test_the_composition_of_an_entry_does_not_depend_on_the_order_of_its_elements() -> None:
    rows = [reference_row("e", "NaCl", amounts, -3.4, TAG) for amounts in (SALT, dict(reversed(SALT.items())))]
    assert rows[0] == rows[1]
    assert (rows[0]["composition"], rows[0]["n_atoms"], rows[0]["is_element"]) == ('{"Cl": 1.0, "Na": 1.0}', 2, False)
    assert reference_row("e", "Na2", {"Na": 2.0}, -1.3, TAG)["is_element"] is True
