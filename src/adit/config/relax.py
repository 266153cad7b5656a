"""Sections of relaxation: potential, selection, DFT, hull."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from adit.columns import POTENTIALS, Col
from adit.config.base import Address, Count, Positive, PositiveFloat, Program, Strict
from adit.config.engines import EngineName

POTENTIAL_NAMES: Final = (*POTENTIALS, "emt")
"""Names of potentials; their properties are in the registry of the relax room."""


def _potential(name: str) -> str:
    if name not in POTENTIALS and name not in POTENTIAL_NAMES:
        raise ValueError(f"no potential is named {name}; there are {', '.join(POTENTIAL_NAMES)}")
    return name


PotentialName = Annotated[
    str, AfterValidator(_potential), WithJsonSchema({"enum": list(POTENTIAL_NAMES), "type": "string"})
]
"""Name of a potential in ``POTENTIAL_NAMES``."""


MOLECULE_PROPERTIES: Final = (
    *(Col.GAP, Col.DIPOLE, Col.IONISATION, Col.AFFINITY, Col.ATOMISATION, Col.RELAXATION_ENERGY, Col.STRAIN),
    *(Col.QED, Col.SA_SCORE, Col.LOGP, Col.TPSA, Col.RINGS),
)
"""Properties of molecules that a selection can ask for: columns of their relaxation."""

MOLECULE_RANKS: Final = (Col.STRAIN, Col.RELAXATION_ENERGY, "cost")
"""Orders in which molecules are selected."""


def _property(name: str) -> str:
    if name not in MOLECULE_PROPERTIES:
        raise ValueError(f"no property of molecules is named {name}; there are {', '.join(MOLECULE_PROPERTIES)}")
    return name


def _rank(name: str) -> str:
    if name not in MOLECULE_RANKS:
        raise ValueError(f"is none of {', '.join(MOLECULE_RANKS)}")
    return name


MoleculeProperty = Annotated[
    str, AfterValidator(_property), WithJsonSchema({"enum": [*map(str, MOLECULE_PROPERTIES)], "type": "string"})
]
"""Name of a property in ``MOLECULE_PROPERTIES``."""

MoleculeRank = Annotated[
    str, AfterValidator(_rank), WithJsonSchema({"enum": [*map(str, MOLECULE_RANKS)], "type": "string"})
]
"""Name of an order in ``MOLECULE_RANKS``."""


class MoleculeRelaxConfig(Strict):
    """Relaxation of molecules with GFN2-xTB, and what is computed of the relaxed ones."""

    fmax: PositiveFloat = Field(0.02, description="largest force at convergence, eV/Å")
    max_steps: Positive = Field(500, description="maximum number of optimiser steps")
    wall_limit_s: PositiveFloat = Field(600.0, description="wall-time limit per molecule, s")
    min_distance: Annotated[float, Field(ge=0)] = Field(0.4, description="smallest allowed distance between atoms, Å")
    ions: bool = Field(False, description="ionisation energy and electron affinity: two more calculations a molecule")
    conformers: Count = Field(0, description="conformers (ETKDG, relaxed) that the strain is measured against; 0: none")


class RelaxConfig(Strict):
    """Pre-relaxation."""

    engine: PotentialName = Field("chgnet", description="machine-learned potential")
    weights: str | None = Field(None, description="file of the potential's weights; null: those of its package")
    python: Program | None = Field(None, description="interpreter that has the potential; null: this one")
    fmax: PositiveFloat = Field(0.05, description="largest force component at convergence, eV/Å")
    max_steps: Positive = Field(500, description="maximum number of optimiser steps")
    wall_limit_s: PositiveFloat = Field(600.0, description="wall-time limit per structure, s")
    optimizer: Literal["bfgs", "lbfgs", "fire"] = Field("bfgs", description="ASE optimiser for atoms and cell")
    min_distance: Annotated[float, Field(ge=0)] = Field(0.5, description="smallest allowed distance between atoms, Å")
    overlaps: Literal["refuse", "push"] = Field(
        "refuse",
        description="structures with closer atoms: refuse them, or first push the atoms apart if there is space",
    )
    max_volume_per_atom: PositiveFloat = Field(250.0, description="largest allowed cell volume per atom, Å³")
    symmetrize: Literal["off", "try", "only"] = Field(
        "off",
        description="symmetry found before relaxation, within 0.5 Å: off; try: relax also the symmetrised structure, "
        "with its symmetry kept, and keep the lower energy; only: relax the symmetrised structure alone",
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU if available")
    batch_atoms: Positive = Field(4096, description="atoms relaxed together on a GPU")
    molecule: MoleculeRelaxConfig = MoleculeRelaxConfig()

    @property
    def of_crystals(self) -> RelaxConfig:
        """Return the section with the defaults for molecules, so that a change of these reruns no stage of crystals."""
        return self.model_copy(update={"molecule": MoleculeRelaxConfig()})


class JudgeConfig(Strict):
    """A second potential for the energies of the relaxed crystals."""

    engine: PotentialName | None = Field(None, description="potential of the judge; null: none")
    weights: str | None = Field(None, description="file of the judge's weights; null: those of its package")
    python: Program | None = Field(None, description="interpreter that has the judge; null: this one")
    relax: bool = Field(False, description="relax each crystal with the judge too, from the relaxed structure")
    wall_limit_s: PositiveFloat = Field(300.0, description="wall-time limit per structure, s")
    references_wall_s: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="wall time for reference crystals by the judge that do not come with the package, s; a crystal "
        "that lacks some has an unknown hull; null: no limit",
    )


class StabilityConfig(Strict):
    """Dynamical stability of the best crystals: phonons and bulk modulus with the pre-relaxation's potential."""

    top: Count = Field(0, description="best crystals that are checked; 0: none")
    fmax: PositiveFloat = Field(
        0.002, description="largest force and row of the cell's gradient after the tight relaxation, eV/Å"
    )
    max_steps: Positive = Field(500, description="maximum number of steps of the tight relaxation")
    displacement: PositiveFloat = Field(0.02, description="displacement of an atom, Å")
    length: PositiveFloat = Field(10.0, description="smallest height of the supercell, Å, as far as max_atoms allows")
    max_atoms: Positive = Field(200, description="maximum number of atoms of the supercell")
    tolerance: PositiveFloat = Field(
        0.1, description="a mode is imaginary if its frequency (negative: imaginary) is below minus this, THz"
    )
    wall_limit_s: PositiveFloat = Field(600.0, description="wall-time limit per structure, s")


