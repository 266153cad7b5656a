"""Sections of sampling."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adit.config.base import Count, Positive, Strict


class SampleConfig(Strict):
    """Sampling. Source: Algorithm 3."""

    crystal: Count = Field(10000, description="crystals asked for")
    molecule: Count = Field(10000, description="molecules asked for")
    mof: Count = Field(0, description="MOFs asked for")
    shards: Positive = Field(100, description="jobs per kind")
    steps: Positive = Field(500, description="integration steps T")
    guidance: Annotated[float, Field(ge=0)] = Field(2.0, description="classifier-free guidance scale γ")
    batch_atoms: Positive = Field(8192, description="atoms, padding included, in one batch")

    def count(self, kind: str) -> int:
        """Return how many systems of a kind are asked for."""
        return int(getattr(self, kind))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds that are asked for."""
        return tuple(kind for kind in ("crystal", "molecule", "mof") if self.count(kind))

    def n_shards(self, kind: str) -> int:
        """Return the number of shards of a kind: no shard is empty."""
        return min(self.shards, self.count(kind))

    def bounds(self, kind: str, shard: int) -> tuple[int, int]:
        """Return the first and one past the last global index of a shard."""
        total, shards = self.count(kind), self.n_shards(kind)
        return total * shard // shards, total * (shard + 1) // shards
