"""A dummy of each kind of part, added through the interface of docs/extending.md alone."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
import torch

from adit import columns, config
from adit.columns import REQUESTED_PROTOCOLS, Col, Metric, Population, Protocol, flag
from adit.config.datasets import DATASETS, DatasetEntry
from adit.config.engines import ENGINES, EngineEntry
from adit.config.solvers import SOLVERS, SolverEntry
from adit.data.datasets.records import Dataset, Loaded, Record
from adit.data.prepare.stage import prepare
from adit.errors import ConfigError, ExternalToolError
from adit.expected import Site, expected
from adit.flow.grid import time_grid
from adit.flow.solver import Step, integrate
from adit.flow.solvers.registry import evaluations, make_solver
from adit.hull.energy_tags import MP2020_TAG, surrogate_of
from adit.readers.formats.base import CutSettings, Format, Parsed, ParseSettings, Piece
from adit.readers.formats.registry import FORMATS, format_of, known_formats
from adit.relax.dft.engines.presets import RelaxPreset
from adit.relax.dft.engines.registry import resolve
from adit.relax.dft.restart import start_of
from adit.relax.dft.task import task_of
from adit.relax.potentials import registry
from adit.relax.potentials.chosen import Chosen
from adit.relax.potentials.interpreter import loaders
from adit.relax.potentials.registry import Potential
from adit.score.common.inputs import Energies
from adit.score.crystals.protocols import CRYSTAL_PROTOCOLS, CrystalProtocol
from adit.score.crystals.table import add_energies, crystal_rows
from adit.score.matching.matcher import LOOSE, Matches
from adit.store import read_systems
from adit.systems import AtomicSystem, Kind

HERE = __name__
ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src/adit"


class Midpoint:
    """Order 2: the velocity in the middle of a step, two evaluations."""

    def __call__(
        self, evaluate: Any, noise: torch.Tensor, times: Sequence[float], fresh: Callable[[], torch.Tensor] | None
    ) -> Iterator[Step]:
        latents = noise
        for t, s in pairwise(times):
            clean = evaluate(latents, t)
            middle, half = latents + (clean - latents) / (1 - t) * (s - t) / 2, (t + s) / 2
            clean = evaluate(middle, half)
            latents = latents + (clean - middle) / (1 - half) * (s - t)
            yield Step(s, latents, clean)


def test_a_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SOLVERS, "midpoint", SolverEntry("midpoint", f"{HERE}:Midpoint", 2, 2))
    assert config.SampleConfig.model_validate({"solver": "midpoint"}).solver == "midpoint"
    assert evaluations("midpoint", 4) == 7
    target = torch.ones(1, 2, 3)
    result = integrate(
        lambda noisy, previous, t: target, torch.zeros(1, 2, 3), time_grid("uniform", 4), make_solver("midpoint")
    )
    torch.testing.assert_close(result, target)
    run = {"sample": {"solver": "midpoint", "crystal": 10, "molecule": 0}}
    costs = {}
    for solver in ("euler", "midpoint"):
        run["sample"]["solver"] = solver
        estimates = expected(config.Config.model_validate(run), Site({}, {}, {}, "a100"))
        costs[solver] = next(each.seconds for each in estimates if each.rule == "sample")
    assert costs["midpoint"] > costs["euler"]


def hard_spheres(weights: str, device: str) -> Any:
    from ase.calculators.lj import LennardJones

    return LennardJones(sigma=float(Path(weights).read_text()), rc=5.0)


def test_a_potential(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = Potential("other", "Other", "ase", "ase", "", "", "MIT", "MIT", frozenset({11, 17}), "trained in")
    monkeypatch.setitem(registry.POTENTIALS, "other", entry)
    monkeypatch.setitem(loaders.LOADERS, "other", hard_spheres)
    monkeypatch.setitem(columns.POTENTIALS, "other", "Other")
    weights = tmp_path / "other.txt"
    weights.write_text("2.0")
    chosen = Chosen("other", str(weights))
    assert config.RelaxConfig(engine="other").engine == "other"
    with pytest.raises(ValueError, match="no potential is named unheard"):
        config.RelaxConfig(engine="unheard")
    chosen.check()
    assert chosen.unknown(salt()) is None
    energy = chosen.energy_per_atom(salt())
    weights_of_another = tmp_path / "soft.txt"
    weights_of_another.write_text("1.0")
    assert Chosen("other", str(weights_of_another)).energy_per_atom(salt()) != energy
    assert chosen.energy_tag.startswith("other-other_")
    potential = surrogate_of(chosen.energy_tag, MP2020_TAG)
    assert columns.energies_name(Metric.SUN, potential) == "other_surrogate_sun"
    assert columns.surrogate_title(potential) == "Other surrogate"


class LjPreset(RelaxPreset):
    """Settings of the dummy engine."""

    depth: float


def lj_maker(preset: LjPreset) -> tuple[str, float]:
    return "relaxes", preset.depth


def test_an_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = EngineEntry(
        name="lj",
        title="LJ",
        functional="LJ",
        preset="plain",
        licence="free",
        missing="install it",
        settings=f"{HERE}:LjPreset",
        maker=f"{HERE}:lj_maker",
        module="ase",
        probe="import ase",
    )
    monkeypatch.setitem(ENGINES, "lj", entry)
    (tmp_path / "lj-plain.yaml").write_text("fmax: 0.1\nmax_steps: 10\ndepth: 2.0\n")
    stage = config.DftStage(dft=config.DftConfig(engine="lj", preset="plain"))
    engine = resolve(stage, tmp_path)
    assert engine.energy_tag == f"lj-plain-{engine.settings_hash[:8]}/LJ/none"
    from adit.config.base import load_place

    assert load_place(entry.maker)(engine.preset) == ("relaxes", 2.0)


def program_version(command: str | None) -> str | None:
    return "2.0" if command == "run-lj" else None


def no_files() -> None:
    raise ExternalToolError("the tables of LJ are missing")


def no_restart(task: object, run: Path) -> tuple[int, AtomicSystem | None]:
    return 7, salt()


def test_an_engine_with_flows_a_command_and_files_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All that the package asks of an engine is a field of its entry: it needs no branch on its name."""
    entry = EngineEntry(
        *("flows", "Flows", "PBE(+U)", "mp-gga", "free", "install it"),
        flows=("mp-gga", "mp-r2scan"),
        functionals={"mp-r2scan": "r2SCAN"},
        molecule_functional="PBE",
        corrections={"mp-gga": "MP2020"},
        commanded=True,
        version=f"{HERE}:program_version",
        last_geometry=f"{HERE}:no_restart",
    )
    monkeypatch.setitem(ENGINES, "flows", entry)
    stage = config.DftStage(dft=config.DftConfig(engine="flows", preset="mp-gga", command="run-lj"))
    engine = resolve(stage, tmp_path)
    assert (engine.version, engine.command, engine.energy_tag) == ("2.0", "run-lj", "flows/PBE(+U)/MP2020")
    assert resolve(stage, tmp_path, molecules=True).energy_tag == "flows/PBE/none"
    better = config.DftStage(dft=config.DftConfig(engine="flows", preset="mp-r2scan", command="run-lj"))
    assert resolve(better, tmp_path).energy_tag == "flows/r2SCAN/none"
    with pytest.raises(ConfigError, match="Flows has no preset 'other'; choose mp-gga or mp-r2scan"):
        resolve(config.DftStage(dft=config.DftConfig(engine="flows", preset="other", command="run-lj")), tmp_path)
    with pytest.raises(ExternalToolError, match="install it"):
        resolve(config.DftStage(dft=config.DftConfig(engine="flows", preset="mp-gga")), tmp_path)
    monkeypatch.setitem(ENGINES, "flows", replace(entry, requirement=f"{HERE}:no_files"))
    with pytest.raises(ExternalToolError, match="the tables of LJ are missing"):
        resolve(stage, tmp_path)

    task = task_of(salt(), engine, tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "started").write_text(json.dumps({"key": task.key, "steps": 3}))
    geometry, steps = start_of(task)
    assert (geometry.system_id, steps) == ("salt", 10)


