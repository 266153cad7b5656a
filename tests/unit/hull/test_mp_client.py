"""References of the Materials Project's server: its client is a stand-in with the signature of the real one."""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from adit import store
from adit.cli import main
from adit.config import HullConfig
from adit.errors import AditError
from adit.hull import mp_client
from adit.hull.live import live_entries
from adit.hull.mp_client import at_hand
from adit.progress import log
from tests.unit.hull.databases import MP2020, table
from tests.unit.known.servers import Reply, Server, as_json, running

SALT = frozenset({"Na", "Cl"})
SECRET = "k" * 32
ENERGIES = {"Na": -1.3, "Cl": -1.85, "NaCl": -3.675, "K": -1.1, "KCl": -3.6}
"""Energies of the server, eV/atom, by formula."""


def document(formula: str, energy: Any, thermo_type: Any = "GGA_GGA+U") -> dict[str, Any]:
    from adit.readers.formulas import parse_formula

    counts = parse_formula(formula)
    return {
        "material_id": f"mp-{formula}",
        "composition": counts,
        "energy_per_atom": energy,
        "thermo_type": thermo_type,
    }


class ThermoRester:
    """Search of the client; ``documents`` are all that the server has."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.documents = list(documents)
        self.queries: list[list[str]] = []
        self.number: int | None = None
        self.answer: Callable[[list[dict[str, Any]]], Any] = lambda rows: rows

    def search(
        self,
        material_ids: str | list[str] | None = None,
        chemsys: str | list[str] | None = None,
        energy_above_hull: tuple[float, float] | None = None,
        equilibrium_reaction_energy: tuple[float, float] | None = None,
        formation_energy: tuple[float, float] | None = None,
        formula: str | list[str] | None = None,
        is_stable: bool | None = None,
        num_elements: tuple[int, int] | None = None,
        thermo_ids: list[str] | None = None,
        thermo_types: list[Any] | None = None,
        total_energy: tuple[float, float] | None = None,
        uncorrected_energy: tuple[float, float] | None = None,
        num_chunks: int | None = None,
        chunk_size: int = 1000,
        all_fields: bool = True,
        fields: list[str] | None = None,
    ) -> list[Any]:
        """Return the documents of chemical systems."""
        assert isinstance(chemsys, list)
        assert (thermo_types, all_fields) == (["GGA_GGA+U"], False)
        self.queries.append(chemsys)
        rows = [each for each in self.documents if "-".join(sorted(each["composition"])) in chemsys]
        answer = self.answer([{name: row[name] for name in fields or []} for row in rows])
        self.number = len(answer) if self.number is None else self.number
        return list(answer)

    def count(self, criteria: dict | None = None) -> int:
        """Return the number of documents."""
        assert criteria == {"chemsys": ",".join(self.queries[-1]), "thermo_types": "GGA_GGA+U"}
        number, self.number = self.number, None
        return number or 0


class MPRester:
    """The client."""

    thermo: ThermoRester
    version = "2025.09.25"
    keys: Sequence[str] = ()

    def __init__(
        self,
        api_key: str | None = None,
        endpoint: str | None = None,
        include_user_agent: bool = True,
        use_document_model: bool = True,
        session: Any = None,
        headers: dict | None = None,
        mute_progress_bars: bool = False,
        db_version: str | None = None,
        local_dataset_cache: str | None = None,
        force_renew: bool = False,
        query_builder: Any = None,
        notify_db_version: bool = False,
        **kwargs: Any,
    ) -> None:
        MPRester.keys = [*MPRester.keys, api_key or ""]
        assert not use_document_model
        assert mute_progress_bars
        self.materials = SimpleNamespace(thermo=MPRester.thermo)
        self.session = SimpleNamespace(close=lambda: None)
        self.db_version = db_version or MPRester.version


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ThermoRester:
    """The stand-in, installed, with a key in the environment."""
    package, module = ModuleType("mp_api"), ModuleType("mp_api.client")
    module.MPRester = MPRester  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mp_api", package)
    monkeypatch.setitem(sys.modules, "mp_api.client", module)
    monkeypatch.setenv("MP_API_KEY", SECRET)
    MPRester.thermo, MPRester.keys, MPRester.version = (
        ThermoRester([document(f, e) for f, e in ENERGIES.items()]),
        (),
        "2025.09.25",
    )
    return MPRester.thermo


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove key and client."""
    monkeypatch.delenv("MP_API_KEY", raising=False)
    for name in ("mp_api", "mp_api.client"):
        monkeypatch.setitem(sys.modules, name, None)


def ask(folder: Path, *systems: frozenset[str], **settings: Any) -> Any:
    hull = HullConfig.model_validate({"reference": "mp-api", "live": settings})
    return live_entries(hull, systems or [SALT], folder / "cache", None)


def line(folder: Path, *systems: frozenset[str], **settings: Any) -> str:
    """Return the one line of a call that fails."""
    with pytest.raises(AditError) as error:
        ask(folder, *systems, **settings)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
    return str(error.value)


