"""References of OPTIMADE providers: which energies are accepted, kept answers, servers that fail or lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from adit import store
from adit.api.references import public_files
from adit.cli import main
from adit.config import HullConfig
from adit.data.sources.client import Manners
from adit.data.sources.retries import Patience
from adit.errors import DataError
from adit.hull.hull import read_reference
from adit.hull.live import askable, live_entries, subsystems
from adit.progress import log
from tests.unit.hull.databases import ELEMENTS, MP2020, SALTS, Database, entry, mirror, of_mp, table
from tests.unit.known.servers import Reply, Server, as_json, running

SALT = frozenset({"Na", "Cl"})


@pytest.fixture
def messages(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The messages of the package, also after a command in the same process."""
    monkeypatch.setattr(log, "propagate", True)
    caplog.set_level("INFO", "adit")
    return caplog


QUICK = Manners(1000.0, 5.0, 100_000, Patience(attempts=2, sleep=lambda _: None), section="hull.live")


def section(*urls: str, **settings: Any) -> HullConfig:
    providers = [{"address": url} for url in urls]
    return HullConfig.model_validate({"reference": "optimade", "live": {"providers": providers, **settings}})


def ask(hull: HullConfig, folder: Path, *systems: frozenset[str], manners: Manners = QUICK) -> Any:
    return live_entries(hull, systems or [SALT], folder / "cache", public_files(str(mirror(folder))), manners)


def named(url: str, **keys: Any) -> HullConfig:
    """Return a section with one provider, whose energy is named."""
    provider = {"address": url, "energy": "_own_energy", "tag": MP2020, **keys}
    return HullConfig.model_validate({"reference": "optimade", "live": {"providers": [provider]}})


def line(error: BaseException) -> str:
    assert "\n" not in str(error)
    return str(error)


# --- a provider as the Materials Project's ----------------------------------------------------------------------------


def place(folder: Path, url: str, name: str = "hull.parquet") -> pd.DataFrame:
    """Run ``adit hull`` with a provider and return the table by id."""
    mine = table(folder, {"NaCl": -3.675, "Na3Cl": -2.0})
    words = [
        "--provider",
        url,
        "--mirror",
        str(mirror(folder)),
        "--out",
        str(folder / name),
        "--log",
        str(folder / "hull.log"),
    ]
    config = folder / "config.yaml"
    config.write_text("hull: {live: {rate: 10, timeout_s: 5}}\n")
    assert main(["hull", str(mine), *words, "--config", str(config)]) == 0
    return store.read_frame(folder / name).set_index("system_id")


def test_a_hull_of_a_provider_and_the_same_one_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    with running(Server(Database(SALTS, page=1))) as server:
        first = place(tmp_path, server.url)
        requests = len(server.requests)
        assert requests == 6, "the description, Cl, Na, three pages of Cl-Na"
        place(tmp_path, server.url)
        assert len(server.requests) == requests, "kept answers are not asked for again"
    last = place(tmp_path, server.url, "offline.parquet")
    pd.testing.assert_frame_equal(first, last)
    salt = (ELEMENTS["Na"] + ELEMENTS["Cl"]) / 2 - 2.1
    assert first.loc["NaCl", "e_above_hull"] == pytest.approx(-3.675 - salt)
    assert first.loc["NaCl", "formation_energy_per_atom"] == pytest.approx(-2.1)
    rich = (3 * ELEMENTS["Na"] + ELEMENTS["Cl"]) / 4 - 2.1 / 2
    assert first.loc["Na3Cl", "e_above_hull"] == pytest.approx(-2.0 - rich)
    assert set(first["hull_tag"]) == {MP2020}
    stored = store.read_metadata(tmp_path / "hull" / "optimade.parquet")
    assert stored["whole"] == [["Cl", "Na"]]
    (one,) = stored["sources"]
    assert one["version"] == "OPTIMADE 1.2.0 local 0.7"
    assert one["oldest"].startswith("20")
    assert one["oldest"] <= one["newest"]
    assert "(OPTIMADE 1.2.0 local 0.7), answers of 20" in (tmp_path / "hull.log").read_text()


