"""The dossier of a candidate: sections of the page and files, made in a worker with a limit of time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from adit import convert
from adit.columns import Col
from adit.dossier import crystals, decomposition, diffraction, inputs, molecules, supply
from adit.dossier.content import Dossier, Section, SectionTable, Subject
from adit.elements import composition, hill
from adit.errors import AditError, DataError
from adit.hull.energy_tags import potential_of_tag, surrogate_of
from adit.progress import quantity
from adit.report.candidates.pictures import ball_and_stick, bond_drawing
from adit.systems import AtomicSystem

MISSING: Final = "—"
"""Text of a missing value."""

VERDICTS: Final = (Col.VERDICT, Col.JUDGE_STATUS, Col.E_ABOVE_HULL_DIFFERENCE, Col.MISSING_PAIRS)
"""Columns of a run about the stability of a candidate."""

NO_ENERGY: Final = "There is no energy of this structure, and so no distance from this mixture or from the hull."
"""Note of a candidate without an energy."""


@dataclass(frozen=True)
class Task:
    """Input of a worker.

    Attributes:
        subject: the candidate.
        phases: reference entries of its elements, or ``None``.
    """

    subject: Subject
    phases: decomposition.Phases | None = None


def build(task: Task) -> Dossier:
    """Return the dossier of a candidate: of a molecule if its last structure has no cell, else of a crystal."""
    system = task.subject.last
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about their tables; what is a guess says so in the dossier
        return _molecule(task.subject) if system.cell is None else _crystal(task)


def _crystal(task: Task) -> Dossier:
    subject, system = task.subject, task.subject.last
    symmetry = crystals.symmetry(system)
    peaks = diffraction.peaks(symmetry.conventional or system)
    formula = _formula(system)
    sections = [
        Section(
            "Structure",
            _structure_facts(subject, symmetry),
            [_sites(symmetry)],
            _pictures(subject),
            [subject.absence] if subject.absence else [],
        ),
        Section("Stages", tables=[_stages(subject)]),
        Section(
            "Powder diffraction",
            [("radiation", f"Cu Kα, {diffraction.WAVELENGTH} Å")],
            [_peaks(peaks)],
            [(diffraction.picture(peaks), f"Computed pattern; every peak is in xrd.csv ({len(peaks)}).")],
            [
                "Atoms at rest, no texture. A generated cell can be some percent too large or small, and so can the "
                "spacings of its peaks."
            ],
        ),
        _stability(task),
        _supply(system),
        *_common(subject),
    ]
    files = {"xrd.csv": diffraction.csv(peaks), "xrd.svg": diffraction.picture(peaks)}
    files |= inputs.structure_files(system, symmetry.conventional)
    sections += [_inputs(system, files)]
    return Dossier(subject.name, formula, sections, files)


def _formula(system: AtomicSystem) -> str:
    from pymatgen.core import Composition

    return str(Composition(composition(system.numbers)).reduced_formula)


def _structure_facts(subject: Subject, symmetry: crystals.CrystalSymmetry) -> list[tuple[str, Any]]:
    system = subject.last
    cell = symmetry.conventional or system
    lengths = ", ".join(f"{value:.4f}" for value in cell.lengths)
    angles = ", ".join(f"{value:.2f}" for value in cell.angles)
    names = crystals.prototype(system)
    return [
        ("formula", _formula(system)),
        ("space group", f"{symmetry.symbol} ({symmetry.number}), within {crystals.SYMPREC} Å"),
        ("crystal system", f"{symmetry.system}, point group {symmetry.point_group}"),
        ("conventional cell a, b, c, Å", lengths),
        ("α, β, γ, degrees", angles),
        ("atoms in the conventional cell", len(cell)),
        ("volume, Å³", f"{cell.volume:.3f}"),
        ("density, g/cm³", f"{crystals.density_of(system):.3f}"),
        ("prototype (AFLOW)", "; ".join(names) or "no match in pymatgen's library"),
        ("label", crystals.protostructure(system)),
    ]


def _sites(symmetry: crystals.CrystalSymmetry) -> SectionTable:
    result = crystals.sites(symmetry.conventional) if symmetry.conventional is not None else []
    heads = ["element", "Wyckoff site", "x", "y", "z", "oxidation state", "neighbours", "which"]
    rows = [
        [
            site.symbol,
            site.wyckoff,
            *(f"{value:.4f}" for value in site.position),
            MISSING if site.oxidation is None else f"{site.oxidation:+g}",
            MISSING if site.coordination is None else site.coordination,
            site.neighbours,
        ]
        for site in result
    ]
    return SectionTable(heads, rows)


def _pictures(subject: Subject) -> list[tuple[str, str]]:
    steps = [
        (str(ball_and_stick(system, f"{subject.name}-{n}")), label) for n, (label, system) in enumerate(subject.steps)
    ]
    near = [
        (str(ball_and_stick(system, f"{subject.name}-near-{n}")), f"{how} ({system.system_id})")
        for n, (how, system) in enumerate(subject.references)
    ]
    return [*steps, *near]


def _stages(subject: Subject) -> SectionTable:
    heads = ["stage", "space group", "a, Å", "b, Å", "c, Å", "α", "β", "γ", "volume per atom, Å³", "density, g/cm³"]
    rows = []
    for label, system in subject.steps:
        symmetry = crystals.symmetry(system)
        cell = symmetry.conventional or system
        lengths = [f"{value:.3f}" for value in cell.lengths]
        angles = [f"{value:.1f}" for value in cell.angles]
        sizes = [f"{system.volume / len(system):.2f}", f"{crystals.density_of(system):.3f}"]
        rows.append([label, f"{symmetry.symbol} ({symmetry.number})", *lengths, *angles, *sizes])
    return SectionTable(heads, rows)


def _peaks(peaks: list[diffraction.Peak]) -> SectionTable:
    strongest = sorted(peaks, key=lambda peak: -peak.intensity)[:15]
    rows = [
        [f"{peak.two_theta:.3f}", f"{peak.spacing:.4f}", f"{peak.intensity:.1f}"]
        for peak in sorted(strongest, key=lambda peak: peak.two_theta)
    ]
    return SectionTable(["2θ, degrees", "d, Å", "intensity, %"], rows)


def _stability(task: Task) -> Section:
    subject = task.subject
    facts = [(Col(name).label, subject.record[name]) for name in VERDICTS if name in subject.record]
    energy = subject.record.get(Col.E_ABOVE_HULL)
    if isinstance(energy, int | float):
        facts.insert(0, (f"energy above the hull in the run, eV/atom ({_run_method(subject)})", f"{energy:.4f}"))
    if task.phases is None:
        return Section("Stability", facts, notes=["No reference entries were given (--hull): no decomposition."])
    counts = {name: float(count) for name, count in composition(subject.last.numbers).items()}
    try:
        result = task.phases.decompose(counts)
        surrogate = None if subject.energy is None else surrogate_of(subject.energy_tag, task.phases.tag)
    except DataError as error:
        return Section("Stability", facts, notes=[str(error)])
    facts.append(("decomposition on the hull", result.equation))
    facts.append(("energies of the phases", task.phases.tag))
    if subject.energy is not None:
        facts.append((_energy_name(subject.energy_tag, surrogate), f"{subject.energy - result.energy_per_atom:.4f}"))
    notes = [] if subject.energy is not None else [NO_ENERGY]
    heads = ["phase", "source", "share of the atoms", "energy, eV/atom"]
    rows = [
        [phase.formula, phase.entry_id, f"{share:.4f}", f"{phase.energy_per_atom:.4f}"]
        for phase, share in result.phases
    ]
    return Section("Stability", facts, [SectionTable(heads, rows)], notes=notes)


def _run_method(subject: Subject) -> str:
    """Return the method of the energy above the hull that the run has."""
    tag = str(subject.record.get(Col.ENERGY_TAG) or subject.energy_tag or "method not stated")
    if not subject.record.get(Col.SURROGATE):
        return tag
    return f"{tag}: a surrogate, {potential_of_tag(tag) or 'a potential'} on a DFT hull"


def _energy_name(tag: str, surrogate: str | None) -> str:
    text = f"energy above this mixture, eV/atom ({tag})"
    return f"{text}: a surrogate, {potential_of_tag(tag)} on a DFT hull" if surrogate else text


def _supply(system: AtomicSystem) -> Section:
    counts = {name: float(count) for name, count in composition(system.numbers).items()}
    result = supply.supply(counts)
    price = supply.price_per_kg(result)
    means = [(name, supply.weighted(result, name)) for name in ("production", "reserves")]
    facts = [(f"HHI of {name}, by mass", MISSING if value is None else f"{value:.0f}") for name, value in means]
    facts.append(("price of its elements, US$/kg", MISSING if price is None else f"{price:.4g}"))
    heads = ["element", "mass, %", "HHI production", "HHI reserves", "crust, mg/kg", "US$/kg", "warning"]
    rows = [
        [
            one.symbol,
            f"{100 * one.mass_share:.1f}",
            *(MISSING if value is None else f"{value:.4g}" for value in (one.production, one.reserves, one.abundance)),
            MISSING if one.price is None else f"{one.price:.4g}",
            one.warning,
        ]
        for one in result
    ]
    return Section("Elements", facts, [SectionTable(heads, rows)], notes=[supply.SOURCES, supply.TOXIC_SOURCES])


def _inputs(system: AtomicSystem, files: dict[str, str]) -> Section:
    """Add the inputs to the files; a crystal for which there are none says why."""
    notes = [
        "VASP: the Materials Project's settings (first relaxation of PBE(+U)) as in atomate2's flow, with Γ in every "
        "grid of k-points; POTCARs are licensed, POTCAR.spec names them.",
        "GPAW: preset standard of this package; start gpaw-relax.py in its folder.",
    ]
    try:
        files |= inputs.dft_inputs(system)
    except (AditError, ValueError, KeyError) as error:  # no pseudopotential of an element
        notes = [f"No inputs for DFT: {' '.join(str(error).split())[:300]}"]
    return Section("Files", _sizes(files), notes=notes)


def _sizes(files: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, quantity(len(text), "character")) for name, text in files.items()]


def _common(subject: Subject) -> list[Section]:
    scores = [(str(name), _shown(value)) for name, value in subject.record.items() if value not in (None, "")]
    origin = [(str(name), _shown(value)) for name, value in subject.provenance.items() if value not in (None, "")]
    return [Section("Scores of the run", scores)] * bool(scores) + [Section("Provenance", origin)] * bool(origin)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


COMPUTED = (Col.GAP, Col.DIPOLE, Col.IONISATION, Col.AFFINITY, Col.ATOMISATION, Col.STRAIN, Col.RELAXATION_ENERGY)
"""Properties by GFN2-xTB that a run has of its relaxed molecules."""


def _computed(subject: Subject) -> list[tuple[str, str]]:
    """Return the properties by GFN2-xTB, where the candidate comes from a run."""
    return [
        (f"{name.replace('_', ' ')} (GFN2-xTB), {name.unit}", f"{value:.4g}")
        for name in COMPUTED
        if isinstance(value := subject.record.get(name), float)
    ]


def _none_near(subject: Subject) -> str:
    """Return why a molecule has no nearest known one."""
    number = quantity(len(subject.references), "known molecule")
    return subject.absence or f"No nearest known molecule is shown: no bonds fit in the {number} compared."


def _molecule(subject: Subject) -> Dossier:
    system = subject.last
    formula = hill(composition(system.numbers))
    files = {"structure.extxyz": inputs.extxyz([system])}
    pictures = [(str(ball_and_stick(system, subject.name)), subject.steps[-1][0])]
    try:
        mol = convert.to_rdkit(system)
    except DataError as error:
        facts = [("formula", formula), ("atoms", len(system))]
        notes = [f"No bonds fit, so that there are no names, no properties and no nearest known molecule: {error}"]
        sections = [Section("Molecule", facts, (), pictures, notes), *_common(subject)]
        return Dossier(subject.name, formula, sections, files)
    drawing = bond_drawing(system)
    if drawing is not None:
        pictures.insert(0, (str(drawing), "bonds"))
    named = molecules.names(mol)
    values = molecules.properties(mol)
    near = molecules.nearest(mol, [reference for _, reference in subject.references])
    facts = [("formula", formula), ("atoms", len(system)), *((name, value) for name, value in named.items() if value)]
    notes = [_none_near(subject)] if near is None else []
    if near is not None:
        name = near[1].system_id
        facts.append(("most similar in the data", f"{name}, Tanimoto similarity {near[0]:.2f}"))
        pictures.append((str(ball_and_stick(near[1], f"{subject.name}-near")), f"nearest in the data: {name}"))
    result = molecules.alerts(mol)
    rdkit_facts = [(name, f"{value:.4g}") for name, value in values.items()]
    sections = [
        Section("Molecule", facts, (), pictures, notes),
        Section("Properties", [*_computed(subject), *rdkit_facts], notes=[molecules.SA_SOURCE]),
        Section(
            "Structural alerts",
            [("alerts", len(result))],
            [SectionTable(["catalogue", "alert"], result)] if result else (),
            notes=[molecules.ALERT_SOURCE],
        ),
        *_common(subject),
    ]
    files["structure.sdf"] = molecules.sdf(mol, subject.name, {**named, **values})
    sections.append(Section("Files", _sizes(files)))
    return Dossier(subject.name, formula, sections, files)
