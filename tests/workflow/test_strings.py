"""No text of the configuration reaches a shell or Snakemake's formatter: each arrives as it is.

Programs are replaced by one that records what it was started with and makes the outputs of its rule.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from adit import config

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny.yaml"
pytestmark = pytest.mark.workflow

EVIL = {
    "quotes": "a'b\"c",
    "spaces": "a  b",
    "substitution": "$(touch PWNED)",
    "backticks": "`touch PWNED`",
    "braces": "{sample} {{x}} {",
    "newlines": "a\ntouch PWNED\n",
    "unicode": "é漢字🜁\u202e",
    "separators": "; touch PWNED & touch PWNED | touch PWNED # * ? ~ ${HOME} \\ > PWNED %s -x",
}

SHIM = """#!{python} -I
import json, os, sys
from pathlib import Path
name, words = Path(sys.argv[0]).name, sys.argv[1:]
record = {{"program": name, "words": words, "mirror": os.environ.get("ADIT_MIRROR")}}
with open({log!r}, "a") as file:
    file.write(json.dumps(record) + "\\n")
if words[:3] == ["-m", "adit", "stage"]:
    verb, values, key = words[3], {{}}, None
    for word in words[4:]:
        if word.startswith("--"):
            key = word
        else:
            values.setdefault(key, []).append(word)
    keys = ("--out", "--stats", "--structures", "--extxyz", "--sdf", "--timing")
    files = [file for key in keys for file in values.get(key, [])]
    if verb == "take":
        files = values["--crystal"] + values["--molecule"]
    if verb == "keep":
        files += [files[0].replace(".arrow", ".decisions.parquet")]
    folder = {{
        "vae": "model.safetensors config.json metrics.csv", "dit": "model.safetensors config.json metrics.csv",
        "score": "crystal.parquet molecule.parquet summary.json funnel.json measures.json separation.json card.json",
        "report": "index.html manifest.json summary.json references.bib figures/a.svg tables/a.csv",
        "bundle": "bundle.json vae/x dit/x", "rounds": "index.html",
    }}.get(verb)
    if folder:
        files = [values["--out"][0] + "/" + each for each in folder.split()]
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text("")
"""


def free_texts(schema: Mapping[str, Any]) -> set[str]:
    """Return the keys of the configuration that take any text, ``*`` for keys of the user's own."""

    def walk(node: Mapping[str, Any], path: str) -> Iterator[str]:
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        if node.get("type") == "string" and not {"enum", "const", "pattern"} & set(node):
            yield path
        for name, inner in node.get("properties", {}).items():
            yield from walk(inner, f"{path}.{name}".lstrip("."))
        for inner in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("prefixItems", ())):
            yield from walk(inner, path)
        if isinstance(node.get("items"), dict):
            yield from walk(node["items"], path)
        if node.get("additionalProperties") not in (False, None):
            yield f"{path}.*"
        if isinstance(node.get("additionalProperties"), dict):
            yield from walk(node["additionalProperties"], f"{path}.*")
        for inner in node.get("patternProperties", {}).values():
            yield from walk(inner, f"{path}.*")

    return set(walk(schema, ""))


def with_texts(text: str, folder: Path) -> dict[str, Any]:
    """Return a configuration with a text in every key that takes any, and the files that it names."""
    place = folder / f"in {text}"
    place.mkdir()
    for name in ("bundle.json", f"{text}.csv", f"{text}.xyz", f"{text}.arrow", f"{text}.json"):
        (place / name).write_text("{}")
    own = {"path": f"{place}/{text}.csv", "format": "csv", "kind": "crystal", "id": text, "cif": text}
    own |= {"properties": [text], "split": {"by": "column", "column": text}, "licence": text, "citation": text}
    values = yaml.safe_load(TINY.read_text())
    values["mirror"] = text
    values["data"]["custom"] = {"own": own}
    values["data"]["datasets"].append({"name": "own"})
    values["model"] |= {"source": "finetune", "weights": str(place)}
    conditions = {"composition": text, "motif": f"{place}/{text}.xyz", "labels": {text: 1.0}}
    values["sample"] |= {"conditions": {"crystal": conditions, "molecule": conditions, "mof": conditions}}
    potential = {"engine": "mace", "weights": text, "python": text}
    values["relax"] |= potential
    values["judge"] = potential
    values["dft"] |= {"preset": text, "molecule": {"preset": text}}
    values["hull"] |= {"entries": f"{place}/{text}.json"}
    values["score"] |= {"mofchecker_python": text}
    values["lookup"] = {"references": [f"{place}/{text}.xyz"]}
    values["report"] |= {"title": text, "baseline": text, "dossiers": 0}  # adit dossier is no stage, and gets no text
    return dict(values)


COVERED = {
    "mirror",
    *(f"data.custom.*.{key}" for key in ("path", "id", "cif", "properties", "split.column", "licence", "citation")),
    "model.weights",
    *(f"sample.conditions.{kind}.{key}" for kind in ("crystal", "molecule", "mof") for key in ("composition", "motif")),
    *(f"sample.conditions.{kind}.labels.*" for kind in ("crystal", "molecule", "mof")),
    "sample.from",
    *(f"{section}.{key}" for section in ("relax", "judge") for key in ("weights", "python")),
    "dft.preset",
    "dft.molecule.preset",
    "hull.entries",
    "score.mofchecker_python",
    "lookup.references",
    "report.title",
    "report.baseline",
}
"""Keys that ``with_texts`` and the test of ``sample.from`` set."""