def test_only_the_lowest_energy_matters_and_all_entries_are_in_the_table(tmp_path: Path) -> None:
    with running(Server(Database(SALTS))) as server:
        entries, _ = ask(section(server.url), tmp_path)
    rows = {row["entry_id"]: row for row in entries.rows}
    assert set(rows) == {"element-Na", "element-Cl", *(each["id"] for each in SALTS)}
    assert rows["mp-nacl3"]["energy_per_atom"] == pytest.approx((ELEMENTS["Na"] + 3 * ELEMENTS["Cl"]) / 4 - 0.4)
    assert json.loads(str(rows["mp-nacl3"]["composition"])) == {"Cl": 3.0, "Na": 1.0}


def test_the_stage_asks_for_the_systems_of_relaxed_structures(tmp_path: Path) -> None:
    from tests.unit.ledger.runs import salt

    relaxed = tmp_path / "0.parquet"
    store.write_systems(relaxed.with_suffix(".arrow"), [salt("halite")])
    store.write_frame(relaxed, pd.DataFrame({"system_id": ["halite"]}))
    with running(Server(Database(SALTS))) as server:
        stage = {"relax": {}, "hull": section(server.url, rate=10).model_dump()}
        words = ["stage", "reference", "--config", json.dumps(stage), "--relaxed", str(relaxed), "--cache"]
        words += [str(tmp_path / "state"), "--mirror", str(mirror(tmp_path)), "--out", str(tmp_path / "r.parquet")]
        assert main(words) == 0
    hull = read_reference(tmp_path / "r.parquet")
    assert hull.energy_at({"Na": 1, "Cl": 1}) == pytest.approx(-3.675)
    assert hull.gaps(frozenset({"Na", "Cl"})) == []
    assert hull.gaps(frozenset({"Na", "Cl", "K"})) == ["K", "Cl-K", "K-Na"], "not asked for: unknown"


def test_a_run_without_a_relaxed_structure_has_an_empty_hull(tmp_path: Path) -> None:
    relaxed = tmp_path / "0.parquet"
    store.write_systems(relaxed.with_suffix(".arrow"), [])
    store.write_frame(relaxed, pd.DataFrame({"system_id": []}))
    stage = {"relax": {}, "hull": section("http://127.0.0.1:9").model_dump()}
    words = ["stage", "reference", "--config", json.dumps(stage), "--relaxed", str(relaxed), "--cache"]
    assert main([*words, str(tmp_path / "state"), "--out", str(tmp_path / "r.parquet")]) == 0
    hull = read_reference(tmp_path / "r.parquet")
    assert (hull.tag, hull.entries) == (MP2020, {})


# --- which energies are accepted --------------------------------------------------------------------------------------

OQMD = Database([entry("1", "ClNa", _oqmd_delta_e=-2.0)], {"_oqmd_delta_e": {"unit": "eV/atom"}})
NOTHING = Database([entry("1", "ClNa")], {"_cod_authors": {}})


@pytest.mark.parametrize(
    ("database", "words"),
    [
        (OQMD, "of another method (_oqmd_delta_e: vasp/PBE(+U)/OQMD) than the hull (vasp/PBE(+U)/MP2020)"),
        (NOTHING, "has no energies that are known here; name energy and tag in hull.live.providers "
                  "(properties of its own: _cod_authors)"),
    ],
)  # fmt: skip
def test_energies_of_other_methods_are_refused(
    database: Database, words: str, tmp_path: Path, messages: pytest.LogCaptureFixture
) -> None:
    with running(Server(database)) as other, running(Server(Database(SALTS))) as server:
        with pytest.raises(DataError) as error:
            ask(section(other.url), tmp_path)
        assert words in line(error.value)
        assert "hull.reference: builtin" in str(error.value)
        assert len(other.requests) == 1, "no entry is asked for"
        entries, metadata = ask(section(other.url, server.url), tmp_path)
    assert messages.text.count(words) == 2, "one line a call"
    assert {row["hull_tag"] for row in entries.rows} == {MP2020}
    assert [each["name"] for each in metadata["sources"]] == [server.url.removeprefix("http://")]


def test_a_hull_of_another_method(tmp_path: Path) -> None:
    with running(Server(OQMD)) as server, pytest.raises(DataError, match="is a formation energy, and energies of the"):
        ask(section(server.url, tag="vasp/PBE(+U)/OQMD"), tmp_path)


