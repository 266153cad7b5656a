"""Servers that are slow, broken or liars: a row with its reason, and no verdict that nobody gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit.config import LimitsConfig, LookupConfig
from adit.data.sources.answers import Source
from adit.data.sources.client import AnswerError, Client, Manners
from adit.data.sources.optimade import Paging
from adit.data.sources.retries import Patience
from adit.known.lookup import Places, look_up, places_of
from adit.known.optimade import FIELDS, Optimade
from adit.readers import ReadSettings
from adit.systems import AtomicSystem, Failure
from tests.unit.known.servers import Provider, Reply, Server, as_json, entry, running
from tests.unit.known.test_lookup import ETHANOL, ethanol
from tests.unit.ledger.runs import salt

Answers = Callable[[str, Mapping[str, str]], Reply]
QUICK = Manners(rate=1000.0, patience=Patience(attempts=2, sleep=lambda _: None))


def places(cache: Path, url: str, system: AtomicSystem, **settings: Any) -> Places:
    values = {"providers": [url], "disordered": False, **settings}
    chosen = LookupConfig.model_validate(values)
    manners = Manners(1000.0, chosen.timeout_s, chosen.answer_bytes, Patience(attempts=2, sleep=lambda _: None))
    return places_of(chosen, LimitsConfig(), cache, [system], ReadSettings(), manners)


def row_of(tmp_path: Path, server: Server, system: AtomicSystem | None = None, **settings: Any) -> dict[str, Any]:
    """Look up rock salt and return its row."""
    system = system or salt("salt")
    (row,) = look_up([system], places(tmp_path / "cache", server.url, system, **settings), 1).to_dict("records")
    return {str(name): value for name, value in row.items()}


def changed(**attributes: Any) -> dict[str, Any]:
    """Return the entry of rock salt with other attributes."""
    one = entry(salt("halite"))
    return {**one, "attributes": {**one["attributes"], **attributes}}


def answers(*entries: Any, meta: Mapping[str, Any] | None = None, link: Any = None) -> Answers:
    """Return a server that gives these entries to every query."""
    return lambda *_: as_json({"data": list(entries), "meta": meta or {}, "links": {"next": link}})


def endless(path: str, query: Mapping[str, str]) -> Reply:
    page = int(query.get("page_offset", 0)) + 1
    return as_json({"data": [], "links": {"next": f"{path}?page_offset={page}"}})


BAD_CELL = [[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]]
LIES: dict[str, tuple[Answers, str]] = {
    "another formula": (answers(entry(salt("kbr", anion=35))), "entry kbr is BrNa, not ClNa"),
    "sites of another formula": (
        answers(changed(species_at_sites=["Na", "Br"], species=[])),
        "entry halite is BrNa, not ClNa",
    ),
    "no data": (lambda *_: as_json({"result": []}), "has no list of entries (data)"),
    "a list": (lambda *_: as_json([1, 2]), "has no list of entries (data)"),
    "a web page": (lambda *_: (200, b"<html>Sign in</html>", {}), "the server answers 200 with a web page"),
    "half a page": (lambda *_: (200, b'{"data": [{"id": "a", "attr', {}), "the server answers 200 with no JSON"),
    "half of the bytes": (
        lambda *_: (200, b'{"data": []}', {"Content-Length": "500", "Connection": "close"}),
        "broke off",
    ),
    "none of one entry": (answers(meta={"data_returned": 1}), "sends 0 of 1 entry"),
    "half of the entries": (answers(meta={"data_returned": 7}), "sends 0 of 7 entries"),
    "more without a link": (answers(meta={"more_data_available": True}), "does not say where"),
    "a cell that is no number": (answers(changed(lattice_vectors=BAD_CELL)), "entry halite has no lattice"),
    "a flat cell": (answers(changed(lattice_vectors=[[1, 0, 0], [2, 0, 0], [0, 0, 1]])), "has a flat cell"),
    "a cell of text": (answers(changed(lattice_vectors="cubic")), "entry halite has no lattice"),
    "too few positions": (
        answers(changed(cartesian_site_positions=[[0, 0, 0]])),
        "has no positions of 2 × 3 finite numbers",
    ),
    "no element": (answers(changed(species_at_sites=["Na", "Xx"], species=[])), "species 'Xx', which is not described"),
    "no sites": (answers(changed(species_at_sites=[])), "has no sites"),
    "hidden atoms": (answers(changed(structure_features=["implicit_atoms"])), "does not give all sites"),
    "an entry of text": (answers("halite"), "has no id or no attributes"),
    "pages in a circle": (answers(link="/v1/structures?filter=x"), "its pages repeat without end"),
    "endless pages": (endless, "has more than 3 pages (lookup.pages)"),
    "another host": (answers(link="http://example.org/v1/structures"), "links to another host (example.org)"),
    "another port": (answers(link="http://127.0.0.1:1/v1/structures"), "links to another port or protocol"),
    "a redirect away": (lambda *_: (302, b"", {"Location": "http://example.org/"}), "links to another host"),
    "redirects in a circle": (lambda *_: (302, b"", {"Location": "/v1/structures"}), "redirects in a row"),
    "an error": (lambda *_: as_json({"errors": [{"detail": "bad\nfilter"}]}, 400), "answers 400 (bad filter)"),
    "overload": (lambda *_: (503, b"", {"Retry-After": "1"}), "the server answers 503"),
    "compressed": (lambda *_: (200, b"x", {"Content-Encoding": "gzip"}), "sends compressed data"),
    "too long": (lambda *_: (200, b" " * 200_000, {}), "sends more than 100,000 bytes (lookup.answer_bytes)"),
    "deep": (lambda *_: (200, b"[" * 99_000, {}), "the server answers 200 with no JSON"),
    "no text": (lambda *_: (200, b'{"data": ["\\ud800"]}', {}), "with no JSON"),
    "a huge number": (
        answers(changed(lattice_vectors=[[1e30, 0, 0], [0, 1, 0], [0, 0, 1]])),
        "has no lattice of 3 × 3 finite numbers below 1e+06 Å",
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_a_liar_makes_no_verdict(name: str, tmp_path: Path) -> None:
    reply, reason = LIES[name]
    with running(Server(reply)) as server:
        row = row_of(tmp_path, server, pages=3, answer_bytes=100_000)
    assert (row["known"], row["known_id"]) == ("unknown", "")
    assert reason in row["known_reason"]
    assert "\n" not in row["known_reason"]


def test_answers_that_cannot_be_used_are_not_kept(tmp_path: Path) -> None:
    with running(Server(LIES["no data"][0])) as server:
        assert row_of(tmp_path, server)["known"] == "unknown"
        server.reply = answers()
        assert row_of(tmp_path, server)["known"] == "not-found"


def test_a_match_counts_beside_broken_entries(tmp_path: Path) -> None:
    broken = {**changed(lattice_vectors=BAD_CELL), "id": "broken"}
    with running(Server(answers(broken, "nothing", entry(salt("halite"))))) as server:
        row = row_of(tmp_path, server)
    assert (row["known"], row["known_id"]) == ("known", "halite")


def test_a_slow_server_has_a_limit(tmp_path: Path) -> None:
    with running(Server(answers(), trickle_s=0.05)) as server:
        row = row_of(tmp_path, server, timeout_s=0.5)
    assert row["known"] == "unknown"
    assert "takes more than 0.5 s for an answer (lookup.timeout_s)" in row["known_reason"]
    with running(Server(answers(), delay_s=2.0)) as server:
        row = row_of(tmp_path, server, timeout_s=0.5)
    assert "sent nothing for 0.5 s (lookup.timeout_s)" in row["known_reason"]


def test_a_server_that_fails_is_left_alone(tmp_path: Path) -> None:
    systems = [salt(f"{z}", anion=z) for z in (9, 17, 35, 53, 85)]
    with running(Server(LIES["no data"][0])) as server:
        table = look_up(systems, places(tmp_path, server.url, systems[0]), 1)
        assert len(server.requests) == 3
    assert table["known"].tolist() == ["unknown"] * 5
    assert "not asked any more" in table["known_reason"].tolist()[3]


def test_a_filter_that_a_provider_does_not_know_is_a_remark(tmp_path: Path) -> None:
    with running(Server(Provider([], knows_disorder=False))) as server:
        row = row_of(tmp_path, server, disordered=True)
    assert row["known"] == "not-found"
    assert row["known_reason"].endswith("cannot be asked for disordered phases")


def test_a_failure_is_a_row_with_its_reason() -> None:
    (row,) = look_up([Failure("x", "read", "no atoms")], Places(), 1).to_dict("records")
    assert (row["known"], row["known_reason"]) == ("unknown", "read: no atoms")


def fault(code: str) -> Answers:
    return lambda *_: as_json({"Fault": {"Code": code}}, 404)


def property_of(key: str, compound: Any = 702) -> Answers:
    return lambda *_: as_json({"PropertyTable": {"Properties": [{"CID": compound, "InChIKey": key}]}})


COMPOUNDS = [{"CID": number, "InChIKey": ETHANOL} for number in (177015, 702, 20757)]
SEVERAL = {"PropertyTable": {"Properties": COMPOUNDS}}
MIXED = {"PropertyTable": {"Properties": [{"CID": 962, "InChIKey": "another"}, "nothing", COMPOUNDS[1]]}}
MOLECULAR: dict[str, tuple[Answers, str, str]] = {
    "not there": (fault("PUGREST.NotFound"), "not-found", ""),
    "there": (property_of(ETHANOL), "known", ""),
    "another molecule": (
        property_of("XLYOFNOQVPJJNP-UHFFFAOYSA-N"),
        "unknown",
        f"no compound with the InChIKey {ETHANOL}",
    ),
    "no number": (property_of(ETHANOL, "702"), "unknown", "no compound with the InChIKey"),
    "another 404": (fault("Other"), "unknown", "answers 404 and is not PubChem"),
    "a page": (lambda *_: (404, b"<html>no</html>", {}), "unknown", "answers 404 with a web page"),
    "busy": (lambda *_: (503, b"", {}), "unknown", "answers 503"),
    "broken": (lambda *_: (500, b"oops", {}), "unknown", "answers 500"),
    "several compounds": (lambda *_: as_json(SEVERAL), "known", ""),
    "several keys": (lambda *_: as_json(MIXED), "known", ""),
    "half of the text": (lambda *_: (200, b'{"PropertyTable": {"Prop', {}), "unknown", "answers 200 with no JSON"),
    "no text": (lambda *_: (200, bytes(range(256)), {}), "unknown", "answers 200 with no JSON"),
    "nothing": (lambda *_: (200, b"", {}), "unknown", "answers 200 with no JSON"),
}


@pytest.fixture(scope="module")
def molecule() -> AtomicSystem:
    return ethanol("e")


@pytest.mark.parametrize("name", MOLECULAR)
def test_what_pubchem_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, molecule: AtomicSystem) -> None:
    monkeypatch.setattr("adit.known.lookup.inchikeys", lambda rows, _: [(ETHANOL, "")] * len(rows))
    reply, verdict, reason = MOLECULAR[name]
    with running(Server(reply)) as server:
        row = row_of(tmp_path, server, molecule, providers=[], pubchem=server.url)
    assert row["known"] == verdict
    assert reason in row["known_reason"]
    assert "\n" not in row["known_reason"]
    assert row["known_id"] == ("702" if verdict == "known" else ""), "of several compounds the one of lowest number"
    assert len(list((tmp_path / "cache").glob("*.json"))) == (verdict != "unknown"), "kept only if it can be used"


@pytest.mark.parametrize("speed", [{"trickle_s": 0.05}, {"delay_s": 2.0}])
def test_a_slow_pubchem_has_a_limit(
    speed: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, molecule: AtomicSystem
) -> None:
    monkeypatch.setattr("adit.known.lookup.inchikeys", lambda rows, _: [(ETHANOL, "")] * len(rows))
    with running(Server(property_of(ETHANOL), **speed)) as server:  # type: ignore[arg-type]
        row = row_of(tmp_path, server, molecule, providers=[], pubchem=server.url, timeout_s=0.5)
    assert (row["known"], row["known_id"]) == ("unknown", "")
    assert "0.5 s" in row["known_reason"]
    assert row["known_reason"].endswith("(lookup.timeout_s) (2 attempts)")


def test_queries_wait_for_each_other_and_as_long_as_the_server_asks(tmp_path: Path) -> None:
    clock, waits = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    statuses = [(503, b"", {"Retry-After": "99999"}), (503, b"", {"Retry-After": "2"})]
    reply = answers()
    manners = Manners(4.0, 5.0, patience=Patience(attempts=4, sleep=sleep), clock=lambda: clock[0])
    with running(Server(lambda *words: statuses.pop(0) if statuses else reply(*words))) as server:
        provider = Optimade(Source("optimade", Client(server.url, manners), tmp_path), Paging())
        assert provider.of_formula("ClNa").faults == []
        provider.of_formula("BrNa")
        provider.of_formula("INa")
    assert waits == [300.0, 2.0, 0.25, 0.25]


def test_versions_of_the_address(tmp_path: Path) -> None:
    for base in ("http://a.b/x", "http://a.b/x/v1", "http://a.b/x/v1.1"):
        provider = Optimade(Source("optimade", Client(base, QUICK), tmp_path), Paging())
        expected = base if base.endswith(("v1", "v1.1")) else f"{base}/v1"
        assert provider._provider.address("x", FIELDS).startswith(
            f"{expected}/structures?filter=x&page_limit=50&response_fields="
        )


def test_links_may_add_encryption_and_nothing_else() -> None:
    client = Client("https://a.b/x", QUICK)
    assert client.on_host("https://a.b/x/y", "http://a.b/z?q=1") == "https://a.b/z?q=1"
    assert client.on_host("https://a.b/x/y", "/z") == "https://a.b/z"
    for link in ("http://a.b:80/z", "https://a.b.c/", "ftp://a.b/", "//user@a.b/", "http://a.b:port/"):
        with pytest.raises(AnswerError):
            client.on_host("https://a.b/x", link)


def test_a_kept_answer_that_was_edited_is_said(tmp_path: Path) -> None:
    with running(Server(answers())) as server:
        assert row_of(tmp_path, server)["known"] == "not-found"
        (path,) = (tmp_path / "cache").glob("optimade-*.json")
        record = json.loads(path.read_text())
        assert record["date"].startswith("20")
        assert record["key"].startswith(server.url)
        path.write_text(json.dumps({**record, "body": 3}))
        assert "is not an answer that this package stored" in row_of(tmp_path, server)["known_reason"]
        path.write_text("{")
        assert row_of(tmp_path, server)["known"] == "not-found"


def test_entries_of_shared_and_empty_sites(tmp_path: Path) -> None:
    shares = {"Na": {"Na": 0.5, "K": 0.5}, "Cl": {"Cl": 0.9, "vacancy": 0.1}}
    with running(Server(answers(entry(salt("mixed"), shares)))) as server:
        provider = Optimade(Source("optimade", Client(server.url, QUICK), tmp_path), Paging())
        response = provider.disordered(["Cl", "K", "Na"])
        (phase,) = response.phases
        assert not response.faults
        assert provider.disordered(["Cl", "Na"]).remarks
    amounts = phase.structure.amounts  # type: ignore[union-attr]
    np.testing.assert_allclose([amounts[name] for name in ("Cl", "K", "Na")], np.array([0.9, 0.5, 0.5]) / 1.9)
