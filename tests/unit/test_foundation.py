"""Types, store, configuration, isolation and the command line's errors."""

from __future__ import annotations

import errno
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adit import cli, config, convert, store
from adit.errors import ConfigError, DataError
from adit.isolate import map_isolated
from adit.seeds import derive_seed, generator
from adit.systems import AtomicSystem, Failure, Kind, cell_angles, cell_from_parameters
from tests.conftest import random_crystal, random_molecule

ROOT = Path(__file__).parents[2]


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "positions", "cell", "problem"),
    [
        ([], np.zeros((0, 3)), None, "no atoms"),
        ([1, 1], np.zeros((1, 3)), None, "positions of shape"),
        ([0], np.zeros((1, 3)), None, "no element"),
        ([119], np.zeros((1, 3)), None, "no element"),
        ([1], np.full((1, 3), np.nan), None, "not finite"),
        ([1], np.zeros((1, 3)), np.eye(3), "molecule with a cell"),
    ],
)
def test_what_is_no_system_is_refused(numbers, positions, cell, problem) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=problem):
        AtomicSystem("s", Kind.MOLECULE, np.array(numbers), positions, cell)


def test_a_crystal_needs_a_cell_with_a_volume() -> None:
    with pytest.raises(DataError, match="crystal without a cell"):
        AtomicSystem("s", Kind.CRYSTAL, np.array([1]), np.zeros((1, 3)))
    with pytest.raises(DataError, match="zero volume"):
        AtomicSystem("s", Kind.CRYSTAL, np.array([1]), np.zeros((1, 3)), np.ones((3, 3)))


def test_a_system_cannot_be_changed() -> None:
    system = random_crystal(np.random.default_rng(0), 3)
    with pytest.raises(ValueError, match="read-only"):
        system.positions[0, 0] = 1.0


@given(st.lists(st.floats(2, 20), min_size=3, max_size=3), st.lists(st.floats(65, 115), min_size=3, max_size=3))
def test_cell_parameters_round_trip(lengths: list[float], angles: list[float]) -> None:
    cell = cell_from_parameters(np.array(lengths), np.array(angles))
    assert np.allclose(np.linalg.norm(cell, axis=1), lengths)
    assert np.allclose(cell_angles(cell), angles, atol=1e-6)


@pytest.mark.parametrize("angles", [(10, 10, 90), (170, 170, 170), (0, 90, 90), (np.nan, 90, 90)])
def test_angles_that_span_no_cell_are_refused(angles: tuple[float, ...]) -> None:
    with pytest.raises(DataError):
        cell_from_parameters(np.array([3.0, 3.0, 3.0]), np.array(angles))


# --- store ------------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_systems_round_trip_bit_for_bit(seed: int) -> None:
    import tempfile

    random = np.random.default_rng(seed)
    rows: list[store.Row] = [
        random_crystal(random, int(random.integers(1, 9)), "a"),
        Failure("b", "decode", "no ‘reason’", Kind.MOF),
        random_molecule(random, int(random.integers(1, 9)), "c"),
        Failure("d", "prepare", "x"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.arrow"
        store.write_systems(path, rows, splits=["train", "val", "test", "test"], metadata={"seed": seed})
        table = store.read_systems(path)
        assert table.metadata == {"seed": seed}
        assert table.splits == ["train", "val", "test", "test"]
        for before, after in zip(rows, table, strict=True):
            assert before.same_as(after) if isinstance(before, AtomicSystem) else before == after
        again = Path(folder) / "y.arrow"
        store.write_systems(again, list(table), splits=["train", "val", "test", "test"], metadata={"seed": seed})
        assert path.read_bytes() == again.read_bytes()


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="no space left"):
        store.write_json(path, {"a": 1})
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    def write_half() -> None:
        with store.atomic_path(tmp_path / "x") as temporary:
            temporary.write_text("half")
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        write_half()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet", "x.json", "x.safetensors"])
def test_broken_and_missing_files_are_named(tmp_path: Path, name: str) -> None:
    readers = {
        "arrow": store.read_systems,
        "parquet": store.read_frame,
        "json": store.read_json,
        "safetensors": store.read_tensors,
    }
    read = readers[name.split(".")[1]]
    path = tmp_path / name
    with pytest.raises(DataError, match="no such file"):
        read(path)
    path.write_bytes(b"PAR1 not really {")
    with pytest.raises(DataError, match="not readable"):
        read(path)


def test_a_truncated_arrow_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.arrow"
    store.write_systems(path, [random_crystal(np.random.default_rng(0), 5)])
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="not readable"):
        store.read_systems(path)


def test_a_cut_resume_state_counts_as_none(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "resume.pt"
    assert store.read_torch(path) is None
    store.write_torch(path, {"x": torch.zeros(1000)})
    assert store.read_torch(path) is not None
    path.write_bytes(path.read_bytes()[:700])
    assert store.read_torch(path) is None


def test_cached_json_is_made_once_per_key(tmp_path: Path) -> None:
    made = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"n": len(made)}

    path = tmp_path / "x.json"
    assert store.cached_json(path, "k", make)["n"] == 1
    assert store.cached_json(path, "k", make)["n"] == 1
    assert store.cached_json(path, "other", make)["n"] == 2


