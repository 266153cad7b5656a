"""Citations of a run: every dataset and method it used, as BibTeX.

Writes: report/references.bib
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from adit.columns import Col
from adit.config.engines import ENGINES
from adit.report.page.assets import read_asset
from adit.report.run.inputs import Run
from adit.report.words import outcome
from adit.report.words.outcome import potentials

MODEL: Final = ("Joshi2025ADiT", "Peebles2023DiT", "Lipman2023FlowMatching", "Ho2022Guidance")
"""Keys in ``methods.bib`` for the model; the constants below are those of other parts of a run."""

CRYSTALS: Final = ("Ong2013pymatgen", "Togo2024spglib", "Davies2019SMACT")
MOLECULES: Final = ("RDKit", "Buttenschoen2024PoseBusters")
POTENTIALS: Final = {
    "chgnet": ("Deng2023CHGNet",),
    "sevennet": ("Park2024SevenNet",),
    "mace": ("Batatia2022MACE", "Batatia2023MACEMP"),
    "orb": ("Neumann2024Orb",),
    "mattersim": ("Yang2024MatterSim",),
    "emt": ("Jacobsen1996EMT",),
}
"""Keys by the name of a potential in the configuration."""

GFN2: Final = ("Bannwarth2019GFN2",)
ASE: Final = ("Larsen2017ASE",)
PHONONS: Final = ("Togo2023phonopy", "Togo2023phonons")
DFT: Final = ("Ganose2025atomate2", "Rosen2024jobflow")
ALWAYS: Final = ("Molder2021Snakemake", "Rego2015ThreeDmol")


def bibliography(run: Run) -> str:
    """Return the BibTeX of a run: methods first, then datasets; each entry once."""
    methods = entries(read_asset("page/methods.bib"))
    chosen = {key: methods[key] for key in used(run)}
    for stats in run.datasets:
        for key, text in entries(str(stats.get("citation") or "")).items():
            chosen.setdefault(key, text)
    return "\n".join(chosen.values())


def used(run: Run) -> list[str]:
    """Return the keys in ``methods.bib`` of the methods that a run used, each once."""
    keys: list[str] = [*MODEL]
    if {"crystal", "mof"} & set(outcome.kinds(run)):
        keys += CRYSTALS
    if "molecule" in outcome.kinds(run):
        keys += MOLECULES
    crystals, molecules = _relaxed_crystals(run), _relaxed_molecules(run)
    chosen = [*(potentials(run) if crystals else ()), *_judges(run)]
    keys += [key for name in chosen for key in POTENTIALS.get(name, ())]
    if molecules or run.setting("labels.gaps"):
        keys += GFN2
    if crystals or molecules:
        keys += ASE
    if any("MP2020" in tag for tag in _tags(run)):
        keys.append("Wang2021MP2020")
    if run.stability is not None:
        keys += PHONONS
    if run.dft:
        codes = {str(row.get(Col.CODE) or "").lower().partition(" ")[0] for row in run.dft}
        keys += [*DFT, *(key for name, entry in ENGINES.items() if name in codes for key in entry.citations)]
    return list(dict.fromkeys([*keys, *ALWAYS]))


def _relaxed_crystals(run: Run) -> bool:
    """Return whether crystals or MOFs were relaxed with a potential."""
    periodic = [frame for kind, frame in run.scores.items() if kind != "molecule"]
    return run.hull is not None or run.relaxed is not None or any(Col.RELAX_STATUS in frame for frame in periodic)


def _relaxed_molecules(run: Run) -> bool:
    """Return whether molecules were sent to a relaxation with GFN2-xTB."""
    frame = run.scores.get("molecule")
    return frame is not None and Col.XTB_STATUS in frame and bool((frame[Col.XTB_STATUS] != "not_sent").any())


def _judges(run: Run) -> list[str]:
    """Return the name of the second potential, if it judged crystals."""
    return [] if run.judge is None else [str(run.setting("judge.engine") or "")]


def _tags(run: Run) -> Iterable[str]:
    for column in (Col.ENERGY_TAG, Col.HULL_TAG):
        if run.hull is not None and column in run.hull:
            yield from (str(value) for value in run.hull[column].dropna().unique())


def entries(text: str) -> dict[str, str]:
    """Return the entries of a BibTeX text by key; other text is left out."""
    starts = [match.start() for match in re.finditer(r"^[ \t]*@\w+\s*\{", text, flags=re.MULTILINE)]
    ends = [*starts[1:], len(text)][: len(starts)]
    parts = [text[start:end].strip() + "\n" for start, end in zip(starts, ends, strict=True)]
    entries_by_key: dict[str, str] = {}
    for part in parts:
        key = re.match(r"@\w+\s*\{\s*([^,\s]+)\s*,", part)
        if key:
            entries_by_key.setdefault(key.group(1), part)
    return entries_by_key