@pytest.mark.parametrize(
    ("unit", "keys", "value", "energy"),
    [
        ("eV", {}, -27.2, -3.4),
        (None, {"per": "cell"}, -27.2, -3.4),
        ("eV/atom", {}, -3.4, -3.4),
        ("eV/atom", {"kind": "formation"}, -2.1, -3.675),
    ],
)
def test_a_named_energy(unit: str | None, keys: dict[str, Any], value: float, energy: float, tmp_path: Path) -> None:
    lone = [entry(name, name, 1, _own_energy=0.0) for name in ("Na", "Cl")]
    database = Database([*lone, entry("1", "ClNa", 8, _own_energy=value)], {"_own_energy": {"unit": unit}})
    with running(Server(database)) as server:
        entries, metadata = ask(named(server.url, **keys), tmp_path)
    (row,) = [row for row in entries.rows if row["entry_id"] == "1"]
    assert row["energy_per_atom"] == pytest.approx(energy)
    assert metadata["whole"] == [], "whether it holds all compounds is not known"


@pytest.mark.parametrize(
    ("unit", "keys", "words"),
    [
        ("kJ/mol", {}, "_own_energy is in kJ/mol, not in eV/atom or eV"),
        (None, {}, "does not say the unit of _own_energy; set per: atom or cell"),
        ("eV", {"per": "atom"}, "says that _own_energy is in eV; per: atom contradicts it"),
        ("eV", {"energy": "_own_other"}, "has no property _own_other (properties of its own: _own_energy)"),
    ],
)
def test_an_energy_in_another_unit_is_refused(
    unit: str | None, keys: dict[str, Any], words: str, tmp_path: Path
) -> None:
    database = Database([entry("1", "ClNa", _own_energy=-3.4)], {"_own_energy": {"unit": unit}})
    with running(Server(database)) as server, pytest.raises(DataError) as error:
        ask(named(server.url, **keys), tmp_path)
    assert words in line(error.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no energy": (entry("x", "ClNa", _own_energy=None), "has no _own_energy"),
    "a truth value": (entry("x", "ClNa", _own_energy=True), "has no _own_energy"),
    "a text": (entry("x", "ClNa", _own_energy="-3"), "has no _own_energy"),
    "no number": (entry("x", "ClNa", _own_energy=float("nan")), "has no _own_energy"),
    "a huge number": (entry("x", "ClNa", _own_energy=-4000.0), "which is no total energy"),
    "sites of another formula": (entry("x", "ClNa", 3, _own_energy=-7.0), "has 3 sites, no multiple of the 2 atoms"),
    "no sites": (entry("x", "ClNa", 0, _own_energy=-7.0), "has 0 sites, no multiple"),
    "other elements": (
        entry("x", "BrK", _own_energy=-7.0, elements=["Cl", "Na"]),
        "is BrK, not of Cl-Na, which was asked for",
    ),
    "no formula": (
        entry("x", "ClNa", _own_energy=-7.0, chemical_formula_reduced="?"),
        "has no formula that can be read",
    ),
    "an empty formula": (entry("x", "ClNa", _own_energy=-7.0, chemical_formula_reduced=None), "has no formula"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_entry_without_a_usable_energy_is_a_row_with_its_reason(
    name: str, tmp_path: Path, messages: pytest.LogCaptureFixture
) -> None:
    wrong, reason = WRONG[name]
    good = [entry(each, each, 1, _own_energy=-1.0) for each in ("Na", "Cl")]
    with running(Server(Database([*good, wrong], {"_own_energy": {"unit": "eV"}}))) as server:
        entries, _ = ask(named(server.url), tmp_path)
    (row,) = [row for row in entries.rows if row["entry_id"] == "x"]
    assert row["status"] == "failed"
    assert np.isnan(row["energy_per_atom"])
    assert reason in row["reason"]
    assert f"1 of 3 entries not used: entry x {row['reason']}" in messages.text


def test_a_compound_without_an_energy_of_the_method_leaves_its_system_unknown(tmp_path: Path) -> None:
    """Its energy would lower the hull: a pair without another compound is a gap."""
    only = of_mp("mp-new", "Cl2K", -1.0, "r2scan")
    databases = Database([*SALTS, of_mp("mp-k", "K", 0.0), only])
    with running(Server(databases)) as server:
        entries, metadata = ask(section(server.url), tmp_path, SALT, frozenset({"K", "Cl"}))
    (row,) = [row for row in entries.rows if row["entry_id"] == "mp-new"]
    assert row["reason"] == "has no _mp_stability of gga_gga+u, only of r2scan"
    assert metadata["whole"] == [["Cl", "Na"], ["K"]]


# --- servers that fail ------------------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[Reply, str]] = {
    "half a page": ((200, b'{"data": [{"id": "a", "attr', {}), "the server answers 200 with no JSON"),
    "half of the bytes": (
        (200, b'{"data": []}', {"Content-Length": "500", "Connection": "close"}),
        "broke off",
    ),
    "half of the entries": (as_json({"data": [], "meta": {"data_returned": 7}}), "sends 0 of 7 entries"),
    "more without a link": (as_json({"data": [], "meta": {"more_data_available": True}}), "does not say where"),
    "a web page": ((200, b"<html>Sign in</html>", {}), "with a web page"),
    "an error": (as_json({"errors": [{"detail": "bad filter"}]}, 400), "answers 400 (bad filter)"),
    "overload": ((503, b"", {"Retry-After": "1"}), "the server answers 503"),
    "too long": ((200, b" " * 200_000, {}), "sends more than 100,000 bytes (hull.live.answer_bytes)"),
    "another host": (as_json({"data": [], "links": {"next": "http://example.org/v1"}}), "links to another host"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_and_the_answers_before_it_are_kept(name: str, tmp_path: Path) -> None:
    reply, words = FAULTS[name]
    database = Database(SALTS, lies={"Cl-Na": reply})
    with running(Server(database)) as server:
        with pytest.raises(DataError) as error:
            ask(section(server.url), tmp_path)
        assert words in line(error.value)
        assert "repeat the command to go on, or set hull.reference: builtin" in str(error.value)
        database.lies.clear()
        server.requests.clear()
        entries, _ = ask(section(server.url), tmp_path)
    assert all("Cl%22%2C%22Na" in request for request in server.requests), "the kept answers are not asked for again"
    assert len(entries.rows) == len(SALTS) + 2


def test_a_slow_server_has_a_limit(tmp_path: Path) -> None:
    manners = Manners(1000.0, 0.5, 100_000, Patience(attempts=1), section="hull.live")
    with running(Server(Database(SALTS), trickle_s=0.05)) as server, pytest.raises(DataError) as error:
        ask(section(server.url), tmp_path, manners=manners)
    assert "takes more than 0.5 s for an answer (hull.live.timeout_s)" in line(error.value)


def test_a_dead_server_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be reached .* are kept in .*: repeat the command") as error:
        ask(section("http://127.0.0.1:9"), tmp_path)
    line(error.value)


def test_too_many_pages_name_the_key(tmp_path: Path) -> None:
    with running(Server(Database(SALTS, page=1))) as server, pytest.raises(DataError, match=r"\(hull\.live\.pages\)"):
        ask(section(server.url, pages=2), tmp_path)


# --- systems and settings ---------------------------------------------------------------------------------------------


def test_systems_inside_others_are_asked_for_once(messages: pytest.LogCaptureFixture) -> None:
    every = [frozenset(text.split("-")) for text in ("Na", "Cl-Na", "Cl-K", "Cl-K-Na", "B-C-H-N-O-P-S-Si")]
    systems = askable(every, 7)
    assert systems == {frozenset({"Cl", "K", "Na"})}
    assert "1 chemical system of more than 7 elements not asked for (hull.live.max_elements)" in messages.text
    assert ["-".join(sorted(each)) for each in subsystems(systems)] == [
        "Cl",
        "K",
        "Na",
        "Cl-K",
        "Cl-Na",
        "K-Na",
        "Cl-K-Na",
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reference": "optimade"}, r"set hull\.live\.providers"),
        ({"live": {"providers": [{"address": "http://a.b", "energy": "_x_e"}]}}, "name both"),
        ({"live": {"providers": [{"address": "http://a.b", "per": "cell"}]}}, "per and kind describe"),
        ({"live": {"providers": [{"address": "http://a.b", "energy": "nsites", "tag": MP2020}]}}, "is no property"),
        ({"live": {"tag": "PBE"}}, "is no energy tag"),
        ({"live": {"tag": "a/$(id)/c"}}, "is no energy tag"),
        ({"live": {"providers": [{"address": "a.b"}]}}, "is no address of a server"),
    ],
)
def test_settings_that_cannot_work(values: Mapping[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        HullConfig.model_validate(values)


def test_whose_hull_it_is() -> None:
    assert section("http://a.b").of_materials_project
    assert not section("http://a.b", tag="vasp/PBEsol/none").of_materials_project
    assert HullConfig(reference="mp-api").of_materials_project
    assert not HullConfig(reference="builtin").of_materials_project
