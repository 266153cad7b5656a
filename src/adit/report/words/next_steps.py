"""Next steps after a run, as commands that can be copied: dossiers, the ledger, novelty, DFT, more samples."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final

from adit.columns import Col
from adit.config import Config, SampleStage, parse
from adit.errors import ConfigError
from adit.report.run.inputs import Run, structures

TOP: Final = 5
"""Candidates of each kind that get a dossier."""


@dataclass(frozen=True)
class NextStep:
    """A command.

    Attributes:
        purpose: purpose of the command, one sentence.
        command: command for a shell, to be run in the folder that the workflow ran in.
    """

    purpose: str
    command: str


def next_steps(run: Run, best: Sequence[str]) -> list[NextStep]:
    """Return the commands for a run; those whose files it lacks are left out.

    Args:
        run: the run.
        best: ids of its crystals, best first.
    """
    run = replace(run, folder=_from_here(run.folder))
    steps: list[NextStep] = []
    if any(len(frame) for frame in run.scores.values()):
        purpose = f"Write a page for each of the best {TOP} candidates of each kind, with inputs for VASP and GPAW."
        command = _command("dossier", "--run", str(run.folder), "--top", str(TOP), "--out", f"{run.folder}-dossiers")
        steps.append(NextStep(purpose, command))
        purpose = "Add the candidates to the ledger of all runs (results/ledger.sqlite)."
        steps.append(NextStep(purpose, _command("ledger", "add", str(run.folder))))
    steps += _novelty(run)
    steps += _dft(run, best)
    for kind in run.scores:
        steps += _more(run, kind)
    return steps


def _command(*words: str) -> str:
    return shlex.join(["adit", *words])


def _novelty(run: Run) -> list[NextStep]:
    """Return the look-up of the crystals of the first shard in the data of the run, which needs no network."""
    shards = _shards(run)
    references = sorted(run.folder.glob("data/*.arrow"))
    if not shards or not references:
        return []
    purpose = (
        "Look up the relaxed crystals of the first shard in the data of this run; the network is not used. "
        "To ask a database too, add --provider and its address, of https://providers.optimade.org."
    )
    words = ["known", str(shards[0]), "--reference", *map(str, references), "--out", f"{run.folder}-known.csv"]
    return [NextStep(purpose, _command(*words))]


def _dft(run: Run, best: Sequence[str]) -> list[NextStep]:
    """Return the relaxation of the best crystals, as relaxed, with DFT."""
    frame = run.scores.get("crystal")
    if frame is None or Col.RELAX_STATUS not in frame:
        return []
    sources = {str(path): structures(run, f"relaxed/crystal/{path.name}") for path in _shards(run)}
    places = ((name, shard) for name in best for shard, source in sources.items() if source.get(name) is not None)
    shards = dict(islice(places, TOP))
    chosen = list(shards)
    if not chosen:
        return []
    engine, preset = str(run.setting("dft.engine", "gpaw")), str(run.setting("dft.preset", "standard"))
    number = "the best crystal" if len(chosen) == 1 else f"the best {len(chosen)} crystals"
    purpose = f"Relax {number} further with DFT ({engine}, preset {preset})."
    files = sorted({shards[name] for name in chosen})
    words = ["relax", *files, "--only", *chosen, "--engine", engine, "--preset", preset, "--out", f"{run.folder}-dft"]
    return [NextStep(purpose, _command(*words))]


def _shards(run: Run) -> list[Path]:
    """Return the shards of relaxed crystals."""
    return sorted(path for path in run.folder.glob("relaxed/crystal/*.arrow") if path.stem.isdigit())


def _more(run: Run, kind: str) -> list[NextStep]:
    """Return the generation of as many other samples, with the run's own settings and the next seed."""
    networks = [run.folder / name for name in ("vae", "dit")]
    if not all((folder / "model.safetensors").is_file() for folder in networks) or "sample" not in run.config:
        return []
    try:
        whole: Config = parse(run.config)
    except ConfigError:  # of an earlier version
        return []
    stage = whole.stage(SampleStage).model_copy(update={"seed": whole.seed + 1})
    settings = json.dumps(json.loads(stage.model_dump_json(by_alias=True)), separators=(",", ":"))
    options = ["--vae", str(networks[0]), "--dit", str(networks[1]), "--kind", kind, "--n", str(len(run.scores[kind]))]
    words = ["sample", *options, "--config", settings, "--out", f"{run.folder}-{kind}-{whole.seed + 1}.arrow"]
    return [
        NextStep(f"Generate as many other {kind}s, with the settings of this run and another seed.", _command(*words))
    ]


def _from_here(folder: Path) -> Path:
    """Return the path of a folder from the current one, if it lies below."""
    here = Path.cwd()
    return folder.relative_to(here) if here in folder.parents else folder
