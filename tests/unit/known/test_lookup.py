"""Is it known? Local servers that speak the protocols, and files: matches, variants, pages, kept answers, kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import convert, store
from adit.cli import main
from adit.known.comparison import _Task, first_variant
from adit.known.phases import Disordered
from adit.systems import AtomicSystem, Kind
from tests.unit.known.servers import Provider, Server, entry, pubchem, running
from tests.unit.ledger.runs import caesium, salt, water

ETHANOL = "LFQSCWFLJHTTHZ-UHFFFAOYSA-N"
WATER = "XLYOFNOQVPJJNP-UHFFFAOYSA-N"


def blende(system_id: str, metal: int = 31) -> AtomicSystem:
    """Return zincblende with arsenic in its primitive cell."""
    cell = 5.65 / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    positions = np.array([[0, 0, 0], [0.25, 0.25, 0.25]]) @ cell
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([metal, 33]), positions, cell)


def ordered_blende(system_id: str) -> AtomicSystem:
    """Return the same sites with Al and Ga in turns: twice the cell."""
    one = blende("one")
    assert one.cell is not None
    positions = np.concatenate([one.positions, one.positions + one.cell[0]])
    cell = one.cell * np.array([[2.0], [1.0], [1.0]])
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([13, 33, 31, 33]), positions, cell)


def mixed() -> dict[str, Any]:
    return entry(blende("mixed"), {"Ga": {"Al": 0.5, "Ga": 0.5}})


def ethanol(system_id: str) -> AtomicSystem:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    AllChem.EmbedMolecule(mol, randomSeed=1)  # type: ignore[attr-defined]
    return convert.from_rdkit(mol, system_id)


ENTRIES = [
    entry(caesium("high-pressure")),
    entry(caesium("measured-again")),
    entry(salt("halite", edge=5.7, shift=0.3)),
    entry(salt("sylvite", anion=35, edge=5.97)),
    mixed(),
    entry(blende("arsenide")),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Structures to look up, in one file."""
    path = tmp_path_factory.mktemp("files") / "mine.arrow"
    systems = [salt("salt"), caesium("iodide", anion=53), ordered_blende("variant"), ethanol("ethanol"), water("water")]
    store.write_systems(path, systems)
    return path


def table_of(files: Path, folder: Path, *words: str) -> pd.DataFrame:
    """Look up files and return the table, by id."""
    out = folder / "known.parquet"
    config = folder / "config.yaml"
    config.write_text("lookup: {rate: 10}\n")
    line = ["known", str(files), "--out", str(out), str(folder / "known.csv"), "--cache", str(folder / "cache"), *words]
    assert main([*line, "--config", str(config)]) == 0
    assert store.read_frame(folder / "known.csv")["known"].tolist() == store.read_frame(out)["known"].tolist()
    return store.read_frame(out).set_index("system_id")


