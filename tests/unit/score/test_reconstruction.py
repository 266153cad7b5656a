"""Match rate and RMSD of reconstructions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from adit.config import VaeModelConfig
from adit.errors import DataError
from adit.model.vae import VAE
from adit.sample.reconstruct import reconstruct
from adit.score.reconstruction import compare, kabsch_rmsd, score_reconstruction
from adit.store import read_systems, weights_sha256, write_json, write_systems, write_tensors
from adit.systems import AtomicSystem, Kind
from tests.conftest import random_crystal, random_molecule


def rotation(seed: int) -> np.ndarray:
    matrix = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    return matrix * np.sign(np.linalg.det(matrix))


def test_kabsch_ignores_rotation_and_translation_but_no_mirror() -> None:
    points = np.random.default_rng(0).normal(size=(6, 3))
    assert kabsch_rmsd(points, points @ rotation(1) + 3.0) == pytest.approx(0.0, abs=1e-9)
    assert kabsch_rmsd(points, points * [1, 1, -1]) > 0.1


def test_kabsch_of_a_stretched_pair_is_known() -> None:
    a, b = np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.array([[0.0, 0, 0], [1.2, 0, 0]])
    assert kabsch_rmsd(a, b) == pytest.approx(0.1)


def test_a_molecule_matches_itself_turned_and_not_with_a_wrong_type() -> None:
    molecule = random_molecule(np.random.default_rng(1), 6, "m")
    turned = replace(molecule, positions=molecule.positions @ rotation(2) + 1.0)
    assert compare(molecule, turned)["match"]
    other = replace(turned, numbers=np.roll(molecule.numbers, 1) + (molecule.numbers == np.roll(molecule.numbers, 1)))
    assert not compare(molecule, other)["match"]


def test_both_distances_of_a_crystal() -> None:
    """CsCl with one atom moved by d: after the best shift each atom is off by d/2."""
    cell, d = np.eye(3) * 4.0, 0.2
    original = AtomicSystem("x", Kind.CRYSTAL, [55, 17], [[0, 0, 0], [2, 2, 2]], cell)
    moved = AtomicSystem("x", Kind.CRYSTAL, [55, 17], [[0, 0, 0], [2 + d, 2, 2]], cell)
    comparison = compare(original, moved)
    assert comparison["match"]
    assert comparison["rmsd"] == pytest.approx(d / 2, rel=1e-3)
    assert comparison["rmsd_normalised"] == pytest.approx(d / 2 / (64 / 2) ** (1 / 3), rel=1e-3)


@pytest.mark.parametrize("make", [random_crystal, random_molecule])
def test_every_system_is_a_row(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(0)
    systems = [make(random, int(random.integers(2, 7)), f"s{i}") for i in range(7)]
    write_systems(tmp_path / "d.arrow", systems, splits=["test"] * 5 + ["train"] * 2)
    torch.manual_seed(0)
    config = VaeModelConfig(d_model=16, heads=2, encoder_layers=1, decoder_layers=1, latent_dim=4)
    write_tensors(tmp_path / "vae/model.safetensors", VAE(config, 100).state_dict())
    record = {"model": config.model_dump(), "max_atomic_number": 100}
    write_json(tmp_path / "vae/config.json", {**record, "weights_sha256": weights_sha256(tmp_path / "vae")})
    reconstruct(tmp_path / "vae", tmp_path / "d.arrow", "test", None, tmp_path / "made.arrow")
    with pytest.raises(DataError, match=r"d.arrow: has no system of the split 'val'"):
        reconstruct(tmp_path / "vae", tmp_path / "d.arrow", "val", None, tmp_path / "none.arrow")
    assert read_systems(tmp_path / "made.arrow").ids == [f"s{i}" for i in range(5)]
    summary = score_reconstruction(tmp_path / "d.arrow", "test", tmp_path / "made.arrow", tmp_path / "out", 1)
    assert summary["systems"] == 5
    assert 0.0 <= summary["match rate"] <= 1.0
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 6


def test_a_perfect_reconstruction_scores_one(tmp_path: Path) -> None:
    systems = [random_crystal(np.random.default_rng(i), 4, f"s{i}") for i in range(4)]
    write_systems(tmp_path / "d.arrow", systems, splits=["test"] * 4)
    write_systems(tmp_path / "made.arrow", systems, metadata={"vae_sha256": "x"})
    summary = score_reconstruction(tmp_path / "d.arrow", "test", tmp_path / "made.arrow", tmp_path / "out", 1)
    assert summary["match rate"] == 1.0
    assert summary["RMSD of matches, Å"] == pytest.approx(0.0, abs=1e-5)
    assert summary["vae_sha256"] == "x"


def test_reconstructions_of_another_split_or_of_none_are_one_line(tmp_path: Path) -> None:
    systems = [random_crystal(np.random.default_rng(i), 4, f"s{i}") for i in range(3)]
    write_systems(tmp_path / "d.arrow", systems, splits=["test", "test", "train"])
    write_systems(tmp_path / "made.arrow", systems)
    with pytest.raises(DataError, match=r"1 of 3 systems are not in the split 'test' of .*d.arrow \(e.g. s2\)"):
        score_reconstruction(tmp_path / "d.arrow", "test", tmp_path / "made.arrow", tmp_path / "out", 1)
    write_systems(tmp_path / "made.arrow", [])
    with pytest.raises(DataError, match=r"made.arrow: has no reconstruction"):
        score_reconstruction(tmp_path / "d.arrow", "test", tmp_path / "made.arrow", tmp_path / "out", 1)
