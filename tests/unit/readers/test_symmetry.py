"""All 530 settings of spglib's table, written as full symbols, short symbols and Hall symbols, without operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import spglib

from adit.errors import DataError
from adit.readers.formats.base import Parsed
from adit.readers.formats.cif import parse_cif
from adit.readers.symmetry.hall import hall_operators, operator_key
from adit.readers.symmetry.operators import parse_operator, parse_operators
from adit.readers.symmetry.sites import orbit
from adit.readers.symmetry.spacegroups import settings, settings_of_symbol
from tests.systems import same_systems
from tests.unit.readers.cases import cif, name

GENERAL = (0.1367, 0.2291, 0.3413)
"""A general position of every group: its copies are far from each other in the cells below."""


def cell_of(hall_number: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return lengths and angles of a cell that has the symmetry of a setting."""
    row = spglib.get_spacegroup_type(hall_number)
    number, axis = row.number, row.choice.lstrip("-")[:1]
    if number <= 2:
        return (21.0, 23.0, 25.0), (81.0, 99.0, 107.0)
    if number <= 15:
        return (21.0, 23.0, 25.0), tuple(103.0 if name == axis else 90.0 for name in "abc")
    if number <= 74:
        return (21.0, 23.0, 25.0), (90.0, 90.0, 90.0)
    if number <= 142:
        return (21.0, 21.0, 25.0), (90.0, 90.0, 90.0)
    if number <= 194:
        return ((21.0,) * 3, (77.0,) * 3) if row.choice == "R" else ((21.0, 21.0, 25.0), (90.0, 90.0, 120.0))
    return (21.0,) * 3, (90.0,) * 3


def expected(hall_number: int) -> np.ndarray:
    """Return what spglib's operators make of the general position, sorted."""
    operators = spglib.get_symmetry_from_database(hall_number)
    copies = (operators["rotations"] @ np.array(GENERAL) + operators["translations"]) % 1.0
    return sorted_rows(copies)


def sorted_rows(fractional: np.ndarray) -> np.ndarray:
    rounded = np.rint(fractional % 1.0 * 1e6).astype(int) % 1_000_000
    return rounded[np.lexsort(rounded.T)]


def read(hall_number: int, symmetry: list[str]) -> np.ndarray:
    lengths, angles = cell_of(hall_number)
    x, y, z = map(str, GENERAL)
    system = parse_cif(cif(lengths, angles, symmetry, [("Na1", "Na", x, y, z)])).system
    return sorted_rows(system.fractional)


def test_full_symbols_with_their_setting_are_read_right() -> None:
    for number in range(1, 531):
        row = spglib.get_spacegroup_type(number)
        symbol = f"{row.international_full} :{row.choice}" if row.choice else row.international_full
        for spelling in (symbol, symbol.replace("_", "")):
            np.testing.assert_array_equal(read(number, name(spelling)), expected(number), err_msg=spelling)


def test_hall_symbols_alone_are_read_right() -> None:
    for number in range(1, 531):
        symbol = spglib.get_spacegroup_type(number).hall_symbol
        quote = "'" if '"' in symbol else '"'
        np.testing.assert_array_equal(
            read(number, [f"_space_group_name_Hall {quote}{symbol}{quote}"]), expected(number), err_msg=symbol
        )


def short_symbols() -> Iterator[tuple[int, str]]:
    """Yield settings and their short symbols as the International Tables print them."""
    for number in range(1, 531):
        row = spglib.get_spacegroup_type(number)
        words = row.international_full.split() if 3 <= row.number <= 15 else row.international.split("=")[0].split()
        yield number, " ".join(word for word in words if word != "1" or not 3 <= row.number <= 15)


def test_short_symbols_are_read_right_or_refused() -> None:
    read_right, refused = 0, Counter[int]()
    for number, symbol in short_symbols():
        try:
            operations = read(number, name(symbol))
        except DataError:
            refused[spglib.get_spacegroup_type(number).number] += 1
            continue
        np.testing.assert_array_equal(operations, expected(number), err_msg=symbol)
        read_right += 1
    assert read_right >= 440
    origins = {48, 50, 59, 68, 70, 85, 86, 88, 125, 126, 129, 130, 133, 134, 137, 138, 141, 142}
    assert set(refused) <= origins | {67, 201, 203, 222, 224, 227, 228}