@pytest.fixture(scope="module")
def session(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A first call with two servers, and a second one when they are gone."""
    folder = tmp_path_factory.mktemp("known")
    with running(Server(Provider(ENTRIES, page=1))) as provider, running(Server(pubchem({ETHANOL: 702}))) as chem:
        words = ["--provider", provider.url, "--pubchem", f"{chem.url}/rest/pug"]
        first = table_of(files, folder, *words)
        requests = [*provider.requests], [*chem.requests]
        second = table_of(files, folder, *words)
        again = [*provider.requests], [*chem.requests]
    third = table_of(files, folder, *words)
    return {
        "tables": (first, second, third),
        "requests": requests,
        "again": again,
        "url": provider.url,
        "chem": chem.url,
    }


def test_a_known_phase_is_found_and_a_new_one_is_not(session: dict[str, Any]) -> None:
    table = session["tables"][0]
    row = table.loc["salt"]
    assert (row["known"], row["known_id"], row["kind"], row["formula"]) == ("known", "halite", "crystal", "ClNa")
    assert row["known_address"] == f"{session['url']}/v1/structures/halite"
    assert row["known_date"].startswith("20")
    assert table.loc["iodide", "known"] == "not-found"
    assert (table.loc["iodide", "known_id"], table.loc["iodide", "known_reason"]) == ("", "")
    assert table.loc["iodide", "known_source"] == session["url"].removeprefix("http://")


def test_an_ordered_variant_of_a_disordered_phase_is_flagged(session: dict[str, Any]) -> None:
    row = session["tables"][0].loc["variant"]
    assert (row["known"], row["known_id"]) == ("ordered-variant", "mixed")
    assert row["known_reason"] == "same sites as the disordered phase, of the composition Al0.25 As0.5 Ga0.25"


@pytest.mark.parametrize(
    ("edges", "variant"), [((3.96 / 2**0.5, 3.96 / 2**0.5, 3.67), True), ((3.05, 3.05, 3.05), False)]
)
def test_another_lattice_is_no_ordered_variant(edges: tuple[float, ...], variant: bool) -> None:
    """L1₀ CuAu, distorted by its order, and B2 CuAu, against the disordered face-centred phase at the same volume."""
    cell = np.diag(edges)
    crystal = AtomicSystem("CuAu", Kind.CRYSTAL, np.array([29, 79]), np.array([[0, 0, 0], [0.5] * 3]) @ cell, cell)
    sites = 3.85 * np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    phase = Disordered((3.85 * np.eye(3)).tolist(), sites.tolist(), [{"Cu": 0.5, "Au": 0.5}] * 4)
    assert (first_variant(_Task(crystal, (phase,))) == 0) is variant


def test_a_molecule_is_looked_up_by_its_inchikey(session: dict[str, Any]) -> None:
    table = session["tables"][0]
    assert (table.loc["ethanol", "known"], table.loc["ethanol", "known_id"]) == ("known", "702")
    assert table.loc["ethanol", "known_address"] == f"{session['chem']}/compound/702"
    assert (table.loc["water", "known"], table.loc["water", "formula"]) == ("not-found", "H2O")
    assert any(WATER in path for path in session["requests"][1])


def test_all_pages_are_read(session: dict[str, Any]) -> None:
    """The third entry of the formula matches, and each page has one."""
    paths = [path for path in session["requests"][0] if "ClNa" in path]
    assert ["page_offset" in path for path in paths] == [False, True, True]


def test_a_second_call_asks_nothing(session: dict[str, Any]) -> None:
    assert session["again"] == session["requests"]
    assert len(set(session["requests"][0])) == len(session["requests"][0])
    pd.testing.assert_frame_equal(*session["tables"][:2])


def test_kept_answers_need_no_network(session: dict[str, Any]) -> None:
    pd.testing.assert_frame_equal(session["tables"][0], session["tables"][2])


def test_without_a_network_the_rest_is_unknown_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adit.data.sources.retries.Patience.wait", lambda *_: None)
    path = tmp_path / "mine.arrow"
    store.write_systems(path, [salt("a"), salt("b", anion=35), salt("c", anion=53), water("w")])
    table = table_of(path, tmp_path, "--provider", "http://127.0.0.1:9", "http://127.0.0.1:9/other/v1")
    assert set(table["known"]) == {"unknown"}
    assert "127.0.0.1:9: cannot be reached" in table.loc["a", "known_reason"]
    assert "not asked any more" in table.loc["c", "known_reason"]
    assert table.loc["w", "known_reason"] == "no place with molecules was named (--pubchem, --reference)"
    lines = [line for line in capsys.readouterr().err.splitlines() if "127.0.0.1:9" in line]
    assert len(lines) == 2, "one line for each provider"
    assert all(line.endswith("it is not asked any more in this call: repeat the command to go on") for line in lines)
    assert not list((tmp_path / "cache").glob("*.json"))


def test_files_need_no_network(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adit.data.sources.client.Client.get", lambda *_: pytest.fail("asked"))
    references = tmp_path / "references.extxyz"
    store.write_extxyz(references, [caesium("cs"), salt("na", edge=5.6), ethanol("spirit"), salt("br", anion=35)])
    table = table_of(files, tmp_path, "--reference", str(references))
    assert table["known"].to_dict() == {
        **{"salt": "known", "iodide": "not-found", "variant": "not-found"},
        **{"ethanol": "known", "water": "not-found"},
    }
    assert table.loc["salt", "known_id"] == "na"
    assert table.loc["salt", "known_address"].endswith("references.extxyz")
    assert set(table["known_reason"]) == {""}


def test_references_that_are_not_read_make_no_complete_answer(
    tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A match still counts."""
    references, broken = tmp_path / "references.extxyz", tmp_path / "broken.cif"
    store.write_extxyz(references, [salt("na", edge=5.6), ethanol("spirit")])
    broken.write_text("data_x\n")
    table = table_of(files, tmp_path, "--reference", str(references), str(broken))
    assert table["known"].to_dict() == {
        **{"salt": "known", "iodide": "unknown", "variant": "unknown", "ethanol": "known", "water": "unknown"}
    }
    assert table.loc["iodide", "known_reason"] == "1 of 3 references could not be read"
    assert "1 of 3 references could not be read; what has no match is unknown" in capsys.readouterr().err


def test_what_names_no_place_or_no_table_is_one_line(
    tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["known", str(files), "--out", str(tmp_path / "known.csv")]) == 2
    assert "name where to look" in capsys.readouterr().err
    line = ["known", str(files), "--reference", str(files)]
    assert main([*line, "--out", str(tmp_path / "known.txt")]) == 2
    assert main([*line, "--provider", "file:///etc", "--out", str(tmp_path / "known.csv")]) == 2
    assert "is no address of a server" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["files", "references"])
def test_files_of_which_nothing_can_be_read_are_one_line(
    place: str, tmp_path: Path, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, out = tmp_path / "broken.cif", tmp_path / "known.csv"
    broken.write_text("data_x\n_cell_length_a 3\n")
    paths = (broken, files) if place == "files" else (files, broken)
    assert main(["known", str(paths[0]), "--reference", str(paths[1]), "--out", str(out)]) == 3
    assert "error: the structure cannot be read (broken: " in capsys.readouterr().err
    assert not out.exists()


def test_a_killed_call_goes_on_where_it_was(tmp_path: Path) -> None:
    path, out = tmp_path / "mine.arrow", tmp_path / "known.csv"
    store.write_systems(path, [salt(f"{z}", anion=z) for z in (9, 17, 35, 53)])
    with running(Server(Provider(ENTRIES), delay_s=0.3)) as server:
        line = [sys.executable, "-m", "adit", "known", str(path), "--provider", server.url, "--out", str(out)]
        line += ["--cache", str(tmp_path / "cache"), "--config", str(tmp_path / "config.yaml")]
        (tmp_path / "config.yaml").write_text("lookup: {rate: 10}\n")
        process = subprocess.Popen(line, env={**os.environ, "PYTHONSAFEPATH": "1"}, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while len(list(tmp_path.glob("cache/*.json"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not out.exists()
        kept = len(list(tmp_path.glob("cache/*.json")))
        assert 2 <= kept < 8
        server.delay_s = 0.0
        server.requests.clear()
        assert main(line[3:]) == 0
        assert len(server.requests) == 8 - kept
    assert store.read_frame(out)["known"].tolist() == ["not-found", "known", "known", "not-found"]