class MoleculeSelectConfig(Strict):
    """Selection of molecules for DFT: strictly valid ones that relaxation left what they were."""

    max_structures: Count | None = Field(0, description="maximum number of selected molecules; null: all; 0: no DFT")
    max_atoms: Positive | None = Field(None, description="maximum number of atoms; null: no limit")
    novel: bool = Field(True, description="only molecules whose SMILES is not in the training split")
    rank_by: MoleculeRank = Field(
        Col.RELAXATION_ENERGY.value,
        description="order of selection, lowest first: strain (needs relax.molecule.conformers), energy released by "
        "relaxation, or predicted cost",
    )
    window: dict[MoleculeProperty, tuple[float, float]] = Field(
        {}, description="lowest and highest value of properties, e.g. {homo_lumo_gap: [4, 8]}"
    )
    budget_core_hours: PositiveFloat | None = Field(
        None, description="maximum total predicted cost, core hours; null: no limit"
    )


class SelectConfig(Strict):
    """Selection for DFT."""

    max_structures: Count | None = Field(None, description="maximum number of selected structures; null: all")
    max_e_above_hull: float | None = Field(0.5, description="maximum energy above the hull, eV/atom")
    max_atoms: Positive | None = Field(None, description="maximum number of atoms; null: no limit")
    rank_by: Literal["stability", "agreement", "disagreement", "cost"] = Field(
        "stability",
        description="order of selection: lowest energy above the hull first; lowest by both potentials first; where "
        "the potentials differ most first; cheapest first (then lowest). Agreement and disagreement need a judge",
    )
    compounds_first: bool = Field(True, description="select elements after all compounds, since elements are known")
    budget_core_hours: PositiveFloat | None = Field(
        None, description="maximum total predicted cost, core hours; structures over budget are skipped; null: no limit"
    )
    molecule: MoleculeSelectConfig = MoleculeSelectConfig()

    @property
    def of_crystals(self) -> SelectConfig:
        """Return the section with the defaults for molecules, so that a change of these reruns no stage of crystals."""
        return self.model_copy(update={"molecule": MoleculeSelectConfig()})


