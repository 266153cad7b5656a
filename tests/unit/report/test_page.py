"""The page and the manifest from runs written here: complete, with parts missing, and with hostile text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from adit import store
from adit.config import Config, ReportStage
from adit.report.candidates import gallery
from adit.report.page import build
from adit.report.paper import headline
from adit.report.run.inputs import load_run
from adit.report.words import outcome
from adit.systems import AtomicSystem, Failure, Kind

HOSTILE = "<script>alert('x')</script><img src=http://evil.test/a.png>"
SCRIPTS = ["assets/page.js", "data/crystal.js", "data/molecule.js"]
CHGNET = "chgnet-0.3.0/PBE(+U)/MP2020"


def salt(system_id: str, shift: float = 0.0) -> AtomicSystem:
    cell = np.array([[0, 2.82, 2.82], [2.82, 0, 2.82], [2.82, 2.82, 0]])
    return AtomicSystem(
        system_id, Kind.CRYSTAL, np.array([11, 17]), np.array([[0, 0, 0], [2.82 + shift, 2.82, 2.82]]), cell
    )


def water(system_id: str) -> AtomicSystem:
    positions = np.array([[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]])
    return AtomicSystem(system_id, Kind.MOLECULE, np.array([8, 1, 1]), positions)


def rate(kind: str, population: str, metric: str, protocol: str, numerator: int) -> dict[str, Any]:
    record = {"kind": kind, "population": population, "metric": metric, "protocol": protocol, "basis": "asked for"}
    return {**record, "numerator": numerator, "denominator": 4, "value": numerator / 4, "low": 0.0, "high": 1.0}


VIEWER_SHA256 = "f7cc78921ae72e7623e89cdd111434f58c2efddd2ffda1cd212644b406fb8016"
"""Of 3Dmol.js, as its authors publish it."""


def write_run(folder: Path, text: str = "too close", code: str = "gpaw") -> Path:
    """Write a small complete run; ``text`` stands wherever text of other programs or of file names may stand."""
    crystals = [salt("crystal-0-0"), salt("crystal-0-1", 0.1), Failure("crystal-0-2", "decode", text, Kind.CRYSTAL)]
    store.write_systems(folder / "samples/crystal/0.arrow", crystals)
    store.write_systems(folder / "relaxed/crystal/0.arrow", crystals)
    store.write_systems(folder / "samples/molecule/0.arrow", [water("molecule-0-0")])
    crystal = {
        "system_id": ["crystal-0-0", "crystal-0-1", "crystal-0-2"],
        "status": ["ok", "ok", "failed"],
        "reason": ["", "", f"decode: {text}"],
        "formula": ["ClNa", text, ""],
        "n_atoms": [2, 2, 0],
        "overall_validity": [True, False, False],
        "spacegroup": [225, 1, 0],
        "relaxed_spacegroup": [225, 225, 0],
        "relax_status": ["converged", "unconverged", "failed"],
        "e_above_hull": [0.05, -0.2, np.nan],
    }
    store.write_frame(folder / "scores/crystal.parquet", pd.DataFrame(crystal))
    molecule = {"system_id": ["molecule-0-0"], "status": ["ok"], "formula": ["H2O"], "n_atoms": [3], "validity": [True]}
    checks = {"posebusters_status": ["ok"], "posebusters_bond_lengths": [True], "posebusters_bond_angles": [False]}
    store.write_frame(folder / "scores/molecule.parquet", pd.DataFrame(molecule | checks | {"smiles": [text]}))
    summary = [
        rate("crystal", "samples", "overall_validity", "adit", 1),
        rate("crystal", "train", "overall_validity", "adit", 4),
        rate("crystal", "samples", "density_validity", "strict", 2),
        rate("molecule", "samples", "validity", "strict", 4),
    ]
    store.write_json(folder / "scores/summary.json", [{**r, "basis": text} for r in summary])
    steps = [("asked", 3, {}), ("decoded", 2, {text: 1}), ("valid", 1, {"composition": 1})]
    store.write_json(
        folder / "scores/funnel.json", [{"kind": "crystal", "step": s, "count": n, "reasons": r} for s, n, r in steps]
    )
    hull = pd.DataFrame({"system_id": ["crystal-0-0"], "energy_tag": CHGNET, "hull_tag": CHGNET, "surrogate": False})
    store.write_frame(folder / "hull/hull.parquet", hull)
    selected = pd.DataFrame(
        {"system_id": ["crystal-0-0", "crystal-0-1"], "selected": [True, False], "reason": ["", text]}
    )
    store.write_frame(folder / "dft/selected.parquet", selected)
    result = {"system_id": "crystal-0-0", "status": "converged", "code": code, "energy": -27.0, "wall_s": 61.0}
    store.write_json(folder / "dft/crystal-0-0/result.json", {**result, "warnings": [text]})
    store.write_frame(folder / "dft/0.parquet", pd.DataFrame([{**result, "energy_tag": f"{code}/PBE/none"}]))
    metrics = {"step": [0, 0, 50, 50], "split": ["train", "val"] * 2, "loss": [3.0, 3.1, 1.0, 1.2], "types": 0.5}
    store.write_frame(folder / "vae/metrics.csv", pd.DataFrame({**metrics, "atoms_per_s": 900.0}))
    store.write_json(
        folder / "vae/config.json", {"parameters": 12345, "steps": 50, "minutes": 1.5, "model": {"d": text}}
    )
    stats = {"dataset": text, "kind": "crystal", "n_systems": {"train": 7}, "n_failed": 1, "failures": {text: 1}}
    stats |= {"size_histogram": {"2": 7}, "elements": {"Na": 7, text: 1}, "spacegroups": {"225": 7}, "citation": text}
    store.write_json(folder / "data/a.stats.json", {**stats, "source": text, "licence": "MIT"})
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    store.write_text(folder / "benchmarks/relax-crystal-0.tsv", f"{header}30.0\t0:00:30\t900.0\t50.0\n")
    store.write_text(folder / "benchmarks/relax-crystal-1.tsv", f"{header}12.5\t0:00:12\t-\tNA\n")
    return folder


def write_page(run: Path, title: str = "Test run", config: str | None = None) -> str:
    stage = Config.model_validate({"report": {"title": title}}).stage(ReportStage)
    build.report(stage, run, run / "report", Config().model_dump_json() if config is None else config)
    return (run / "report/index.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects the tags of a page and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.items: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.items.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave figures out of pages whose other parts are looked at."""
    monkeypatch.setattr(build, "save_drawing", lambda drawing, folder: Markup("<svg></svg>"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_page(write_run(tmp_path_factory.mktemp("run")))


def test_page_has_every_section_and_its_numbers(page: str) -> None:
    text = " ".join(" ".join(Tags(page).text).split())
    for section in ("headline", "funnel", "best", "samples", "dft", "training", "data", "manifest"):
        assert f'<section id="{section}">' in page
    for wanted in (  # the text has plain spaces: split() takes narrow and non-breaking ones too
        "25.0",
        "1/4",
        "ADiT joint 91.9",
        "0.050 eV/atom",
        "225 → 225",
        "12 345",
    ):
        assert wanted in text, wanted
    assert "Of 3 requested crystals, 1 is valid." in text


def test_hostile_text_is_shown_as_text(tmp_path: Path) -> None:
    page = write_page(write_run(tmp_path, HOSTILE), title=HOSTILE)
    tags = Tags(page)
    assert not [attributes for tag, attributes in tags.items if tag == "img"]
    assert [attributes.get("src") for tag, attributes in tags.items if tag == "script"] == SCRIPTS
    for path in (tmp_path / "report/data").iterdir():
        assert "<" not in path.read_text(encoding="utf-8"), path
    assert HOSTILE in "".join(tags.text)
    names = [path.name for path in (tmp_path / "report/figures").iterdir()]
    assert names
    assert all(re.fullmatch(r"[A-Za-z0-9-]+\.(svg|pdf|csv)", name) for name in names)


@pytest.mark.usefixtures("quick")
def test_scripts_lie_beside_the_page(tmp_path: Path) -> None:
    write_page(write_run(tmp_path))
    for name in [
        *SCRIPTS,
        "assets/3Dmol-min.js",
        "assets/3Dmol-LICENSE.txt",
        "data/crystal-0.js",
        "data/molecule-0.js",
    ]:
        assert (tmp_path / "report" / name).is_file(), name
    assert store.sha256(tmp_path / "report/assets/3Dmol-min.js") == VIEWER_SHA256


def test_links_lead_to_files(tmp_path: Path) -> None:
    page = write_page(write_run(tmp_path))
    links = [v for _, attributes in Tags(page).items for k, v in attributes.items() if k == "href" and v]
    files = [link for link in links if not link.startswith(("#", "data:"))]
    assert {"references.bib", "summary.json", "manifest.json", "tables/table-1.csv"} <= set(files)
    for file in files:
        assert (tmp_path / "report" / file).is_file(), file


@pytest.mark.usefixtures("quick")
def test_table_holds_every_row_and_why_it_failed(tmp_path: Path) -> None:
    write_page(write_run(tmp_path))
    text = (tmp_path / "report/data/crystal.js").read_text(encoding="utf-8")
    table = json.loads("[" + text.removeprefix("window.adit.table(").removesuffix(");\n") + "]")[1]
    assert table["values"]["system_id"] == ["crystal-0-1", "crystal-0-0", "crystal-0-2"], "lowest above the hull first"
    assert table["values"]["why_not"] == [None, None, "decode: too close"]
    assert table["values"]["e_above_hull"] == [-0.2, 0.05, None]
    assert table["values"]["overall_validity"] == [0, 1, 0]
    titles = {column["name"]: column["title"] for column in table["columns"]}
    assert titles["why_not"] == "why not"


def test_page_loads_nothing_from_elsewhere(page: str) -> None:
    for tag, attributes in Tags(page).items:
        assert tag not in ("link", "iframe", "object", "embed", "base"), tag
        for name in ("href", "xlink:href", "action", "data", "src"):
            target = attributes.get(name) or "#"
            assert re.match(r"#|data:|(assets|data|figures|tables)/|\w+\.(json|bib)$", target), (tag, attributes)
    assert not re.search(r"@import|url\((?!#)", page)
    assert "default-src 'none'" in page
    assert "script-src 'self' file:;" in page, "no script in the page itself runs"


def test_ids_are_unique_and_references_resolve(page: str) -> None:
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    wanted = {*re.findall(r"url\(#([^)]+)\)", page), *re.findall(r'href="#([^"]+)"', page)}
    assert {name for name in wanted if not name.startswith("row=")} <= set(ids), "rows are opened by the script"


def test_run_may_be_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    absolute = load_run(write_run(tmp_path / "results/demo"), "{}")
    monkeypatch.chdir(tmp_path)
    relative = load_run(Path("results/demo"), "{}")
    for name in ("summary", "funnel", "datasets", "dft", "benchmarks", "problems"):
        assert repr(getattr(relative, name)) == repr(getattr(absolute, name)), name
    assert len(relative.dft) == len(relative.datasets) == 1
    assert len(gallery.crystals(relative, 5)) == 2


def test_same_run_same_page(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    (run / "data/a.stats.json").unlink()
    stamp = re.compile(r"\d{4}-\d\d-\d\d")
    first, second = write_page(run), write_page(run)
    assert stamp.sub("", first) == stamp.sub("", second)


@pytest.mark.usefixtures("quick")
def test_empty_run_says_what_is_missing(tmp_path: Path) -> None:
    page = write_page(tmp_path, config="{}")
    for missing in (
        "This run has no scores",
        "No structure was selected for DFT",
        "No training",
        "No dataset statistics",
    ):
        assert missing in page


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "part", ["scores", "scores/crystal.parquet", "samples", "relaxed", "dft", "vae/metrics.csv", "hull"]
)
def test_any_part_may_be_missing(tmp_path: Path, part: str) -> None:
    import shutil

    run = write_run(tmp_path / "run")
    shutil.rmtree(run / "data")
    shutil.rmtree(run / part) if (run / part).is_dir() else (run / part).unlink()
    assert "Run manifest" in write_page(run)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "part", ["scores/summary.json", "scores/crystal.parquet", "dft/0.parquet", "relaxed/crystal/0.arrow"]
)
def test_broken_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    run = write_run(tmp_path)
    monkeypatch.chdir(tmp_path.parent)  # commands of the page are for the folder that the workflow runs in
    (run / "data/a.stats.json").unlink()
    (run / part).write_bytes(b"cut short")
    page = write_page(run)
    assert "A file could not be read" in page
    assert part in page
    assert str(tmp_path) not in page
    assert any(part in problem for problem in store.read_json(run / "report/manifest.json")["problems"])


def test_fallback_is_said_to_be_no_dft(tmp_path: Path) -> None:
    config = Config.model_validate({"dft": {"engine": "gpaw", "fallback": "gfn1-xtb"}}).model_dump_json()
    run = load_run(write_run(tmp_path, code="gfn1-xtb"), config)
    first = outcome.notices(run)[0]
    assert (first.tone, first.title) == ("warning", "No DFT: these relaxations are GFN1-xTB")
    assert "GPAW was configured" in first.text
    assert "not density-functional theory" in first.text
    assert outcome.sentence(run).endswith("GFN1-xTB converged for 1 of the 1 selected structures.")


def test_the_page_says_why_gpaw_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    config = Config.model_validate({"dft": {"engine": "gpaw", "fallback": "gfn1-xtb"}}).model_dump_json()
    line = "GPAW is not installed: c/zero.c:8: fatal error: algorithm: No such file. To get it: RETRY_GPAW=1 make env"
    run = load_run(write_run(tmp_path, text=line, code="gfn1-xtb"), config)
    assert f"so the run used the fallback. {line}. GFN1-xTB is" in outcome.notices(run)[0].text


def test_real_dft_has_no_fallback_notice(page: str) -> None:
    assert "DFT (GPAW) converged for 1 of the 1 selected structures" in page
    assert "No DFT" not in page


def test_surrogate_energies_are_a_warning(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    hull = pd.DataFrame({"energy_tag": [CHGNET], "hull_tag": ["vasp/PBE(+U)/MP2020"], "surrogate": [True]})
    store.write_frame(run / "hull/hull.parquet", hull)
    tones = {notice.title: notice.tone for notice in outcome.notices(load_run(run, "{}"))}
    assert tones["Stability is a surrogate"] == "warning"


def test_gallery_puts_converged_relaxations_first(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path), "{}")
    cards = gallery.crystals(run, 5)
    assert [card.system_id for card in cards] == ["crystal-0-0", "crystal-0-1"], "the lower one did not converge"
    assert str(cards[0].title) == "NaCl"
    assert ("metastable", "fair") in cards[0].badges
    assert len(gallery.crystals(run, 1)) == 1
    assert gallery.crystals(run, 0) == []


def test_molecule_card_counts_posebusters(tmp_path: Path) -> None:
    (card,) = gallery.molecules(load_run(write_run(tmp_path), "{}"), 5)
    assert dict(card.facts)["PoseBusters"] == "1/2"
    assert len(card.pictures) == 2
    assert str(card.title) == "H<sub>2</sub>O"


def test_without_a_valid_molecule_others_are_shown_as_not_valid(tmp_path: Path) -> None:
    run = load_run(write_run(tmp_path), "{}")
    run.scores["molecule"] = run.scores["molecule"].assign(validity=False, reason="no bonding fits")
    (card,) = gallery.molecules(run, 5)
    assert card.badges == [("not valid", "bad")]
    assert dict(card.facts)["why"] == "no bonding fits"
    assert len(card.pictures) == 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"asked": 9, "valid": 3, "relaxed": 2, "stable": 0, "unique": 0, "novel": 0},
            "3 are valid, of those 2 relaxed, none is below",
        ),
        ({"asked": 9, "valid": 0, "unique": 0, "novel": 0}, "Of 9 requested crystals, none is valid."),
        ({"asked": 9, "valid": 2, "unique": 1, "novel": 1}, "2 are valid, of those 1 is unique and novel."),
    ],
)
def test_outcome_stops_where_nothing_is_left(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    steps = [{"kind": "crystal", "step": step, "count": count} for step, count in counts.items()]
    store.write_json(tmp_path / "scores/funnel.json", steps)
    assert message in outcome.sentence(load_run(tmp_path, "{}"))


def test_published_numbers_stand_beside_their_protocol_only() -> None:
    records = [rate("crystal", "samples", "chgnet_surrogate_stable", protocol, 1) for protocol in ("adit", "mattergen")]
    assert [record["protocol"] for record in headline.split(records)[0]] == ["adit"]
    ours, theirs = (row[-1].note for row in headline.headline("crystal", records).rows)
    assert "ADiT\u00a0joint\u00a015.4" in ours
    assert "MatterGen" not in ours
    assert theirs == "MatterGen\u2011MP\u00a013.0"


def test_a_run_from_weights_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    from_weights = '{"model": {"source": "finetune", "weights": "weights"}}'
    assert any(
        "training data of the weights" in notice.title for notice in outcome.notices(load_run(run, from_weights))
    )
    assert outcome.trained_on(load_run(run, from_weights)).endswith("starting from weights")
    assert outcome.trained_on(load_run(run, from_weights.replace("finetune", "pretrained"))) == "models as in weights"
    assert not any("training data of the weights" in notice.title for notice in outcome.notices(load_run(run, "{}")))


def test_formulas_from_the_training_data_are_said(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    for sample in ('{"formulas": "training"}', '{"by_kind": {"molecule": {"formulas": "training"}}}'):
        titles = [notice.title for notice in outcome.notices(load_run(run, f'{{"sample": {sample}}}'))]
        assert any("Formulas of the molecules" in title for title in titles)
    for other in (', "from": "x.arrow"', ', "conditions": {"molecule": {"composition": "C6H6"}}', None):
        sample = "{}" if other is None else f'{{"formulas": "training"{other}}}'
        titles = outcome.notices(load_run(run, f'{{"sample": {sample}}}'))
        assert not any("Formulas" in notice.title for notice in titles)


def test_gaps_of_the_hull_are_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    frame = store.read_frame(folder / "scores/crystal.parquet")
    assert not any("gaps" in notice.title for notice in outcome.notices(load_run(folder, "{}")))
    store.write_frame(folder / "scores/crystal.parquet", frame.assign(hull_covers_chemistry=[True, False, None]))
    (text,) = [notice.text for notice in outcome.notices(load_run(folder, "{}")) if "gaps" in notice.title]
    assert text.startswith("1 of the 2 crystals")
