"""The configuration: errors, defaults, stages, and what each kind may set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adit import config
from adit.config.yaml_text import ARGUMENT_BYTES
from adit.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trian": {}}, "trian: unknown key; did you mean 'train'"),
        ({"train": {"vae": {"learning_rat": 1}}}, "train.vae.learning_rat: unknown key"),
        ({"train": {"dit": {"batchsize": 1}}}, "did you mean 'batch_size'"),
        (
            {"data": {"datasets": [{"name": "mp20", "ratoi": 1}]}},
            "data.datasets.0.ratoi: unknown key; did you mean 'ratio'",
        ),
        ({"sample": {"steps": 0}}, r"sample.steps: .*greater than 0 \(given: 0\)"),
        ({"sample": {"guidance": -1}}, "sample.guidance"),
        ({"train": {"dit": {"ema_decay": 1.5}}}, "train.dit.ema_decay"),
        ({"model": {"vae": {"heads": 7}}}, "not a multiple of heads"),
        ({"name": "../x"}, "name: "),
        ({"data": {"datasets": [{"name": "mp21"}]}}, "no dataset is called 'mp21'; did you mean 'mp20'"),
        ({"data": {"datasets": [{"name": "mp20"}, {"name": "mp20"}]}}, "named twice"),
        ({"train": {"vae": {"lr": float("nan")}}}, "train.vae.lr"),
    ],
)
def test_configuration_errors_name_key_and_way_out(values: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ConfigError, match=message) as caught:
        config.parse(values)
    assert "\n" not in str(caught.value)


def test_the_papers_run_is_the_default() -> None:
    assert config.load(ROOT / "config/config.yaml") == config.Config()


@pytest.mark.parametrize("name", ["demo", "small"])
def test_shipped_configurations_are_valid(name: str) -> None:
    assert config.load(ROOT / f"config/{name}.yaml").name == name


def test_json_schema_has_not_drifted() -> None:
    stored = json.loads((ROOT / "workflow/schemas/config.schema.json").read_text())
    assert stored == config.json_schema(), "run `make schema`"


@pytest.mark.parametrize("kind", config.Stage.__subclasses__())
def test_slices_round_trip_through_json(kind: type[config.Stage]) -> None:
    whole = config.Config()
    extra = {"dataset": whole.data.chosen("mp20"), "custom": None} if kind is config.PrepareStage else {}
    stage = whole.stage(kind, **extra)
    assert config.load_stage(kind, stage.model_dump_json()) == stage
    assert config.load_stage(kind, str(ROOT / "config/config.yaml"), **extra) == stage


@given(st.integers(1, 500), st.integers(1, 60))
def test_shards_cover_every_index_once(count: int, shards: int) -> None:
    sample = config.SampleConfig(crystal=count, shards=shards)
    indices = [i for shard in range(sample.n_shards("crystal")) for i in range(*sample.bounds("crystal", shard))]
    assert indices == list(range(count))


def test_a_kind_has_settings_of_sampling_of_its_own() -> None:
    general = {"solver": "ddim", "eta": 2.0, "temperature": 0.7, "steps": 50, "crystal": 3}
    own = {"crystal": {"temperature": 1.0, "steps": 20}, "molecule": {"solver": "euler"}}
    sample = config.SampleConfig.model_validate({**general, "by_kind": own})
    crystal, molecule, mof = (sample.of_kind(kind) for kind in ("crystal", "molecule", "mof"))
    assert (crystal.solver, crystal.eta, crystal.temperature, crystal.steps) == ("ddim", 2.0, 1.0, 20)
    assert (molecule.solver, molecule.eta, molecule.temperature, molecule.steps) == ("euler", 0.0, 1.0, 50)
    assert mof == config.SampleConfig.model_validate(general)
    assert crystal.crystal == 3


def test_blocks_to_go_without_are_among_the_models() -> None:
    def settings(block: int) -> dict[str, Any]:
        own = {"crystal": {"skip_guidance": 2.0, "skip_blocks": [block]}}
        return {"name": "x", "model": {"dit": {"layers": 4}}, "sample": {"by_kind": own}}

    assert config.parse(settings(3), "x").sample.of_kind("crystal").skip_blocks == (3,)
    with pytest.raises(ConfigError, match="blocks 0 to 3"):
        config.parse(settings(4), "x")


def test_formulas_are_drawn_for_molecules_alone() -> None:
    def settings(sample: dict[str, Any]) -> dict[str, Any]:
        return {"name": "x", "sample": sample}

    own = {"by_kind": {"molecule": {"formulas": "training"}}}
    assert config.parse(settings(own), "x").sample.of_kind("molecule").formulas == "training"
    assert config.parse(settings({"formulas": "training", "crystal": 0}), "x").sample.formulas == "training"
    with pytest.raises(ConfigError, match=r"every crystal a known composition.*by_kind\.molecule"):
        config.parse(settings({"formulas": "training"}), "x")
    one = {"formulas": "training", "conditions": {"crystal": {"composition": "NaCl"}}}
    assert config.parse(settings(one), "x").sample.formulas == "training"


def test_a_label_is_hidden_by_kind() -> None:
    def label(dropout: Any) -> config.LabelConfig:
        return config.LabelConfig(name="gap", type="number", dropout=dropout)

    kinds = ("crystal", "molecule", "mof")
    assert [label(None).dropout_of(kind) for kind in kinds] == [0.5, 0.5, 0.5]
    assert [label({"molecule": 0.1}).dropout_of(kind) for kind in kinds] == [0.5, 0.1, 0.5]
    assert label(None).over(label(0.7)).dropout_of("mof") == 0.7
    assert label(0.2).over(label(0.7)).dropout_of("mof") == 0.2
    over = label({"molecule": 0.1}).over(label(0.7))
    assert [over.dropout_of(kind) for kind in kinds] == [0.7, 0.1, 0.7]


@pytest.mark.parametrize(("dropout", "message"), [({"crystl": 0.3}, "crystl"), ({"crystal": 1.3}, "crystal.*1")])
def test_a_dropout_that_cannot_be_is_named(dropout: Any, message: str) -> None:
    labels = [{"name": "gap", "type": "number", "dropout": dropout}]
    with pytest.raises(ConfigError, match=message):
        config.parse({"name": "x", "model": {"dit": {"labels": labels}}}, "x")


def test_a_grid_of_solvers_keeps_what_does_not_hang_on_them() -> None:
    own = {"molecule": {"formulas": "training", "skip_guidance": 2.0, "skip_blocks": [1], "temperature": 0.5}}
    sample = config.SampleConfig.model_validate({"solver": "ddim", "eta": 1.0, "by_kind": own})
    molecule = sample.at(config.TunePoint(solver="euler", grid="uniform", steps=10, guidance=1.0)).of_kind("molecule")
    assert (molecule.formulas, molecule.skip_blocks, molecule.solver) == ("training", (1,), "euler")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"crystal": {"shards": 3}}, "by_kind.crystal: shards is not among"),
        ({"crystal": {"stepz": 3}}, "by_kind.crystal: stepz is not among"),
        ({"glass": {"steps": 3}}, "by_kind"),
        ({"molecule": {"steps": 0}}, "steps"),
        ({"molecule": {"eta": 1.0}}, "eta and temperature belong to solver ddim"),
    ],
)
def test_settings_of_a_kind_that_cannot_be_are_refused(own: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.parse_as(config.SampleConfig, {"by_kind": own}, "sample")


def test_texts_are_limited_in_bytes() -> None:
    """Linux refuses arguments by their bytes: 60,000 umlauts are 120,000."""
    config.parse({"report": {"title": "x" * (ARGUMENT_BYTES - 100)}})
    with pytest.raises(ConfigError, match=r"its texts have 120,\d+ bytes together, more than 100,000"):
        config.parse({"report": {"title": "ä" * 60_000}})