class MoleculeDftConfig(Strict):
    """DFT relaxation of molecules."""

    preset: str | None = Field(
        None, description="settings file config/dft/<engine>-molecule-<preset>.yaml; null: as dft.preset"
    )


class DftConfig(Strict):
    """DFT relaxation through atomate2."""

    engine: EngineName = Field("vasp", description="engine for energies and forces")
    fallback: Literal["gfn1-xtb"] | None = Field(
        None, description="engine used if the first one is not installed; null: a missing engine is an error"
    )
    preset: str = Field("mp-gga", description="settings file config/dft/<engine>-<preset>.yaml, or mp-gga for VASP")
    wall_limit_s: PositiveFloat = Field(86400.0, description="wall-time limit per attempt, s")
    restarts: Count = Field(1, description="number of restarts from the last geometry after the wall-time limit")
    shards: Positive = Field(100, description="maximum number of jobs")
    references: Literal["none", "elements", "competing"] = Field(
        "none",
        description="compute reference energies for a DFT hull with the same settings: elements, or also "
        "competing compounds; not needed for VASP's mp-gga on a hull of the Materials Project",
    )
    reference_window: Annotated[float, Field(ge=0)] = Field(
        0.05, description="competing compounds are within this energy above the hull of the pre-relaxation, eV/atom"
    )
    command: str | None = Field(
        None,
        description="command that starts VASP, e.g. 'srun vasp_std', split into arguments and started without a "
        "shell; null: setting of atomate2",
    )
    molecule: MoleculeDftConfig = MoleculeDftConfig()

    @property
    def of_crystals(self) -> DftConfig:
        """Return the section with the defaults for molecules, so that a change of these reruns no stage of crystals."""
        return self.model_copy(update={"molecule": MoleculeDftConfig()})

    @model_validator(mode="after")
    def _command_splits(self) -> Self:
        try:
            words = self.words
        except ValueError as error:
            raise ValueError(f"command: cannot be split into arguments ({error})") from None
        if self.command is not None and not words:
            raise ValueError("command: is empty; leave it out for atomate2's setting")
        if words and (not words[0].strip() or words[0].startswith("-")):
            raise ValueError(f"command: its program '{words[0]}' is empty, or begins with - as options do")
        return self

    @property
    def words(self) -> list[str]:
        """Return the arguments of ``command``."""
        return shlex.split(self.command or "")


MP2020_TAG: Final = "vasp/PBE(+U)/MP2020"
"""Energy tag of the Materials Project's PBE(+U) energies with the MP2020 corrections."""


def _energy_tag(text: str) -> str:
    if not re.fullmatch(r"[\w.+()-]+(/[\w.+()-]+){2}", text):
        raise ValueError("is no energy tag; give <code>/<functional>/<correction>, e.g. vasp/PBE(+U)/MP2020")
    return text


def _path(text: str) -> str:
    if not re.fullmatch(r"_[a-z0-9]+_\w+(\.[\w+-]+)*", text):
        raise ValueError("is no property of a provider; give its name, e.g. _oqmd_delta_e; dots lead into nested ones")
    return text


EnergyTag = Annotated[str, Field(max_length=100), AfterValidator(_energy_tag)]
"""Method of energies, ``<code>/<functional>/<correction>``."""


class ProviderConfig(Strict):
    """An OPTIMADE provider; the energies of a known one (docs/relaxation.md) need no further key."""

    address: Address = Field(description="base address of the database, with or without its version (/v1)")
    energy: Annotated[str, Field(max_length=200), AfterValidator(_path)] | None = Field(
        None, description="property that holds the energy; dots lead into nested ones; null: a known one"
    )
    per: Literal["atom", "cell"] | None = Field(
        None, description="the energy is in eV/atom or in eV/cell; null: by the unit that the provider gives"
    )
    kind: Literal["total", "formation"] = Field(
        "total", description="total energy, or formation energy from the elements of the Materials Project"
    )
    tag: EnergyTag | None = Field(None, description="method of the energy, <code>/<functional>/<correction>")

    @model_validator(mode="after")
    def _named_energies_have_a_method(self) -> Self:
        if (self.energy is None) != (self.tag is None):
            raise ValueError("name both, energy (the property) and tag (its method), or neither")
        if self.energy is None and (self.per is not None or self.kind != "total"):
            raise ValueError("per and kind describe the property that energy names")
        return self


