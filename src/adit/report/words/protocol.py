"""The protocol card: all settings that affect the numbers of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adit.columns import Col
from adit.report.run.inputs import Run
from adit.report.run.manifest import energies
from adit.report.words import formats

Pairs = list[tuple[str, str]]

SETTINGS: Final = {
    "Sampling": (
        ("solver", "sample.solver"),
        ("time grid", "sample.grid"),
        ("steps T", "sample.steps"),
        ("guidance γ", "sample.guidance"),
        ("skip guidance ω", "sample.skip_guidance"),
        ("blocks skipped in its weaker model", "sample.skip_blocks"),
        ("replaced noise η", "sample.eta"),
        ("temperature τ", "sample.temperature"),
        ("formulas decided by", "sample.formulas"),
        ("seed of the run", "seed"),
        ("seed of tuning", "tune.seed"),
    ),
    "Pre-relaxation": (
        ("largest force at the end, eV/Å", "relax.fmax"),
        ("steps at most", "relax.max_steps"),
        ("time limit, s", "relax.wall_limit_s"),
        ("optimiser", "relax.optimizer"),
    ),
    "DFT": (
        ("engine", "dft.engine"),
        ("fallback", "dft.fallback"),
        ("preset", "dft.preset"),
        ("structures at most", "select.max_structures"),
        ("E above hull at most, eV/atom", "select.max_e_above_hull"),
    ),
    "Scores": (
        ("systems per control row", "score.controls"),
        ("level of the intervals", "score.confidence"),
        ("molecules sent to PoseBusters", "score.posebusters"),
    ),
}
"""Settings of the configuration by part of the card."""


def card(run: Run) -> list[tuple[str, Pairs]]:
    """Return the card: parts, each with names and values."""
    requested = [
        (f"requested {kind}s", _text(n)) for kind in ("crystal", "molecule", "mof") if (n := _requested(run, kind))
    ]
    parts: list[tuple[str, Pairs]] = [
        (title, [(name, _text(run.setting(path))) for name, path in rows if run.setting(path) is not None])
        for title, rows in SETTINGS.items()
    ]
    settings = dict(parts)
    settings["Sampling"] = requested + settings["Sampling"] + _of_one_kind(run) + _checkpoints(run)
    tags = energies(run)
    servers = (
        f"{each.get('name')}, {each.get('version')}, asked {each.get('oldest')}" for each in run.reference_sources
    )
    hull = [
        ("reference", _text(tags["reference"])),
        ("servers", "; ".join(servers)),
        ("entries", _text(tags["reference_entries"])),
        ("energies on it", ", ".join(tags["energy_tags"])),
        ("energies of the reference", ", ".join(tags["hull_tags"])),
    ]
    settings["Hull"] = [(name, value) for name, value in hull if value]
    settings["DFT"] = settings["DFT"] + _dft(run)
    order = ("Sampling", "Pre-relaxation", "Hull", "DFT", "Scores")
    return [(title, settings[title]) for title in order if settings[title]] + _scored(run.card)


def _scored(settings: Mapping[str, Any]) -> list[tuple[str, Pairs]]:
    """Return the matchers, protocols and references of the scores."""
    titles = {
        "matchers": "Structure matchers",
        "crystal_protocols": "Protocols of crystals",
        "references": "References of the scores",
    }
    parts = []
    for key, title in titles.items():
        held = settings.get(key)
        if isinstance(held, Mapping) and held:
            parts.append((title, [(str(name), _listed(values)) for name, values in held.items()]))
    return parts


def _listed(values: Any) -> str:
    if not isinstance(values, Mapping):
        return _text(values)
    return "; ".join(f"{str(k).replace('_', ' ')}: {_text(v)}" for k, v in values.items() if v is not None)


def definitions(summary: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Return kind, protocol, metric and definition of every number in the scores."""
    rows = {
        (str(r.get("kind")), str(r.get("protocol")), str(r.get("metric"))): str(r.get("basis") or "")
        for r in reversed(summary)
        if r.get("population") == "samples" or r.get("basis")
    }
    return sorted((*key, basis) for key, basis in rows.items())


def _requested(run: Run, kind: str) -> int | None:
    steps = [step for step in run.funnel if step.get("kind") == kind and step.get("step") == "asked"]
    return int(steps[0].get("count") or 0) if steps else None


def _of_one_kind(run: Run) -> Pairs:
    """Return the sampling settings of one kind that differ from the general ones."""
    held = run.setting("sample.by_kind")
    return [(f"{kind}s apart", _listed(own)) for kind, own in held.items()] if isinstance(held, Mapping) else []


def _checkpoints(run: Run) -> Pairs:
    pairs = []
    for name, training in run.training.items():
        digest = training.config.get("weights_sha256")
        if digest:
            pairs.append((f"weights of {name}, SHA-256", str(digest)))
    return pairs


def _dft(run: Run) -> Pairs:
    pairs = []
    for key in (Col.CODE_VERSION, Col.FUNCTIONAL, Col.SETTINGS_HASH):
        values = sorted({str(row[key]) for row in run.dft if not formats.is_missing(row.get(key))})
        if values:
            pairs.append((key.label, ", ".join(values)))
    return pairs


def _text(value: Any) -> str:
    if value is None:
        return ""
    return formats.count(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
