"""The DFT engines: the one list that a new engine is added to (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema


@dataclass(frozen=True)
class EngineEntry:
    """Properties of a DFT engine that are needed without loading it.

    Attributes:
        name: name in the configuration.
        title: name as its authors write it.
        functional: functional of its energies, unless the preset decides it.
        preset: name of the default settings.
        licence: licence, for display.
        missing: message if it is not installed, with the way out.
        settings: ``module:class`` of its preset, a ``RelaxPreset``; empty for VASP, whose settings are atomate2's.
        maker: ``module:function`` from the preset to atomate2's job that relaxes with ASE; empty for VASP.
        module: module to import as a check of the installation; empty for a program.
        probe: statement that a new interpreter runs as a check that it works.
        warm_up: modules that are imported before the wall time of a structure starts.
        core_hours: expected cost of one structure by preset, core hours.
        citations: keys in the report's list of methods.
        molecule_settings: as ``settings``, for molecules; empty for VASP.
        molecule_maker: ``module:function`` from preset, charge and unpaired electrons to the job.
        molecule_files: prefix of the presets of molecules in file names, after the name of the engine.
        molecule_core_hours: expected cost of one molecule by preset, core hours.
        flows: presets that are atomate2's own flows and have no settings file; their settings are published, so that
            the energy tag needs no hash.
        functionals: functional by preset, where it is not ``functional``.
        molecule_functional: functional of molecules, where it is not ``functional``.
        corrections: corrections of the energies of crystals by preset.
        commanded: whether ``dft.command`` starts it; the command then decides about threads too.
        version: ``module:function`` from ``dft.command`` to the version, or ``None`` if it is not installed; empty:
            the version of ``module``.
        requirement: ``module:function`` that raises ``ExternalToolError`` if the engine lacks files; empty: none.
        last_geometry: ``module:function`` from a task and its run folder to the steps done and the last geometry.
        missing_note: file of the environment in which ``make env`` says why it is missing; empty: none.
    """

    name: str
    title: str
    functional: str
    preset: str
    licence: str
    missing: str
    settings: str = ""
    maker: str = ""
    module: str = ""
    probe: str = ""
    warm_up: tuple[str, ...] = ()
    core_hours: Mapping[str, float] = field(default_factory=dict)
    citations: tuple[str, ...] = ()
    molecule_settings: str = ""
    molecule_maker: str = ""
    molecule_files: str = "molecule-"
    molecule_core_hours: Mapping[str, float] = field(default_factory=dict)
    flows: tuple[str, ...] = ()
    functionals: Mapping[str, str] = field(default_factory=dict)
    molecule_functional: str = ""
    corrections: Mapping[str, str] = field(default_factory=dict)
    commanded: bool = False
    version: str = ""
    requirement: str = ""
    last_geometry: str = "adit.relax.dft.restart:last_frame"
    missing_note: str = ""

    def functional_of(self, preset: str, *, molecules: bool = False) -> str:
        """Return the functional of a preset, e.g. ``PBE``."""
        plain = self.molecule_functional if molecules and self.molecule_functional else self.functional
        return self.functionals.get(preset, plain)


_ROOM: Final = "adit.relax.dft.engines"

ENGINES: Final[dict[str, EngineEntry]] = {
    entry.name: entry
    for entry in (
        EngineEntry(
            name="vasp",
            title="VASP",
            functional="PBE(+U)",
            preset="mp-gga",
            licence="needs a licence of VASP Software GmbH for its users",
            missing="vasp_std not found; set dft.command or choose dft.engine: gpaw",
            warm_up=("atomate2.vasp.flows.mp",),
            core_hours={"mp-gga": 16.0, "mp-r2scan": 60.0},
            molecule_core_hours={"mp-gga": 8.0, "mp-r2scan": 30.0},
            flows=("mp-gga", "mp-r2scan"),
            functionals={"mp-r2scan": "r2SCAN"},
            molecule_functional="PBE",
            corrections={"mp-gga": "MP2020"},
            commanded=True,
            version=f"{_ROOM}.vasp_setup:vasp_version",
            requirement=f"{_ROOM}.vasp_setup:need_potcars",
            last_geometry="adit.relax.dft.restart:last_contcar",
            citations=("Kresse1996VASP", "Perdew1996PBE"),
        ),
        EngineEntry(
            name="gpaw",
            title="GPAW",
            functional="PBE",
            preset="standard",
            licence="GPL-3.0, free",
            missing="GPAW is not installed; RETRY_GPAW=1 make env builds it (docs/install.md), "
            "or set dft.fallback: gfn1-xtb",
            settings=f"{_ROOM}.presets:GpawPreset",
            maker=f"{_ROOM}.ase_maker:gpaw_maker",
            module="gpaw",
            probe="import gpaw, _gpaw",
            warm_up=("adit.relax.dft.engines.ase_maker", "gpaw", "gpaw.new.ase_interface"),
            core_hours={"demo": 0.02, "standard": 4.0, "accurate": 16.0},
            molecule_settings=f"{_ROOM}.presets:GpawMoleculePreset",
            molecule_maker=f"{_ROOM}.molecule_maker:gpaw_molecule_maker",
            molecule_core_hours={"demo": 0.01, "standard": 2.0},
            missing_note="gpaw-missing.txt",
            citations=("Mortensen2024GPAW", "Perdew1996PBE"),
        ),
        EngineEntry(
            name="gfn1-xtb",
            title="GFN1-xTB",
            functional="GFN1-xTB",
            preset="standard",
            licence="tblite, LGPL-3.0, free",
            missing="tblite is not installed; pip install tblite",
            settings=f"{_ROOM}.presets:XtbPreset",
            maker=f"{_ROOM}.ase_maker:xtb_maker",
            module="tblite",
            probe="import tblite.interface",
            warm_up=("adit.relax.dft.engines.ase_maker", "tblite.ase"),
            molecule_settings=f"{_ROOM}.presets:XtbPreset",
            molecule_maker=f"{_ROOM}.molecule_maker:xtb_molecule_maker",
            molecule_files="",
            citations=("Grimme2017GFN1",),
        ),
    )
}
"""Engines by name."""


def _listed(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(f"no engine is named {name}; there are {', '.join(ENGINES)}")
    return name


EngineName = Annotated[str, AfterValidator(_listed), WithJsonSchema({"enum": list(ENGINES), "type": "string"})]
"""Name of an engine in ``ENGINES``."""