class LiveConfig(Strict):
    """References that servers are asked for; only for reference: mp-api and optimade."""

    providers: tuple[ProviderConfig, ...] = Field((), description="OPTIMADE providers, for reference: optimade")
    endpoint: Address | None = Field(
        None, description="address of the Materials Project's API, for reference: mp-api; null: that of its client"
    )
    tag: EnergyTag = Field(
        MP2020_TAG, description="method of the hull, for reference: optimade; energies of other methods are refused"
    )
    max_elements: Annotated[int, Field(gt=0, le=10)] = Field(
        7, description="systems of more elements are not asked for: n elements are 2^n - 1 questions"
    )
    rate: Annotated[float, Field(gt=0, le=10)] = Field(2.0, description="queries of one server, 1/s")
    timeout_s: PositiveFloat = Field(60.0, description="longest time of one answer, s")
    answer_bytes: Positive = Field(10_000_000, description="bytes of one answer; a longer one is not used")
    pages: Annotated[int, Field(gt=0, le=1000)] = Field(100, description="pages of one query; more are an error")
    page_limit: Annotated[int, Field(gt=0, le=500)] = Field(100, description="entries of a page that are asked for")


LIVE: Final = ("mp-api", "optimade")
"""Values of ``hull.reference`` that ask servers."""


class HullConfig(Strict):
    """Reference energies of the convex hull."""

    reference: Literal["builtin", "mp20-formation-energies", "mp-2023-02-07", "entries", "mp-api", "optimade"] = Field(
        "mp20-formation-energies",
        description="builtin: compounds and elements of the built-in set, relaxed with the pre-relaxation's potential; "
        "mp-2023-02-07: the whole Materials Project (adit fetch --dataset mp-phase-diagram); entries: hull.entries; "
        "mp-api: the Materials Project's server (key in MP_API_KEY); optimade: hull.live.providers",
    )
    competing: Literal["none", "prototypes"] = Field(
        "none",
        description="prototypes: add compounds of the pairs of elements without one in the reference, from AFLOW's "
        "prototypes, with the pre-relaxation's potential; for reference: builtin",
    )
    competing_core_hours: Annotated[float, Field(ge=0)] = Field(
        1.0, description="pairs that are not finished within this time are skipped, core hours"
    )
    competing_wall_s: Annotated[float, Field(ge=0)] | None = Field(
        None, description="pairs that are not finished within this wall time are skipped, s; null: no limit"
    )
    competing_ternaries: bool = Field(
        False, description="after the pairs, prototypes of three elements (perovskite, spinel, Heusler, ...) too"
    )
    entries: str | None = Field(None, description="JSON file of pymatgen's computed entries, for reference: entries")
    live: LiveConfig = LiveConfig()

    @property
    def is_live(self) -> bool:
        """Return whether servers are asked for the entries of the samples' chemical systems."""
        return self.reference in LIVE

    @property
    def of_materials_project(self) -> bool:
        """Return whether the reference's energies are the Materials Project's, PBE(+U) with MP2020."""
        return self.reference != "builtin" and (self.reference != "optimade" or self.live.tag == MP2020_TAG)

    @model_validator(mode="after")
    def _entries_have_a_place(self) -> Self:
        if self.reference == "entries" and not self.entries:
            raise ValueError("hull.reference entries needs a file: set hull.entries")
        if self.reference == "optimade" and not self.live.providers:
            raise ValueError("hull.reference optimade needs servers: set hull.live.providers (adit hull: --provider)")
        if self.competing == "prototypes" and self.reference != "builtin":
            raise ValueError("hull.competing prototypes needs hull.reference: builtin, a hull of the same potential")
        return self
