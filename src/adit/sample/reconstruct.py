"""Reconstruction of systems by the autoencoder, as in Table 5."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from adit.errors import DataError
from adit.model.build import autocast, load_vae, pick_device
from adit.model.features import featurize
from adit.model.vae import Decoded
from adit.progress import Progress
from adit.store import Row, read_systems, sha256, weights_sha256, write_systems
from adit.systems import AtomicSystem, Failure, Kind, SystemBatch, cell_from_parameters, wrap
from adit.units import ANGSTROM_PER_NM

BATCH = 256
"""Number of systems in a batch."""


@torch.no_grad()
def reconstruct(vae_dir: Path, data: Path, split: str, limit: int | None, out: Path) -> None:
    """Encode systems without augmentation (mean of the posterior), decode them, and write the results.

    Args:
        vae_dir: a trained autoencoder.
        data: prepared dataset.
        split: name of the split.
        limit: number of systems, from the first; ``None``: all.
        out: Arrow file with the ids of the originals; a system that does not decode is a failure.

    Raises:
        DataError: the split has no system, or a file is missing or broken.
    """
    device = pick_device()
    vae = load_vae(vae_dir)[1].to(device)
    table = read_systems(data)
    arrays, ids = table.arrays(split), table.split_ids(split)
    count = len(arrays) if limit is None else min(limit, len(arrays))
    if not count:
        raise DataError(f"{data}: has no system of the split '{split}'; name another one with --split")
    rows: dict[int, Row] = {}
    progress = Progress(f"reconstructions of {data.stem}", count)
    order = np.argsort(-arrays.n_atoms[:count], kind="stable")
    for start in range(0, count, BATCH):
        chosen = order[start : start + BATCH]
        features = featurize(SystemBatch.from_arrays(arrays, chosen).to(device))
        with autocast(device, "auto"):
            decoded = vae.decoder(vae.encoder(features).mean, features.mask)
        kind = list(Kind)[int(arrays.kind[chosen[0]])]
        for place, row in enumerate(chosen.tolist()):
            rows[row] = _system(decoded, place, int(arrays.n_atoms[row]), ids[row], kind)
        progress.update(len(chosen))
    hashes = {"vae_sha256": weights_sha256(vae_dir), "data_sha256": sha256(data), "split": split}
    write_systems(out, [rows[i] for i in range(count)], metadata=hashes)


def _system(decoded: Decoded, place: int, n: int, system_id: str, kind: Kind) -> Row:
    """Return the system at a position of a decoded batch, or the reason of its failure."""
    numbers = decoded.logits[place, :n].argmax(dim=-1).cpu().numpy() + 1
    try:
        if not kind.periodic:
            positions = decoded.positions[place, :n].cpu().numpy().astype(float) * ANGSTROM_PER_NM
            return AtomicSystem(system_id, kind, numbers, positions - positions.mean(axis=0))
        lattice = decoded.lattice[place].cpu().numpy().astype(float)
        cell = cell_from_parameters(lattice[:3] * n ** (1.0 / 3.0), np.degrees(lattice[3:]))
        fractional = decoded.fractional[place, :n].cpu().numpy().astype(float)
        return AtomicSystem(system_id, kind, numbers, wrap(fractional) @ cell, cell)
    except DataError as error:
        return Failure(system_id, "decode", str(error).removeprefix(f"{system_id}: "), kind)
