"""Files that a command line names to be read are never written over, also with ``--adopt``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adit import config, store
from adit.cli import main
from tests.unit.outputs import world

MINE = "mine, and nobody else's"


@pytest.fixture
def kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Run a verb with ``--adopt`` that has to be refused for its input, and to change nothing."""

    def run(*words: str | Path) -> None:
        def files() -> dict[str, bytes]:
            return {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

        before = files()
        assert main([*map(str, words), "--adopt"]) == 2
        assert files() == before
        assert "is the input" in capfd.readouterr().err

    return run


@pytest.fixture
def yaml(tmp_path: Path) -> Path:
    (tmp_path / "c.yaml").write_text("name: x\n")
    return tmp_path / "c.yaml"


def test_a_plan_over_its_configuration(kept: Callable[..., None], yaml: Path) -> None:
    kept("plan", "--config", yaml, "--out", yaml)


@pytest.mark.parametrize("given", ["profile", "profile/config.yaml"])
def test_a_plan_over_its_profile(kept: Callable[..., None], yaml: Path, given: str) -> None:
    store.write_text(yaml.parent / "profile/config.yaml", "set-threads: {}\n")
    kept("plan", "--config", yaml, "--profile", yaml.parent / given, "--out", yaml.parent / "profile/config.yaml")


def test_a_plan_under_another_name_of_its_configuration(kept: Callable[..., None], yaml: Path) -> None:
    (yaml.parent / "hard.json").hardlink_to(yaml)
    kept("plan", "--config", yaml, "--out", yaml.parent / "hard.json")


@pytest.mark.parametrize("option", ["--out", "--timing"])
def test_samples_over_the_manifest_of_the_weights(tmp_path: Path, kept: Callable[..., None], option: str) -> None:
    store.write_json(tmp_path / "W/bundle.json", {"sample": {}, "files": {}})
    store.write_json(tmp_path / "W/vae/config.json", {})
    store.write_json(tmp_path / "W/dit/config.json", {})
    outs = {"--out": tmp_path / "W/x.arrow", "--timing": tmp_path / "t.json"} | {option: tmp_path / "W/bundle.json"}
    words = ["stage", "sample", "--vae", tmp_path / "W/vae", "--dit", tmp_path / "W/dit"]
    text = config.Config().stage(config.SampleStage).model_dump_json()
    kept(*words, "--kind", "crystal", "--n", "1", "--config", text, *(w for pair in outs.items() for w in pair))


def test_samples_of_a_user_over_the_manifest_of_the_weights(tmp_path: Path, kept: Callable[..., None]) -> None:
    out = store.write_json(tmp_path / "W/bundle.json", {"sample": {}, "files": {}}) or tmp_path / "W/bundle.json"
    store.write_json(tmp_path / "W/vae/config.json", {})
    store.write_json(tmp_path / "W/dit/config.json", {})
    text = config.Config().stage(config.SampleStage).model_dump_json()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adit.cli.sample.stored_settings", lambda _: config.SampleConfig())
        words = ["sample", "--weights", tmp_path / "W", "--config", text]
        kept(*words, "--kind", "crystal", "--n", "1", "--out", out)


def test_a_network_over_a_file_of_its_labels(kept: Callable[..., None], tmp_path: Path) -> None:
    store.write_text(tmp_path / "d/config.json", MINE)
    data = store.write_systems(tmp_path / "data.arrow", [world.SALT]) or tmp_path / "data.arrow"
    words = ["--vae", tmp_path / "vae", "--data", data, "--latents", data, "--labels", tmp_path / "d/config.json"]
    text = config.Config().stage(config.DitStage).model_dump_json()
    kept("stage", "dit", "--config", text, *words, "--out", tmp_path / "d", "--state", tmp_path / "s")


def test_relaxed_structures_over_the_weights_of_the_potential(kept: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text(MINE)
    store.write_systems(tmp_path / "x.arrow", [world.SALT])
    values = json.loads(config.Config().stage(config.RelaxStage).model_dump_json())
    values["relax"] |= {"engine": "mace", "weights": str(tmp_path / "w.pth")}
    outs = ["--out", tmp_path / "w.pth", "--structures", tmp_path / "y.arrow", "--extxyz", tmp_path / "y.extxyz"]
    kept("stage", "relax", "--config", json.dumps(values), "--samples", tmp_path / "x.arrow", *outs)


def test_a_dataset_over_its_raw_file_in_a_mirror(kept: Callable[..., None], tmp_path: Path) -> None:
    from adit.data.sources.registry import SOURCES

    name, file = next((name, layouts[0][0].name) for name, layouts in SOURCES.items())
    store.write_text(tmp_path / "m" / file, MINE)
    chosen = config.ChosenDataset(name=name)
    text = config.Config().stage(config.PrepareStage, dataset=chosen, custom=None).model_dump_json()
    outs = ["--out", tmp_path / "m/x.arrow", "--stats", tmp_path / "m" / file]
    kept("stage", "prepare", "--config", text, "--mirror", tmp_path / "m", *outs)


def test_what_one_call_reads_or_adopts_says_nothing_of_the_next(yaml: Path) -> None:
    profile = yaml.parent / "profile/config.yaml"
    store.write_text(profile, "set-threads: {}\n")
    assert main(["plan", "--config", str(yaml), "--profile", str(profile), "--out", str(yaml.parent / "p.json")]) == 0
    assert main(["schema", "--out", str(yaml)]) == 2
    assert main(["schema", "--out", str(yaml), "--adopt"]) == 0
    assert main(["schema", "--out", str(profile)]) == 2
