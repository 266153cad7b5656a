"""The stage: the best candidates of a run are looked up, and the page and the dossiers say what came out."""

from __future__ import annotations

import json
from pathlib import Path

from adit import config, store
from adit.cli import main
from adit.dossier.subjects import of_run
from adit.report.candidates.fields import fields
from adit.report.run.inputs import load_run
from tests.unit.ledger.runs import caesium, salt, water, write_molecules, write_run


def test_the_best_candidates_of_a_run(tmp_path: Path) -> None:
    run, references = tmp_path / "r", tmp_path / "references.extxyz"
    write_run(run, [salt("a"), caesium("b", anion=53), salt("c")])  # c has the highest energy
    write_molecules(run, [water("a")], ["O"])  # of the same id
    store.write_extxyz(references, [salt("halite", edge=5.7)])
    whole = config.Config.model_validate({"lookup": {"references": [str(references)], "top": 2}})
    settings = whole.stage(config.KnownStage).model_dump_json()
    out = run / "known/known.parquet"
    line = ["stage", "known", "--config", settings, "--run", str(run), "--out", str(out)]
    assert main([*line, "--cache", str(run / "state/known")]) == 0
    table = store.read_frame(out)
    assert table[["system_id", "kind", "known", "known_id"]].to_numpy().tolist() == [
        ["a", "crystal", "known", "halite"],
        ["b", "crystal", "not-found", ""],
        ["a", "molecule", "not-found", ""],
    ]
    frame = load_run(run, "{}").scores["crystal"].set_index("system_id")
    assert frame["known"].dropna().to_dict() == {"a": "known", "b": "not-found"}
    assert frame.loc["a", "known_id"] == "halite"
    shown = {str(field.name): field.shown for field in fields("crystal", frame.reset_index())}
    assert shown["known"]
    assert not shown["known_id"]
    (molecule,) = load_run(run, "{}").scores["molecule"].to_dict("records")
    assert molecule["known"] == "not-found"
    best = {subject.name: subject.record for subject in of_run(run, 3) if subject.last.cell is not None}
    assert (best["a"]["known"], best["a"]["known_id"]) == ("known", "halite")
    assert "known_id" not in best["b"]
    assert "known" not in best["c"]


def test_nothing_is_looked_up_unless_a_place_is_named() -> None:
    assert not config.Config().lookup.used
    for section in ({"providers": ["http://a.b/"]}, {"pubchem": "https://a.b"}, {"references": ["x.cif"]}):
        assert config.LookupConfig.model_validate(section).used
    assert config.LookupConfig.model_validate({"providers": ["http://a.b/"]}).providers == ("http://a.b",)
    assert json.loads(config.LookupConfig().model_dump_json())["providers"] == []