def test_extxyz_is_read_by_ase(tmp_path: Path) -> None:
    from ase.io import read

    systems = [random_crystal(np.random.default_rng(0), 3, "a"), random_molecule(np.random.default_rng(0), 4, "b")]
    store.write_extxyz(tmp_path / "x.extxyz", systems)
    for system, atoms in zip(systems, read(tmp_path / "x.extxyz", index=":"), strict=True):
        assert np.array_equal(atoms.numbers, system.numbers)
        assert np.allclose(atoms.positions, system.positions)
        assert atoms.info["system_id"] == system.system_id


# --- borders ----------------------------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8))
def test_pymatgen_and_ase_round_trips(seed: int, n: int) -> None:
    crystal = random_crystal(np.random.default_rng(seed), n)
    back = convert.from_structure(convert.to_structure(crystal), "crystal")
    assert np.allclose(back.positions, crystal.positions)
    assert np.allclose(back.cell, crystal.cell)
    molecule = random_molecule(np.random.default_rng(seed), n)
    assert molecule.same_as(convert.from_atoms(convert.to_atoms(molecule), "molecule", Kind.MOLECULE))
    assert crystal.same_as(convert.from_atoms(convert.to_atoms(crystal), "crystal", Kind.CRYSTAL))


def test_cif_round_trip() -> None:
    crystal = random_crystal(np.random.default_rng(3), 4)
    back = convert.from_cif(convert.to_cif(crystal), "crystal")
    assert np.allclose(back.volume, crystal.volume, rtol=1e-4)
    assert sorted(back.numbers) == sorted(crystal.numbers)


def test_a_cif_that_does_not_parse_is_a_data_error() -> None:
    with pytest.raises(DataError, match="CIF"):
        convert.from_cif("data_x\n_cell_length_a nonsense\n", "x")


def test_a_molecule_that_rdkit_refuses_is_a_data_error() -> None:
    spheres = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
    crowded = AtomicSystem("x", Kind.MOLECULE, np.array([6] + [9] * 6), spheres * 1.4)
    with pytest.raises(DataError, match="x: "):
        convert.to_rdkit(crowded)


# --- seeds ------------------------------------------------------------------------------------------------------------


def test_seeds_are_fixed_for_ever() -> None:
    assert derive_seed("noise", 0, "crystal", 7) == derive_seed("noise", 0, "crystal", 7)
    assert derive_seed("a", 1) != derive_seed("a", "1")
    assert derive_seed("x") == 8241060997383741946
    assert generator("a", 1).random() == generator("a", 1).random()


# --- configuration ----------------------------------------------------------------------------------------------------


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
    def asked(block: int) -> dict[str, Any]:
        own = {"crystal": {"skip_guidance": 2.0, "skip_blocks": [block]}}
        return {"name": "x", "model": {"dit": {"layers": 4}}, "sample": {"by_kind": own}}

    assert config.parse(asked(3), "x").sample.of_kind("crystal").skip_blocks == (3,)
    with pytest.raises(ConfigError, match="blocks 0 to 3"):
        config.parse(asked(4), "x")


def test_formulas_are_drawn_for_molecules_alone() -> None:
    def asked(sample: dict[str, Any]) -> dict[str, Any]:
        return {"name": "x", "sample": sample}

    own = {"by_kind": {"molecule": {"formulas": "training"}}}
    assert config.parse(asked(own), "x").sample.of_kind("molecule").formulas == "training"
    assert config.parse(asked({"formulas": "training", "crystal": 0}), "x").sample.formulas == "training"
    with pytest.raises(ConfigError, match=r"every crystal a composition that is known.*by_kind\.molecule"):
        config.parse(asked({"formulas": "training"}), "x")
    one = {"formulas": "training", "conditions": {"crystal": {"composition": "NaCl"}}}
    assert config.parse(asked(one), "x").sample.formulas == "training"


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


# --- isolation --------------------------------------------------------------------------------------------------------


def square(x: int) -> int:
    if x == 3:
        os._exit(9)
    if x == 4:
        time.sleep(600)
    if x == 5:
        raise ValueError("two\nlines")
    return x * x


def test_crashes_hangs_and_errors_touch_nobody_else() -> None:
    outcomes = map_isolated(square, list(range(8)), workers=2, wall_limit_s=1.0, startup_s=30.0)
    assert [o.status for o in outcomes] == ["ok", "ok", "ok", "crashed", "timeout", "error", "ok", "ok"]
    assert [o.value for o in outcomes if o.status == "ok"] == [0, 1, 4, 36, 49]
    assert outcomes[5].reason == "ValueError: two lines"


# --- command line -----------------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = cli.main(arguments)
    return code, capsys.readouterr().err


def test_a_configuration_error_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("sampel: {}\n")
    code, text = run(capsys, "check", "--config", str(bad))
    assert code == 2
    assert "did you mean 'sample'" in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("text", ["a: [1", "- 1", "\x00"])
def test_what_is_no_configuration_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    code, said = run(capsys, "check", "--config", str(bad))
    assert code == 2
    assert len(said.splitlines()) == 1


def test_a_data_error_is_one_line_and_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = run(
        capsys, "sample", "--config", str(ROOT / "config/demo.yaml"), "--vae", str(tmp_path), "--dit", str(tmp_path),
        "--kind", "crystal", "--out", str(tmp_path / "x.arrow"),
    )  # fmt: skip
    assert code == 3
    assert len(text.splitlines()) == 1
    assert os.listdir(tmp_path) == []


def test_a_device_is_never_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (Path("/dev/null"), tmp_path / "folder"):
        with pytest.raises(DataError, match="no plain file"):
            store.write_json(path, {})
    assert Path("/dev/null").is_char_device()
