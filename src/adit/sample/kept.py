"""Cached shards of samples of a run, under a key of everything that they depend on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adit.config import SampleStage


def settings_key(stage: SampleStage, vae: Path, dit: Path, kind: str) -> str:
    """Return a hash of everything that samples depend on: settings, motif, weights (by the hashes in their records)."""
    records = [folder / "config.json" for folder in (vae, dit)]
    parts = [record.read_text(encoding="utf-8") if record.is_file() else "" for record in records]
    motif = stage.sample.conditions.of(kind).motif
    if motif is not None and Path(motif).is_file():
        parts.append(hashlib.sha256(Path(motif).read_bytes()).hexdigest())
    return hashlib.sha256("\n".join([stage.model_dump_json(), *parts]).encode()).hexdigest()[:16]
