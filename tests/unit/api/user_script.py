"""A user's script; `make lint` checks its types."""

from __future__ import annotations

from adit import api


def count(what: str, done: int, total: int) -> None:
    """Take a report of progress."""


def best_candidates(number: int) -> list[api.AtomicSystem]:
    """Return relaxed candidates, lowest energy above the hull first."""
    model: api.Model = api.load_model()
    samples: api.Structures = model.sample("crystal", number, atoms=(4, 8), labels={"band_gap": 1.0}, steps=3)
    model.sample("crystall", number)  # type: ignore[arg-type]
    model.sample("crystal", "2")  # type: ignore[arg-type]
    with api.watched(count):
        relaxed = api.relax(samples, engine="chgnet", workers=2, fmax=0.1)
    ranked = api.rank(api.above_hull(relaxed, reference="builtin"))
    assert len(ranked.to_pymatgen()) == len(ranked.to_ase()) == len(ranked.table)
    scores: api.Scores = api.evaluate(samples, reference=["data.arrow"])
    scores.rates["value"].mean()
    return [row for row in ranked if isinstance(row, api.AtomicSystem)]