def test_a_standard_short_symbol_is_no_other_setting() -> None:
    """P 21/c names cell choice 1 of unique axis b; with another cell it is refused, never guessed."""
    for angles, count in (((90, 103, 90), 4), ((90, 90, 103), 0), ((90, 90, 90), 0)):
        text = cif((21, 23, 25), angles, name("P 21/c"), [("Na1", "Na", *map(str, GENERAL))])
        if count:
            assert len(parse_cif(text).system) == count
        else:
            with pytest.raises(DataError, match="ambiguous"):
                parse_cif(text)


@pytest.mark.parametrize(
    ("symbol", "hall_numbers"),
    [
        ("Fm-3m", {523}),
        ("F m 3 m", {523}),
        ("P 6(3)/m m c", {488}),
        ("R -3 m H", {458}),
        ("R-3mR", {459}),
        ("F d -3 m S", {525}),
        ("F d -3 m Z", {526}),
        ("F d -3 m", {525, 526}),
        ("C m c a", {304}),
        ("A b m 2", {191}),
        ("C m m b", {317}),
        ("P 21 21 21", {115}),
        ("P 1 21/n 1", {82}),
        ("P x y z", set()),
    ],
)
def test_spellings(symbol: str, hall_numbers: set[int]) -> None:
    assert {setting.hall_number for setting in settings_of_symbol(symbol)} == hall_numbers


def test_the_hall_interpreter_gives_spglibs_operators() -> None:
    for setting in settings():
        database = spglib.get_symmetry_from_database(setting.hall_number)
        assert operator_key(setting.operators) == operator_key((database["rotations"], database["translations"]))


def test_hall_symbols_in_other_bases() -> None:
    assert operator_key(hall_operators("-C 2b 2")) == operator_key(hall_operators("-C 2a 2"))
    assert operator_key(hall_operators("P 2y (x,y,z)")) == operator_key(hall_operators("P 2y"))
    assert operator_key(hall_operators("P 2 (z,x,y)")) == operator_key(hall_operators("P 2x"))


@pytest.mark.parametrize("symbol", ["", "Q 2", "P 5", "P 2 2 2 2 2 2", "P 2 (1 2)", "P 4*"])
def test_what_is_no_hall_symbol_is_refused(symbol: str) -> None:
    with pytest.raises(DataError, match="not a Hall symbol"):
        hall_operators(symbol)


def test_operators_as_files_spell_them() -> None:
    for text in ("-y+1/2, x, z+.5", "'1/2-y,X,0.5+Z'", " -y + 0.5, +x, z+1/2 "):
        rotation, translation = parse_operator(text)
        np.testing.assert_array_equal(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]])
        np.testing.assert_array_equal(translation, [0.5, 0, 0.5])
    np.testing.assert_array_equal(parse_operator("x+0.3333,y+.6667,z")[1], [8 / 24, 16 / 24, 0])


@pytest.mark.parametrize("text", ["x,y", "x,y,w", "x,x,z", "x,y,", "1/0,y,z", "0,0,0"])
def test_what_is_no_operator_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not a symmetry operator"):
        parse_operator(text)


def test_groups_that_contradict_each_other_are_refused() -> None:
    both = [*name("F d -3 m :2"), "_symmetry_Int_Tables_number 225"]
    sites = [("Si1", "Si", *("0.125",) * 3)]
    with pytest.raises(DataError, match="contradicts itself"):
        parse_cif(cif((5.4,) * 3, (90,) * 3, both, sites))
    with pytest.raises(DataError, match="different"):
        parse_cif(cif((5.4,) * 3, (90,) * 3, [*name("F d -3 m :2"), "_space_group_name_Hall '-P 2'"], sites))


def test_a_cell_without_the_symmetry_of_its_group_is_flagged() -> None:
    parsed = parse_cif(cif((5.0, 6.0, 7.0), (90,) * 3, name("P m -3 m"), [("Po1", "Po", "0", "0", "0")]))
    assert any("contradiction" in note and "symmetry" in note for note in parsed.notes)


def test_copies_far_from_each_other_stay_and_near_ones_become_one_at_their_mean() -> None:
    operators = parse_operators(["x,y,z", "-x,-y,-z"])
    cell = np.eye(3) * 10
    far, near = (orbit(np.array([x, 0.0, 0.0]), operators, cell, 0.2) for x in (0.0101, 0.0099))
    assert len(far.fractional) == 2
    np.testing.assert_allclose(near.fractional, [[0, 0, 0]], atol=1e-12)
    assert near.spread == pytest.approx(0.099)