ELSEWHERE = {
    "results": "folder_name decides; test_config_limits.py",
    **{f"lookup.{key}": "must be an address of a server; tests/unit/known" for key in ("providers", "pubchem")},
    **{f"hull.live.{key}": "must be an address; tests/unit/hull" for key in ("providers.address", "endpoint")},
    **{f"hull.live.{key}": "letters, digits, .+()-" for key in ("tag", "providers.tag", "providers.energy")},
    "dft.command": "must split into arguments; test_config_limits.py",
    "sample.command": "must split into arguments; test_config_limits.py",
    "rounds.keep": "must be a condition; tests/unit/rounds",
    "rounds.keep.*": "must be a condition; tests/unit/rounds",
    "rounds.score_command": "must split into arguments; tests/unit/rounds",
    **{f"rounds.record.{key}": "copied from other keys by the loop; test_rounds.py"
       for key in ("potential", "hull", "keep", "keep.*", "score_command")},
    "sample.command_reads": "test_programs_that_sample_get_their_text",
    "data.custom.*": "pattern of a dataset's name: only those in data.datasets become files",
    "select.molecule.window.*": "name of a property",
    "sample.by_kind.*": "a kind of system",
    "sample.by_kind.*.*": "settings of section sample, which takes no free text there",
    "ablations.autoencoders.*.datasets": "names of data.datasets",
    "ablations.denoisers.*.autoencoder": "a name of ablations.autoencoders",
    **{f"ablations.{part}.*.{key}.*": "keys of model and train" for part in ("autoencoders", "denoisers")
       for key in ("model", "train")},
    "model.dit.labels.dropout.*": "a kind of system",
}  # fmt: skip


def test_every_key_that_takes_any_text_is_tried() -> None:
    unknown = free_texts(config.json_schema()) - COVERED - set(ELSEWHERE)
    assert not unknown, "give them to with_texts"


def started(folder: Path, values: Mapping[str, Any], *targets: str) -> list[dict[str, Any]]:
    """Run the workflow with recording programs and return what was started."""
    programs, log = folder / "programs", folder / "started.jsonl"
    programs.mkdir()
    for name in ("python", "touch", "torchrun", "rm", "id"):
        (programs / name).write_text(SHIM.format(python=sys.executable, log=str(log)))
        (programs / name).chmod(0o755)
    (folder / "run.yaml").write_text(yaml.safe_dump(dict(values), allow_unicode=True))
    work = folder / "work"
    work.mkdir()
    line = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(work)]
    line += ["--cores", "2", *targets, "--configfile", str(folder / "run.yaml")]
    environment = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin"}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not [path for path in folder.rglob("*") if path.name.startswith("PWNED")]
    return [json.loads(line) for line in log.read_text().splitlines()]


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from (key, *texts_in(inner))
    elif isinstance(value, list):
        for inner in value:
            yield from texts_in(inner)
    elif isinstance(value, str):
        yield value


def check_started(records: list[dict[str, Any]], verbs: set[str]) -> set[str]:
    """Check that only the command line was started; return the texts that reached it."""
    assert {record["program"] for record in records} == {"python"}
    assert all(record["words"][:3] == ["-m", "adit", "stage"] for record in records)
    assert {record["words"][3] for record in records} == verbs
    arrived = {
        text for record in records for word in record["words"] if word[:1] == "{" for text in texts_in(json.loads(word))
    }
    return arrived | {word for record in records for word in record["words"]}


EVERY = (
    "doctor prepare vae encode dit sample checks relax relax-molecules reference hull judge judge-hull select dft"
    " score known report bundle"
)


TEXTS = [pytest.param(" ".join(EVIL.values()), id="all")]
TEXTS += [pytest.param(text, id=name, marks=pytest.mark.slow) for name, text in EVIL.items()]


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_arrives_as_it_is_and_nothing_else_is_started(text: str, tmp_path: Path) -> None:
    values = with_texts(text, tmp_path)
    records = started(tmp_path, values, "all", "bundle")
    arrived = check_started(records, set(EVERY.split()))
    assert {text, *texts_in(values["data"]["custom"]["own"]), values["model"]["weights"]} <= arrived
    assert {values["sample"]["conditions"]["crystal"]["motif"], values["hull"]["entries"]} <= arrived
    assert {record["mirror"] for record in records} == {text}


def test_samples_made_elsewhere_may_lie_anywhere_and_results_in_a_folder_with_spaces(tmp_path: Path) -> None:
    text = " ".join(EVIL.values())
    values = with_texts(text, tmp_path)
    values["sample"] = {"from": f"{tmp_path}/in {text}/{text}.arrow", "crystal": 12, "molecule": 4, "shards": 2}
    values |= {"model": {}, "results": "my résultats/of  today"}
    records = started(tmp_path, values, "evaluate")
    assert values["sample"]["from"] in check_started(
        records, {"take", *EVERY.split()} - {"vae", "encode", "dit", "sample", "bundle"}
    )
    assert (tmp_path / "work/my résultats/of  today/tiny/report/index.html").is_file()


def test_programs_that_sample_get_their_text(tmp_path: Path) -> None:
    text = " ".join(EVIL.values())
    values = with_texts(text, tmp_path)
    command = "touch PWNED {output} {number} $(touch PWNED) '; touch PWNED' \"{'a': 1}\""
    values["sample"] = {"command": command, "command_reads": text, "crystal": 2, "molecule": 0, "shards": 1}
    values |= {"model": {}}
    records = started(tmp_path, values, "samples")
    assert {command, text} <= check_started(records, {"sample-command"})
