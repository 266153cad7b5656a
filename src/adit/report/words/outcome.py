"""The outcome as text: the sentence under the title, the tiles, and the notices above the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adit.columns import POTENTIALS, Col, energies_name, potential_title
from adit.config import POTENTIAL_NAMES
from adit.report.run.inputs import Run
from adit.report.run.manifest import cost, energies, surrogate_note, surrogate_potentials
from adit.report.words import formats

XTB: Final = "gfn1-xtb"
"""Name of the fallback engine, which is not DFT."""


@dataclass(frozen=True)
class Notice:
    """A notice above the numbers.

    Attributes:
        tone: ``warning`` or ``info``.
        title: few words.
        text: one or two sentences.
    """

    tone: str
    title: str
    text: str


def trained_on(run: Run) -> str:
    """Return the origin of the models, e.g. ``trained on 254 crystals (mp20)``; empty if unknown."""
    source, weights = str(run.setting("model.source", "train")), run.setting("model.weights", "weights")
    if source == "pretrained":
        return f"models as in {weights}"
    parts = []
    for stats in run.datasets:
        n = (stats.get("n_systems") or {}).get("train", 0)
        parts.append(f"{formats.count(n)} {stats.get('kind', 'system')}s ({stats.get('dataset', '?')})")
    if not parts:
        return ""
    return f"trained on {', '.join(parts)}" + ("" if source == "train" else f", starting from {weights}")


def total_seconds(run: Run) -> float | None:
    """Return the wall time of all jobs together, s; ``None`` without measurements."""
    walls = [row[Col.WALL_S] for row in cost(run.benchmarks) if row[Col.WALL_S] is not None]
    return sum(walls) if walls else None


def steps_of(run: Run, kind: str) -> list[Mapping[str, Any]]:
    """Return the funnel of a kind."""
    return [record for record in run.funnel if record.get("kind") == kind]


def kinds(run: Run) -> list[str]:
    """Return the kinds that were requested, in a fixed order."""
    named = {str(r.get("kind")) for r in (*run.funnel, *run.summary)} | set(run.scores)
    requested = {kind for kind in ("crystal", "molecule", "mof") if run.setting(f"sample.{kind}", 0)}
    order = ("crystal", "molecule", "mof")
    return [kind for kind in order if kind in named | requested] + sorted(named - set(order))


def sentence(run: Run) -> str:
    """Return the outcome in one sentence."""
    clauses = [_clause(kind, steps, surrogate_note(run)) for kind in kinds(run) if (steps := steps_of(run, kind))]
    if not clauses:
        return "This run has no scores yet."
    text = " ".join(clauses)
    text += judge_sentence(run)
    converged, total = dft_counts(run)
    if total:
        text += f" {method(run)} converged for {converged} of the {total} selected structures."
    return text


def judge_sentence(run: Run) -> str:
    """Return a sentence on the verdicts of both potentials; empty if nothing was judged."""
    frame = run.judge
    if frame is None or Col.VERDICT not in frame or not (frame[Col.JUDGE_STATUS] == "judged").any():
        return ""
    counts = frame[Col.VERDICT].value_counts().to_dict()
    both, one, unknown = (int(counts.get(name, 0)) for name in ("stable by both", "stable by one", "unknown hull"))
    text = f" Of {formats.count(len(frame))} crystals put on the hull, {both or 'none'} {'is' if both == 1 else 'are'}"
    text += f" stable by both potentials and {one or 'none'} by one"
    has = "has" if unknown == 1 else "have"
    return text + (f"; {formats.count(unknown)} {has} an unknown hull." if unknown else ".")


def _judge_notice(run: Run) -> list[Notice]:
    """Return the notice on the second potential, or on the reason why the configured judge is missing."""
    frame = run.judge
    if frame is None or not len(frame):
        return []
    if (frame[Col.JUDGE_STATUS] == "judged").any():
        text = "Both potentials learned from the Materials Project: a second opinion, not an independent one."
        return [Notice("info", "A second potential judged", text)]
    why = next((str(reason) for reason in frame[Col.JUDGE_REASON] if reason), "no reason was given")
    return [Notice("warning", "The second potential gave no energies", f"{why}. Stability rests on one potential.")]


def _clause(kind: str, steps: Sequence[Mapping[str, Any]], note: str) -> str:
    counts = {str(step.get("step")): int(step.get("count") or 0) for step in steps}
    total = counts.get("asked", next(iter(counts.values())))
    last = str(steps[-1].get("step"))
    words = {
        "valid": ("is valid", "are valid"),
        "bonding kept": ("keeps its bonds in relaxation", "keep their bonds in relaxation"),
        "relaxed": ("relaxed", "relaxed"),
        "stable": ("is below the hull", "are below the hull"),
        "unique": ("is unique", "are unique"),
        "novel": ("is unique and novel", "are unique and novel"),
    }
    parts: list[str] = []
    for step, word in words.items():
        if step not in counts or (step == "unique" and "novel" in counts):
            continue
        number = counts[step]
        remark = f" ({note})" if note and step == "stable" else ""
        parts.append(f"{formats.count(number) if number else 'none'} {word[number > 1]}{remark}")
        if not number:
            break
    text = ", of those ".join([parts[0], ", ".join(parts[1:])]) if len(parts) > 1 else "".join(parts)
    return f"Of {formats.count(total)} requested {kind}s, {text or f'{formats.count(counts[last])} are {last}'}."


def dft_counts(run: Run) -> tuple[int, int]:
    """Return the number of structures converged with DFT, and of selected structures."""
    return sum(row.get(Col.STATUS) == "converged" for row in run.dft), len(run.dft)


def method(run: Run) -> str:
    """Return the method of the last relaxation, for display."""
    if uses_xtb(run):
        return "GFN1-xTB"
    codes = sorted({str(row[Col.CODE]) for row in run.dft if isinstance(row.get(Col.CODE), str) and row[Col.CODE]})
    return f"DFT ({', '.join(map(formats.code, codes))})" if codes else "DFT"


def potentials(run: Run) -> list[str]:
    """Return the names of the potentials that relaxed the crystals: those of the energies, else the configured one."""
    frames = [frame for frame in (run.relaxed, run.hull) if frame is not None and Col.ENERGY_TAG in frame]
    tags = {str(tag) for frame in frames for tag in frame[Col.ENERGY_TAG].dropna().unique()}
    names = {tag.partition("/")[0].partition("-")[0] for tag in tags}
    return sorted(names & {*POTENTIALS, *POTENTIAL_NAMES} or {str(run.setting("relax.engine") or "")} - {""})


def relaxer(run: Run) -> str:
    """Return the potentials that relaxed the crystals, for display; ``relaxed`` if they are unknown."""
    return ", ".join(map(potential_title, potentials(run))) or "relaxed"


def uses_xtb(run: Run) -> bool:
    """Return whether a structure was relaxed with GFN1-xTB."""
    return any(
        XTB in str(row.get(key) or "").lower() for row in run.dft for key in (Col.ENERGY_TAG, Col.CODE, Col.FUNCTIONAL)
    )


def _reasons(run: Run) -> list[str]:
    """Return why GPAW could not be set up on the machine of the run, as sentences."""
    lines = {str(line) for row in run.dft for line in row.get(Col.WARNINGS) or ()}
    return sorted(line.rstrip(".") + "." for line in lines if line.startswith("GPAW is not installed: "))


def notices(run: Run) -> list[Notice]:
    """Return the notices above the scores."""
    lines = []
    engine = str(run.setting("dft.engine", ""))
    if uses_xtb(run):
        engine_name = formats.code(engine) if engine and engine != XTB else ""
        why = (
            f"{engine_name} was configured but is not available, so the run used the fallback. " if engine_name else ""
        )
        why += "".join(f"{line} " for line in _reasons(run))
        lines.append(
            Notice(
                "warning",
                "No DFT: these relaxations are GFN1-xTB",
                f"{why}GFN1-xTB is a semi-empirical method, not density-functional theory. Its energies are not used "
                "in metrics or hulls; run again with VASP or GPAW for DFT.",
            )
        )
    lines += _energy_notice(run)
    lines += _weights_notice(run)
    lines += _formulas_notice(run)
    trained = sum((stats.get("n_systems") or {}).get("train", 0) for stats in run.datasets)
    if run.datasets and trained < 10_000:
        lines.append(
            Notice(
                "info",
                "A demonstration, not a benchmark",
                f"This run has {formats.count(trained)} training systems; the published models have tens "
                "of thousands. Published scores are shown for orientation and are not comparable.",
            )
        )
    lines += [Notice("warning", "A file could not be read", problem) for problem in run.problems]
    return lines


def _weights_notice(run: Run) -> list[Notice]:
    if run.setting("model.source", "train") == "train" or _made_elsewhere(run):
        return []
    text = (
        f"The models come from the weights in {run.setting('model.weights', 'weights')}. Samples are only compared "
        "with the data of this run: a novel sample may occur in the training data of the weights."
    )
    return [Notice("warning", "Novelty does not include the training data of the weights", text)]


def _made_elsewhere(run: Run) -> bool:
    """Return whether the samples are not this model's."""
    return bool(run.setting("sample.from") or run.setting("sample.command"))