def test_entries_of_chemical_systems(client: ThermoRester, tmp_path: Path) -> None:
    entries, metadata = ask(tmp_path)
    assert client.queries == [["Cl", "Na", "Cl-Na"]]
    energies = {row["entry_id"]: row["energy_per_atom"] for row in entries.rows}
    assert energies == {"mp-Na": -1.3, "mp-Cl": -1.85, "mp-NaCl": -3.675}
    assert {row["hull_tag"] for row in entries.rows} == {MP2020}
    assert metadata["whole"] == [["Cl", "Na"]]
    (source,) = metadata["sources"]
    assert source["version"].startswith("database 2025.09.25, mp-api ")
    assert source["oldest"].startswith("20")
    assert set(MPRester.keys) == {SECRET}
    assert all(SECRET not in path.read_text() for path in (tmp_path / "cache").iterdir()), "the key is not kept"


def test_only_missing_systems_are_asked_for(
    client: ThermoRester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tmp_path)
    ask(tmp_path, SALT, frozenset({"K", "Cl"}))
    assert client.queries[1:] == [["K", "Cl-K"]]
    absent(monkeypatch)
    entries, _ = ask(tmp_path)
    assert len(entries.rows) == 3, "kept answers need neither key nor client"


def test_adit_hull_with_kept_answers(client: ThermoRester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    mine = table(tmp_path, {"NaCl": -3.575})
    words = ["hull", str(mine), "--hull", "mp-api", "--out", "hull.parquet"]
    assert main(words) == 0
    absent(monkeypatch)
    assert main(words) == 0
    (row,) = store.read_frame(tmp_path / "hull.parquet").to_dict("records")
    assert row["e_above_hull"] == pytest.approx(0.1)
    assert (row["hull_tag"], row["verdict"]) == (MP2020, "unstable")
    other = table(tmp_path, {"KCl": -3.6})
    assert main(["hull", str(other), "--hull", "mp-api", "--out", "hull.parquet"]) == 2


def test_a_missing_key_and_a_missing_client_say_the_way_out(
    client: ThermoRester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MP_API_KEY", " ")
    assert "your key of the Materials Project in the environment variable MP_API_KEY" in line(tmp_path)
    absent(monkeypatch)
    monkeypatch.setenv("MP_API_KEY", SECRET)
    words = line(tmp_path)
    assert "pip install 'adit-pipeline[mp]'" in words
    assert "hull.reference: builtin" in words


def raising(error: Exception) -> Callable[[Any], Any]:
    def answer(_: Any) -> Any:
        raise error

    return answer


DOCUMENTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a refused key": (
        raising(RuntimeError(f"REST query returned 401:\nInvalid authentication {SECRET}")),
        "its client fails (RuntimeError: REST query returned 401: Invalid authentication ***)",
    ),
    "a dead server": (raising(ConnectionError("refused")), "its client fails (ConnectionError: refused)"),
    "an error without words": (raising(KeyError()), "its client fails (KeyError: KeyError)"),
    "another method": (lambda _: [document("NaCl", -3.0, "R2SCAN")], "sends mp-NaCl of R2SCAN; GGA_GGA+U was asked"),
    "other elements": (lambda _: [document("KBr", -3.0)], "sends mp-KBr, whose elements were not asked for"),
    "no energy": (lambda _: [document("NaCl", None)], "sends mp-NaCl without a composition or an energy"),
    "no number": (lambda _: [document("NaCl", float("nan"))], "sends mp-NaCl with nan eV/atom"),
    "no document": (lambda _: ["NaCl"], "sends None of None"),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_an_answer_that_cannot_be_used_is_one_line(name: str, client: ThermoRester, tmp_path: Path) -> None:
    client.answer, words = DOCUMENTS[name]
    text = line(tmp_path)
    assert words in text
    assert "repeat the command to go on, or set hull.reference: builtin" in text
    assert not (tmp_path / "cache").exists(), "nothing is kept of it"


def test_half_of_the_documents_are_not_kept(client: ThermoRester, tmp_path: Path) -> None:
    client.number = 7
    assert "Materials Project: sends 3 of 7 documents" in line(tmp_path)
    assert len(ask(tmp_path)[0].rows) == 3
    assert client.queries == [["Cl", "Na", "Cl-Na"]] * 2


def test_answers_before_a_fault_are_kept(client: ThermoRester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mp_client, "TOGETHER", 2)
    client.answer = lambda rows: rows if len(client.queries) == 1 else raising(OSError("reset"))(rows)
    assert "reset" in line(tmp_path)
    client.answer = lambda rows: rows
    ask(tmp_path)
    assert client.queries == [["Cl", "Na"], ["Cl-Na"], ["Cl-Na"]]


def test_a_slow_server_has_a_limit(client: ThermoRester, tmp_path: Path) -> None:
    client.answer = lambda rows: time.sleep(5) or rows
    start = time.monotonic()
    assert "no answer within 0.2 s (hull.live.timeout_s)" in line(tmp_path, timeout_s=0.2)
    assert time.monotonic() - start < 2


def test_documents_as_objects(client: ThermoRester, tmp_path: Path) -> None:
    """Other versions of the client give objects, enumerations and compositions of pymatgen."""
    from pymatgen.core import Composition

    kind = SimpleNamespace(value="GGA_GGA+U")
    salt = SimpleNamespace(
        material_id="mp-1", composition=Composition("Na4Cl4"), energy_per_atom=-3.4, thermo_type=kind
    )
    client.answer = lambda _: [salt]
    entries, _ = ask(tmp_path)
    (row,) = entries.rows
    assert json.loads(row["composition"]) == {"Cl": 4.0, "Na": 4.0}
    assert row["energy_per_atom"] == -3.4


def test_the_version_of_earlier_clients(client: ThermoRester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 0.46 they had a method."""
    MPRester.version = ""
    monkeypatch.setattr(MPRester, "get_database_version", lambda _: "2023.11.1", raising=False)
    assert ask(tmp_path)[1]["sources"][0]["version"].startswith("database 2023.11.1, mp-api")


def test_versions_that_are_mixed_are_said(
    client: ThermoRester, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "propagate", True)
    ask(tmp_path)
    MPRester.version = "2026.02.01"
    ask(tmp_path, SALT, frozenset({"K", "Cl"}))
    assert "answers of several versions are mixed (database 2025.09.25" in caplog.text


@pytest.mark.parametrize("change", [{"entries": 3}, {"entries": [1]}, {"date": None}, {"key": "x"}])
def test_a_kept_answer_that_was_edited_is_said(change: Mapping[str, Any], client: ThermoRester, tmp_path: Path) -> None:
    ask(tmp_path)
    path = max((tmp_path / "cache").iterdir(), key=lambda each: each.stat().st_size)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert "is no answer that this package kept; delete it and repeat the command" in line(tmp_path)
    path.write_text("{")
    assert len(ask(tmp_path)[0].rows) == 3, "half a file is asked for again"


def test_what_a_run_needs_is_checked_before_it(client: ThermoRester, monkeypatch: pytest.MonkeyPatch) -> None:
    from adit.cli.doctor import _hull
    from adit.config import Config, DoctorStage

    stage = Config.model_validate({"hull": {"reference": "mp-api"}}).stage(DoctorStage)
    assert [each.status for each in _hull(stage)] == ["ok"]
    assert SECRET not in at_hand()
    absent(monkeypatch)
    (finding,) = _hull(stage)
    assert finding.status == "missing"
    assert "MP_API_KEY" in finding.remedy
    assert list(_hull(Config().stage(DoctorStage))) == []


# --- the real client, where it is installed ---------------------------------------------------------------------------


@pytest.mark.slow
def test_the_real_client_against_a_local_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = pytest.importorskip("mp_api.client").MPRester
    from mp_api.client.routes.materials.thermo import ThermoRester as RealThermoRester

    pairs = [(MPRester, real)] + [(getattr(ThermoRester, n), getattr(RealThermoRester, n)) for n in ("search", "count")]
    for stand_in, original in pairs:
        names = [list(inspect.signature(each).parameters) for each in (stand_in, original)]
        assert names[0] == names[1], "the stand-in has the signature of the client"
    monkeypatch.setenv("MP_API_KEY", SECRET)

    def reply(path: str, query: Mapping[str, str]) -> Reply:
        if path.rstrip("/").endswith("heartbeat"):
            return as_json(
                {"status": "OK", "version": "0.90.0", "db_version": "2025.09.25", "access_controlled_batch_ids": []}
            )
        assert path.rstrip("/") == "/materials/thermo"
        assert query["thermo_types"] == "GGA_GGA+U"
        rows = [document(f, e) for f, e in ENERGIES.items()]
        rows = [row for row in rows if "-".join(sorted(row["composition"])) in query["chemsys"].split(",")]
        skip, limit = int(query.get("_skip", 0)), int(query.get("_limit", 100))
        return as_json({"data": rows[skip : skip + limit], "meta": {"total_doc": len(rows)}})

    with running(Server(reply)) as server:
        entries, metadata = ask(tmp_path, endpoint=server.url, timeout_s=30)
        assert {row["entry_id"] for row in entries.rows} == {"mp-Na", "mp-Cl", "mp-NaCl"}
        whole, halves = server.reply, [as_json({"data": [], "meta": {"total_doc": 2}})]
        server.reply = lambda path, query: halves[0] if "_limit" in query else whole(path, query)
        assert "sends 0 of 2 documents" in line(tmp_path, frozenset({"K", "Cl"}), endpoint=server.url, timeout_s=30)
        server.reply = lambda *_: (401, b'{"message": "no"}', {})
        assert "its client fails" in line(tmp_path, frozenset({"K", "Cl"}), endpoint=server.url, timeout_s=30)
    assert "database 2025.09.25" in metadata["sources"][0]["version"]
