"""What `adit info` tells: the paper's parameter counts, counted from the modules."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from adit import cli, config
from adit.config.sizes import PAPER_MODELS
from adit.model.build import parameter_count
from adit.model.dit import DiT
from adit.model.sizes import configured_sizes, count, paper_sizes
from adit.model.vae import VAE

ROOT = Path(__file__).parents[3]
PUBLISHED = {"VAE": 51.0e6, "DiT-S": 32.6e6, "DiT-B": 129.7e6, "DiT-L": 450.0e6}


def by_hand(d: int, layers: int, channels: int = 8) -> int:
    """Return the parameters of a DiT from its layers' shapes."""
    block = 3 * d * d + 3 * d + d * d + d + 8 * d * d + 5 * d + 6 * d * d + 6 * d
    inputs = 2 * channels * d + d + 256 * d + d + d * d + d + 4 * d
    return layers * block + inputs + 2 * d * d + 2 * d + d * channels + channels


def test_the_papers_networks_have_the_papers_size() -> None:
    counted = {size.name: size.parameters for size in paper_sizes()}
    assert counted == pytest.approx(PUBLISHED, rel=0.02)
    assert [counted[name] for name in ("DiT-S", "DiT-B", "DiT-L")] == [
        by_hand(384, 12),
        by_hand(768, 12),
        by_hand(1024, 24),
    ]


def test_counts_without_memory_are_those_of_the_networks_themselves() -> None:
    vae = config.VaeModelConfig(d_model=32, heads=4, encoder_layers=1, decoder_layers=2, encode_lattice=True)
    label = config.LabelConfig(name="spacegroup", type="category", classes=231)
    dit = config.DitModelConfig(d_model=32, heads=2, layers=3, labels=(label,))
    assert count(vae, 100, 8) == parameter_count(VAE(vae, 100)) == sum(p.numel() for p in VAE(vae, 100).parameters())
    assert count(dit, 100, 4) == parameter_count(DiT(dit, 4))


def test_the_present_configuration_is_told_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adit.cli.setup", lambda *_: logging.getLogger("adit").setLevel(logging.INFO))
    with caplog.at_level(logging.INFO, "adit"):
        logging.getLogger("adit").addHandler(caplog.handler)
        code = cli.main(["info", "--models", "--config", str(ROOT / "config/demo.yaml")])
        logging.getLogger("adit").removeHandler(caplog.handler)
    assert code == 0
    text = caplog.text
    assert "DiT-L" in text
    demo = config.load(ROOT / "config/demo.yaml")
    for size in configured_sizes(demo):
        assert f"{size.parameters / 1e6:.2f} M" in text


@pytest.mark.parametrize(("name", "index"), [("dit-s", 1), ("dit-l", 3)])
def test_presets_are_the_papers_networks(name: str, index: int) -> None:
    loaded = config.load(ROOT / f"config/{name}.yaml")
    assert loaded.name == name
    assert loaded.model.dit == PAPER_MODELS[index].config
    assert loaded == config.Config(name=name, model=config.ModelConfig(dit=loaded.model.dit))


def test_the_run_with_mofs_is_the_papers() -> None:
    loaded = config.load(ROOT / "config/mofs.yaml")
    assert [d.name for d in loaded.data.datasets] == ["mp20", "qm9", "qmof"]
    assert (loaded.train.vae.max_epochs, loaded.train.dit.max_epochs) == (10_000, 10_000)
    assert loaded.data.max_atoms >= 150
    assert loaded.sample.mof == 1000