@pytest.mark.parametrize("path", sorted((PACKAGE / "relax/dft").rglob("*.py")), ids=lambda path: path.name)
def test_no_code_of_dft_compares_the_name_of_an_engine(path: Path) -> None:
    compared = {
        part.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant)
    }
    assert not compared & set(ENGINES)


def salt(system_id: str = "salt") -> AtomicSystem:
    positions = np.array([[0.0, 0.0, 0.0], [2.8, 0.0, 0.0]])
    cell = np.array([[0.0, 2.8, 2.8], [2.8, 0.0, 2.8], [2.8, 2.8, 0.0]])
    return AtomicSystem(system_id, Kind.CRYSTAL, np.array([11, 17]), positions, cell)


def load_salts(mirror: str | None) -> Loaded:
    return Loaded(
        [Record(f"salt-{number}", "train", lambda number=number: salt(f"salt-{number}")) for number in range(3)]
    )


SALTS = Dataset(kind=Kind.CRYSTAL, source="a test", licence="none", citation="@misc{x}", load=load_salts)


def test_a_dataset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(DATASETS, "salts", DatasetEntry("salts", f"{HERE}:SALTS", "crystal", 3, 3, 2.0))
    whole = config.Config.model_validate({"data": {"datasets": [{"name": "salts"}]}})
    stage = whole.stage(config.PrepareStage, dataset=config.ChosenDataset(name="salts"), custom=None)
    prepare(stage, tmp_path / "salts.arrow", tmp_path / "salts.stats.json", state=tmp_path / "state")
    assert read_systems(tmp_path / "salts.arrow").ids == ["salt-0", "salt-1", "salt-2"]