def _formulas_notice(run: Run) -> list[Notice]:
    own = run.setting("sample.by_kind.molecule.formulas", run.setting("sample.formulas", "model"))
    composition = str(run.setting("sample.conditions.molecule.composition") or "-")  # with a formula nothing is drawn
    crystals = run.setting("sample.by_kind.crystal.formulas", run.setting("sample.formulas", "model"))
    if crystals == "substitution" and "crystal" in kinds(run) and not _made_elsewhere(run):
        text = (
            "The formula of each crystal is made by ion exchange in a formula of the training data and passes SMACT's "
            "test; the model generates the rest. Compositional validity is therefore no result of the model."
        )
        return [Notice("info", "Formulas of the crystals come from substitution", text)]
    if own != "training" or "-" not in composition or _made_elsewhere(run) or "molecule" not in kinds(run):
        return []
    text = (
        "The formula of each molecule is drawn from the training data, like its size; the model generates the "
        "rest. Published models generate the formula too, so their validity is a harder test. If few training "
        "molecules share a formula, the model is likely to reproduce one of them: check the novelty too."
    )
    return [Notice("info", "Formulas of the molecules come from the training data", text)]


def _energy_notice(run: Run) -> list[Notice]:
    tags = energies(run)
    text = hull_text(run)
    if not text:
        return []
    if tags["surrogate"]:
        return [Notice("warning", "Stability is a surrogate", text), *_gap_notice(run), *_judge_notice(run)]
    return [Notice("info", "Methods of the energies", text), *_gap_notice(run), *_judge_notice(run)]