SITE = [("Na1", "Na", *map(str, GENERAL))]
PNMA, PBCA = "-P 2ac 2n", "-P 2ac 2ab"


def hall(symbol: str) -> list[str]:
    return [f"_space_group_name_Hall '{symbol}'"]


def of_symbols(*items: list[str]) -> Parsed:
    return parse_cif(cif((5.0, 6.0, 7.0), (90,) * 3, [line for item in items for line in item], SITE))


@pytest.mark.parametrize("symbol", ["-P 2ac 2q", "P n m a", "-F 4 2 3 5 6 7"])
@pytest.mark.parametrize("named", [name("P n m a"), ["_space_group_IT_number 62", *name("P n m a")]])
def test_an_invalid_hall_symbol_is_said_and_the_other_symbol_used(symbol: str, named: list[str]) -> None:
    parsed = of_symbols(hall(symbol), named)
    assert same_systems(parsed.system, of_symbols(named).system)
    assert parsed.notes == (f"Hall symbol '{symbol}' is not valid: space group 'P n m a' is used",)


def test_an_invalid_hall_symbol_beside_settings_of_the_other_symbol() -> None:
    cubic = ((21,) * 3, (90,) * 3)
    for named, count in (("F d -3 m :2", 192), ("F d -3 m", 0)):
        text = cif(*cubic, [*hall("F 9 9"), *name(named)], SITE)
        if count:
            assert len(parse_cif(text).system) == count
        else:
            with pytest.raises(DataError, match=r"'F d -3 m' \(beside Hall symbol 'F 9 9', .*\) is ambiguous"):
                parse_cif(text)
    with pytest.raises(DataError, match="not a Hall symbol"):
        of_symbols(hall("P 9 9"))


@pytest.mark.parametrize(
    "other", [name("P b c a"), ["_space_group_IT_number 61"], [*name("P x"), "_space_group_IT_number 61"]]
)
def test_a_hall_symbol_of_another_group_is_refused(other: list[str]) -> None:
    """P n m a and P b c a have equal numbers of operators."""
    with pytest.raises(DataError, match=r"'-P 2ac 2n' \(space group 62\) and space group .* are different groups"):
        of_symbols(hall(PNMA), other)


def test_a_hall_symbol_of_another_setting_is_flagged_and_of_another_origin_is_not() -> None:
    (note,) = of_symbols(hall("-P 2c 2ab"), name("P n m a")).notes
    assert note.startswith("contradiction: Hall symbol '-P 2c 2ab' is another setting than space group 'P n m a'")
    for symbol in (PNMA, f"{PNMA} (0 0 6)", f"{PNMA} (x+1/4,y,z)"):
        assert of_symbols(hall(symbol), name("P n m a")).notes == ()
    assert of_symbols(hall(PNMA), name("P x y z")).notes == (
        f"space group 'P x y z' is not in the table of settings: Hall symbol '{PNMA}' is used",
    )


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (name("P b c a"), "not of space group 'P b c a'"),
        (["_space_group_IT_number 61"], "not of space group number 61"),
        (hall(PBCA), f"not of space group of Hall symbol '{PBCA}'"),
        (["_space_group_IT_number 225"], "space group number 225 has 192"),
        (name("P n m a"), ""),
        (["_space_group_IT_number 62", *hall(PNMA), *name("P b n m")], ""),
        (hall("P 9 9"), ""),
    ],
)
def test_operators_of_another_group_than_the_symbols_are_flagged(other: list[str], text: str) -> None:
    loop = ["loop_", "_space_group_symop_operation_xyz", *(f"'{each}'" for each in OPERATIONS)]
    notes = of_symbols(loop, other).notes
    assert [note.startswith("contradiction: ") and text in note for note in notes] == ([True] if text else [])


OPERATIONS = (
    *("x,y,z", "-x+1/2,-y,z+1/2", "-x,y+1/2,-z", "x+1/2,-y+1/2,-z+1/2"),
    *("-x,-y,-z", "x+1/2,y,-z+1/2", "x,-y+1/2,z", "-x+1/2,y+1/2,z+1/2"),
)
"""Of P n m a."""
