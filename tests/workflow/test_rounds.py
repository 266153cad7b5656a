"""Rounds are one DAG: each is a run with the weights of the one before and what was kept; finished ones stay."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from adit import config
from adit.cli import main
from adit.errors import ConfigError
from tests.workflow.running import ROOT, TINY, dry, jobs
from tests.workflow.test_strings import started

pytestmark = pytest.mark.workflow


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    """The smallest configuration of one round of crystals, with weights that no program reads."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/bundle.json").write_text("{}")
    read: dict[str, Any] = yaml.safe_load(TINY.read_text())
    read["name"] = "loop"
    read["data"]["datasets"] = read["data"]["datasets"][:1]
    read["model"] |= {"source": "finetune-dit", "weights": str(tmp_path / "weights")}
    read["sample"] |= {"crystal": 2, "molecule": 0, "shards": 1}
    read["rounds"] = {"n": 1, "mix": 0.25, "floors": {"kept": 2}, "score_command": "my-score {structures} {output}"}
    return read


def plan(folder: Path, values: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "run.yaml").write_text(yaml.safe_dump(values))
    words = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder / "work"), "--cores", "2", "-n"]
    return dry(["rounds", *words, "--configfile", str(folder / "run.yaml")])


def stages(records: list[dict[str, Any]], verb: str) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Return what a stage got, by its output: its slice and its arguments."""
    held = {}
    for record in records:
        if record["words"][3] == verb:
            words = record["words"][4:]
            held[words[words.index("--out") + 1]] = (json.loads(words[words.index("--config") + 1]), words)
    return held


def test_a_round_trains_on_what_was_kept_from_the_weights_before_it(tmp_path: Path, values: dict[str, Any]) -> None:
    records = started(tmp_path, values, "rounds")
    order = [record["words"][3] for record in records]
    assert order[-1] == "rounds"
    dit = stages(records, "dit")
    assert set(dit) == {f"results/loop/{name}/dit" for name in ("round-0", "round-1", "control-1")}
    before, words = dit["results/loop/round-1/dit"]
    assert (before["source"], before["weights"]) == ("finetune-dit", "results/loop/round-0/weights")
    assert [(d["name"], d["ratio"]) for d in before["data"]["datasets"]] == [
        ("builtin-crystals", 0.75), ("kept-crystal", 0.25)
    ]  # fmt: skip
    assert "results/loop/round-1/data/kept-crystal.arrow" in words
    control, words = dit["results/loop/control-1/dit"]
    assert control["weights"] == "results/loop/round-0/weights"
    assert [d["name"] for d in control["data"]["datasets"]] == ["builtin-crystals"]
    assert control["train"] == before["train"], "as many steps, of the same kind"
    record = {"number": 1, "control": False, "mix": 0.25, "potential": "chgnet", "hull": "builtin", "keep": None}
    assert before["round"] == {**record, "score_command": "my-score {structures} {output}"}
    nothing = {"mix": 0.0, "potential": None, "hull": None, "keep": None, "score_command": None}
    assert control["round"] == {"number": 1, "control": True, **nothing}, "a changed filter trains no control again"
    first, _ = dit["results/loop/round-0/dit"]
    assert first["source"] == "pretrained"
    assert "round" not in first, "a key without a value would train finished runs of earlier versions again"
    keeps = stages(records, "keep")
    assert list(keeps) == ["results/loop/kept/crystal-0.arrow", "results/loop/kept/crystal-1.arrow"]
    slice_, words = keeps["results/loop/kept/crystal-1.arrow"]
    assert slice_["floors"]["kept"] == 2
    assert words[words.index("--earlier") + 1] == "results/loop/kept/crystal-0.arrow"
    prepared = stages(records, "prepare")["results/loop/round-1/data/kept-crystal.arrow"][0]
    assert prepared["custom"]["path"] == "results/loop/kept/crystal-0.arrow"

    more = plan(tmp_path, {**values, "rounds": {**values["rounds"], "n": 2}})
    planned = jobs(more)
    assert {"round_2_dit", "control_2_dit", "round_2_page"} <= set(planned)
    assert not [name for name in planned if name.startswith(("round_0", "round_1", "control_1"))], (
        "finished: never redone"
    )
    assert planned["keep"] == 1
    fewer = plan(tmp_path, {**values, "rounds": {**values["rounds"], "control": False, "n": 1}})
    assert set(jobs(fewer)) == {"rounds"}
    (tmp_path / "work/results/loop/round-2").mkdir()
    assert "rounds.n is 1: round-2 in results/loop stay as they are" in plan(tmp_path, values).stderr


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"model": {"source": "train"}}, "rounds: start from weights"),
        ({"sample": {"crystal": 0, "molecule": 0, "mof": 2}}, "rounds: need crystals or molecules"),
        ({"sample": {"from": "x.cif"}}, "rounds: sample from the model"),
    ],
)
def test_what_rounds_need_is_one_line(changed: dict[str, Any], line: str) -> None:
    values = {"rounds": {"n": 1}, "model": {"source": "finetune-dit"}, **changed}
    with pytest.raises(ConfigError, match=line):
        config.parse(values, "test")


def test_the_plan_counts_all_rounds(tmp_path: Path, values: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    costs = {}
    for n in (0, 2):
        (tmp_path / "run.yaml").write_text(yaml.safe_dump({**values, "rounds": {"n": n}}))
        out = tmp_path / f"{n}.json"
        profile = str(ROOT / "slurm")
        assert main(["plan", "--config", str(tmp_path / "run.yaml"), "--profile", profile, "--out", str(out)]) == 0
        costs[n] = {r["rule"]: 0 for r in json.loads(out.read_text())}
        for record in json.loads(out.read_text()):
            costs[n][record["rule"]] += record["jobs"]
    capsys.readouterr()
    assert costs[2]["sample"] == 5 * costs[0]["sample"], "round 0, two rounds and two controls"
