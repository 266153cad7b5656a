"""Networks: the record of the hardware, first weights of labels, messages about labels, precision."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import pytest
import torch

from adit.config import LabelConfig, VaeModelConfig
from adit.errors import ConfigError
from adit.model import build
from adit.model.conditions import ConditionEmbedding, encode
from adit.model.features import featurize
from adit.model.vae import VAE
from adit.systems import AtomicSystem
from tests.systems import batch_of


def test_the_processor_is_the_first_that_linux_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for text, device in (
        ("processor : 0\nmodel name\t: Big\nmodel name\t: Little\n", "Big"),
        ("model name : Lone\n", "Lone"),
        ("flags : none\n", platform.machine()),
    ):
        monkeypatch.setattr(Path, "read_text", lambda self, encoding, text=text: text)
        assert build.hardware()["device"] == device


def test_an_unknown_label_is_refused_with_those_that_there_are() -> None:
    gap = LabelConfig(name="gap", type="number")
    with pytest.raises(ConfigError, match="it knows the kind of system alone"):
        encode([], [None], [{"gap": 1.0}])
    with pytest.raises(ConfigError, match=r"it knows gap$"):
        encode([gap], [None], [{"color": 1.0}])


def test_embeddings_of_kinds_and_categories_start_small() -> None:
    torch.manual_seed(0)
    embedding = ConditionEmbedding([LabelConfig(name="spacegroup", type="category", classes=231)], 512)
    for table in (embedding.kind, embedding.labels["spacegroup"]):
        assert float(table.weight.std()) == pytest.approx(0.02, rel=0.1)  # type: ignore[operator]


def test_the_equivariant_autoencoder_works_in_full_precision(mixed: list[AtomicSystem]) -> None:
    pytest.importorskip("e3nn")
    torch.manual_seed(0)
    sizes = {"d_model": 16, "heads": 2, "encoder_layers": 1, "decoder_layers": 1, "cutoff": 3.0}
    module = VAE(VaeModelConfig.model_validate({**sizes, "encoder": "equivariant"}), 100)
    features = featurize(batch_of(mixed))
    expected = module.encoder(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        posterior = module.encoder(features)
        decoded = module.decoder(expected.mean, features.mask)
    torch.testing.assert_close(posterior.mean, expected.mean, rtol=0.0, atol=0.0)
    reference = module.decoder(expected.mean, features.mask)
    for name in ("logits", "positions", "fractional", "lattice"):
        torch.testing.assert_close(getattr(decoded, name), getattr(reference, name), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({0: 1.0, 11: 1.0}, "a key that is no atomic number from 1 to 118"),
        ({119: 1.0}, "a key that is no atomic number"),
        ({11.5: 1.0}, "a key that is no atomic number"),
        ({-1: 1.0}, "a key that is no atomic number"),
        ({11: 0.0, 17: 0}, "are all 0"),
        ({11: -1.0, 17: 2.0}, "an amount that is not a positive number"),
        ({11: float("nan")}, "an amount that is not a positive number"),
        ({11: "many"}, "'many' is not a number"),
    ],
)
def test_a_composition_that_is_none_is_refused(amounts: dict[Any, Any], message: str) -> None:
    label = LabelConfig(name="composition", type="composition")
    with pytest.raises(ConfigError, match=f"^composition: .*{message}"):
        encode([label], [None], [{"composition": amounts}])


def test_a_composition_is_fractions_of_the_atoms() -> None:
    label = LabelConfig(name="composition", type="composition")
    rows = [{"composition": {11: 1, 118: 3}}, {"composition": {}}, {}]
    codes = encode([label], [None] * 3, rows).labels["composition"]
    assert codes.nonzero().tolist() == [[0, 10], [0, 117]]
    assert codes[0, [10, 117]].tolist() == [0.25, 0.75]


@pytest.mark.parametrize("value", [2.5, 3, -1, "two"])
def test_a_category_that_is_no_class_is_refused(value: Any) -> None:
    label = LabelConfig(name="group", type="category", classes=3)
    with pytest.raises(ConfigError, match=r"^group: "):
        encode([label], [None], [{"group": value}])
    codes = encode([label], [None] * 3, [{"group": 2.0}, {"group": None}, {"group": float("nan")}]).labels["group"]
    assert codes.tolist() == [2, 3, 3]


def test_a_number_that_is_none_is_refused() -> None:
    label = LabelConfig(name="gap", type="number")
    with pytest.raises(ConfigError, match=r"^gap: 'wide' is not a number"):
        encode([label], [None], [{"gap": "wide"}])