def test_a_score_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    name = cast(Protocol, "lenient")
    lenient = CrystalProtocol(name, LOOSE, True, 0.5, True, None, False, 1)
    monkeypatch.setattr(f"{CrystalProtocol.__module__}.CRYSTAL_PROTOCOLS", CRYSTAL_PROTOCOLS)
    CRYSTAL_PROTOCOLS.append(lenient)
    try:
        table = crystal_rows([salt()], {}, Matches({}, {}), Population.SAMPLES)
        hull = {"salt": {Col.E_ABOVE_HULL: 0.3, Col.SURROGATE: False}}
        relaxed = {"salt": {"status": "converged"}}
        table[0][Col.N_ELEMENTS] = 2
        add_energies(table, Energies(with_relaxations=True, on_hull=True, relaxed=relaxed, hull=hull), Matches({}, {}))
    finally:
        CRYSTAL_PROTOCOLS.remove(lenient)
    assert table[0][flag(Metric.STABLE, name)] is True
    assert table[0][flag(Metric.STABLE, Protocol.ADIT)] is False


def test_every_protocol_can_be_requested() -> None:
    assert {*(each.name for each in CRYSTAL_PROTOCOLS), Protocol.STRICT} == set(REQUESTED_PROTOCOLS)


def cut(text: str, source: str, settings: CutSettings) -> Iterator[Piece]:
    for part in text.split("---"):
        yield Piece(part)


def parse(text: str, settings: ParseSettings) -> Parsed:
    return Parsed(salt(text.strip()))


def test_a_file_format(monkeypatch: pytest.MonkeyPatch) -> None:
    simple = Format("simple", (".simple",), cut, parse)
    monkeypatch.setitem(FORMATS, "simple", simple)
    assert format_of(Path("x.simple.gz")) == (simple, ".simple.gz")
    assert ".simple" in known_formats()
    pieces = list(simple.cut("one---two", "x.simple", CutSettings()))
    assert [FORMATS["simple"].parse(each.content, ParseSettings()).system.system_id for each in pieces] == [
        "one",
        "two",
    ]


@pytest.mark.parametrize("part", ["solver", "potential", "DFT engine", "dataset", "score protocol", "file format"])
def test_every_kind_is_documented(part: Literal["solver"]) -> None:
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    section = next(each for each in text.split("\n## ") if each.startswith(f"A {part}"))
    assert len([line for line in section.splitlines() if line.startswith("    ")]) <= 16
    for path in [word.strip("`;,.") for word in section.replace("\n", " ").split() if word.startswith("`src/")]:
        assert (ROOT / path).exists(), path
