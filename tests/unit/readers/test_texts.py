"""Texts cut into structures: what is broken affects no other, and nothing is left out silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit.errors import DataError
from adit.readers.formats.pymatgen_json import parse_pymatgen
from adit.readers.formats.tables import parse_arrays, read_csv
from adit.readers.formats.texts import split_cif, split_xyz
from adit.readers.formats.xyz import comment_keys, parse_xyz
from adit.systems import Kind


def frame(name: str, atoms: int = 2, count: str | None = None) -> str:
    lines = [f"C {n} 0 0.5" for n in range(atoms)]
    return "\n".join([str(atoms) if count is None else count, f"system_id={name}", *lines]) + "\n"


def ids(text: str) -> list[tuple[str, bool]]:
    return [(comment_keys(each.comment).get("system_id", ""), not each.problem) for each in split_xyz(text)]


BROKEN = {
    "no number": frame("bad", count="two"),
    "superscript": frame("bad", count="²"),
    "a decimal": frame("bad", count="2.0"),
    "negative": frame("bad", count="-2"),
    "huge": frame("bad", count="999999999"),
    "beyond what Python reads": frame("bad", count="9" * 5000),
    "too many said": frame("bad", count="3"),
    "too few said": frame("bad", count="1"),
    "cut": frame("bad", 4)[:-20],
    "a short line": frame("bad").replace("C 1 0 0.5", "C 1 0"),
    "a blank line inside": frame("bad").replace("C 1", "\nC 1"),
    "no comment": "2\nC 0 0 0\nC 0 0 1\n",
    "a count alone": "2\n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_frame_costs_itself_alone(text: str) -> None:
    names = ids(frame("first") + text + frame("second", 3) + "\n" + frame("third", 1))
    assert [name for name, good in names if good] == ["first", "second", "third"]
    assert [good for _, good in names] == [True, False, True, True]
    broken = split_xyz(frame("first") + text + frame("second"))[1]
    assert broken.line == 5
    assert "line 5" in broken.problem


@given(st.lists(st.integers(0, 4), max_size=6), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "  \n"]))
def test_whole_frames_are_found_whatever_their_number_and_ends(sizes: list[int], end: str, between: str) -> None:
    text = between.join(frame(f"f-{n}", size) for n, size in enumerate(sizes)).replace("\n", end)
    assert ids(text) == [(f"f-{n}", True) for n in range(len(sizes))]


def test_comments_may_be_numbers_or_empty() -> None:
    frames = split_xyz("1\n7\nC 0 0 0\n1\n\nC 0 0 0\n1\n1\nC 0 0 0\n")
    assert [each.problem for each in frames] == ["", "", ""]
    assert [each.line for each in frames] == [1, 4, 7]


def test_what_stands_behind_a_whole_frame_is_a_row_of_its_own() -> None:
    assert [good for _, good in ids(frame("a") + "made by hand\n" + frame("b"))] == [True, False, True]


def test_names_with_spaces_are_quoted() -> None:
    assert ids('1\nsystem_id="a b" energy=1\nC 0 0 0\n') == [("a b", True)]


LATTICE = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'
FLAT = LATTICE.replace("0 4 0", "4 0 0")


@pytest.mark.parametrize(
    ("comment", "kind"),
    [
        (LATTICE, Kind.CRYSTAL),
        (f'{LATTICE} pbc="T T T"', Kind.CRYSTAL),
        (f'{LATTICE} pbc="F F F"', Kind.MOLECULE),
        (f'{FLAT} pbc="F F F"', Kind.MOLECULE),
        ("plain", Kind.MOLECULE),
    ],
)
def test_the_periodic_directions_say_what_a_frame_is(comment: str, kind: Kind) -> None:
    system = parse_xyz(f"1\n{comment}\nC 0 0 0\n").system
    assert system.kind is kind
    assert (system.cell is not None) == kind.periodic


@pytest.mark.parametrize("comment", [FLAT, f'{FLAT} pbc="T T T"', 'pbc="T T T"'])
def test_a_periodic_frame_without_a_volume_is_no_molecule(comment: str) -> None:
    with pytest.raises(DataError, match="cell"):
        parse_xyz(f"1\n{comment}\nC 0 0 0\n")


BLOCK = "data_{}\n_cell_length_a 4\nloop_\n_atom_site_label\nC1\n"


def test_every_block_of_a_cif_with_a_structure_is_one() -> None:
    text = "# by hand\ndata_global\n_journal_name x\n" + BLOCK.format("a") + BLOCK.format("b")
    assert [block.split()[0] for block in split_cif(text)] == ["data_a", "data_b"]


def test_a_text_field_opens_no_block_unless_it_never_ends() -> None:
    field = "_note\n;\ndata_of the authors\n;\n"
    assert len(split_cif(BLOCK.format("a") + field + BLOCK.format("b"))) == 2
    assert len(split_cif(BLOCK.format("a") + "_note\n;\nnever ends\n" + BLOCK.format("b"))) == 2


@pytest.mark.parametrize("text", ["", "no CIF at all", "data_x\n_nothing 1\n"])
def test_a_text_without_structures_stays_one(text: str) -> None:
    assert split_cif(text) == [text]


@pytest.mark.parametrize(
    ("pbc", "what"), [("T T F", "a slab"), ("FTT", "a slab"), ("F F T", "a wire"), ("[0, 1, 0]", "a wire")]
)
def test_a_slab_or_a_wire_is_a_crystal_that_says_so(pbc: str, what: str) -> None:
    parsed = parse_xyz(f'1\n{LATTICE} pbc="{pbc}"\nC 0 0 0\n')
    assert parsed.system.kind is Kind.CRYSTAL
    (note,) = parsed.notes
    assert note.startswith(f"is {what} by its pbc")
    assert parse_xyz(f'1\n{LATTICE} pbc="T T T"\nC 0 0 0\n').notes == ()


@pytest.mark.parametrize("pbc", ["T T", "T T T T", ""])
def test_another_number_of_directions_is_refused(pbc: str) -> None:
    with pytest.raises(DataError, match="not three times T or F"):
        parse_xyz(f'1\n{LATTICE} pbc="{pbc}"\nC 0 0 0\n')


@pytest.mark.parametrize("pbc", [[True, True, False], [True] * 3, [False] * 3])
def test_the_periodic_directions_of_tables_and_of_pymatgen_say_it_too(pbc: list[bool]) -> None:
    from pymatgen.core import Lattice, Structure

    structure = Structure(Lattice.cubic(4, pbc=tuple(pbc)), ["C", "O"], [[0, 0, 0], [0.3, 0, 0]])
    arrays = ([6, 8], [[0, 0, 0], [1.2, 0, 0]], [[4, 0, 0], [0, 4, 0], [0, 0, 4]], pbc)
    for parsed in (parse_pymatgen(structure.as_dict()), parse_arrays(arrays), parse_arrays((*arrays[:3], str(pbc)))):
        assert (parsed.system.cell is not None) == any(pbc)
        assert parsed.system.kind is (Kind.CRYSTAL if any(pbc) else Kind.MOLECULE)
        assert [note.startswith("is a slab by its pbc (T T F)") for note in parsed.notes] == [True] * (
            len(set(pbc)) - 1
        )


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,a,a.1", ["a", "a.2", "a.1"]),
        ("a.1,a,a,a", ["a.1", "a", "a.2", "a.3"]),
        ("a,a,a,a", ["a", "a.1", "a.2", "a.3"]),
        (",,.1", ["", ".2", ".1"]),
    ],
)
def test_columns_of_one_name_are_all_there(header: str, names: list[str]) -> None:
    row = ",".join(map(str, range(len(names))))
    held, rows, problems = read_csv(f"{header}\n{row}\n", "t.csv")
    assert (held, rows, problems) == (names, [row.split(",")], {})