def _gap_notice(run: Run) -> list[Notice]:
    frame = run.scores.get("crystal")
    if frame is None or not {Col.E_ABOVE_HULL, Col.HULL_COVERS_CHEMISTRY} <= set(frame):
        return []
    placed = frame[frame[Col.E_ABOVE_HULL].notna()]
    gaps = int((~placed[Col.HULL_COVERS_CHEMISTRY].fillna(False).astype(bool)).sum())
    if not gaps:
        return []
    text = (
        f"{formats.count(gaps)} of the {formats.count(len(placed))} crystals with an energy have an unknown hull: "
        "it has no compound of a pair of their elements. Energies below such a gap mean little: these crystals count "
        "as stable only in the published protocols, which need no more than an energy."
    )
    return [Notice("warning", "The hull has gaps", text)]


def hull_text(run: Run) -> str:
    """Return the methods of energies and hull as text; empty without a hull."""
    tags = energies(run)
    if not tags["hull_tags"]:
        return ""
    own, hull = ", ".join(tags["energy_tags"]) or "unknown", ", ".join(tags["hull_tags"])
    entries = f" of {formats.count(tags['reference_entries'])} reference entries" if tags["reference_entries"] else ""
    source = f" ({tags['reference']})" if tags["reference"] else ""
    kind = "computed in the same way" if own == hull else f"of {hull}"
    text = f"Energies above the hull are {own} energies on a hull{entries}{source} {kind}."
    if tags["surrogate"]:
        names = " and ".join(energies_name("…", each) for each in surrogate_potentials(run) or [])
        return f"{text} The two methods differ: the metrics are named {names} and are not DFT stabilities."
    return f"{text} DFT energies are listed separately and never compared with this hull." if run.dft else text


def tiles(run: Run) -> list[tuple[str, str, str]]:
    """Return the numbers under the title: label, value with its unit or share, note in small print."""
    shown = []
    for kind in kinds(run):
        steps = {str(s.get("step")): int(s.get("count") or 0) for s in steps_of(run, kind)}
        if "valid" in steps and steps.get("asked"):
            share = 100 * steps["valid"] / steps["asked"]
            shown.append((f"valid {kind}s", f"{share:.0f} %", f"{steps['valid']} of {steps['asked']} requested"))
    best = best_energy(run)
    if best is not None:
        note = surrogate_note(run)
        small = f"eV/atom{f', {note}' if note else ''}; valid compounds with a chemistry in the hull"
        shown.append(("lowest E above hull", formats.number(best, 3), small))
    converged, total = dft_counts(run)
    if total:
        shown.append((f"{method(run)} converged", f"{converged} of {total}", "selected structures"))
    seconds = total_seconds(run)
    if seconds is not None:
        shown.append(("computing time", formats.seconds(seconds), "all jobs together"))
    return shown


def hull_energies(run: Run, *, covered: bool = False) -> list[float]:
    """Return the known energies above the hull of crystals with a converged relaxation, eV/atom.

    Args:
        run: the run.
        covered: leave out crystals with an unknown hull (their energies mean little), invalid crystals and single
            elements.
    """
    frame = run.scores.get("crystal")
    if frame is None or Col.E_ABOVE_HULL not in frame:
        return []
    if Col.RELAX_STATUS in frame:
        frame = frame[frame[Col.RELAX_STATUS] == "converged"]
    for name in (Col.HULL_COVERS_CHEMISTRY, Col.OVERALL_VALIDITY) if covered else ():
        if name in frame:
            frame = frame[frame[name].fillna(False).astype(bool)]
    if covered and Col.N_ELEMENTS in frame:
        frame = frame[frame[Col.N_ELEMENTS] != 1]
    return [float(value) for value in frame[Col.E_ABOVE_HULL].dropna()]


def best_energy(run: Run) -> float | None:
    """Return the lowest energy above the hull of a valid crystal with a known hull, eV/atom."""
    return min(hull_energies(run, covered=True), default=None)
