"""The DFT engines: the one list that a new engine is added to (docs/extending.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import AfterValidator, WithJsonSchema


@dataclass(frozen=True)
class EngineEntry:
    """What is known of a DFT engine wherever its name stands.

    Attributes:
        name: in the configuration.
        title: as its authors write it.
        functional: of its energies, where the preset does not decide it.
        preset: settings that are taken where nothing else is said.
        licence: for people.
        missing: what to say where it is not installed, and the way out.
        settings: ``module:class`` of its preset, a ``RelaxPreset``; empty for VASP, whose settings are atomate2's.
        maker: ``module:function`` from the preset to atomate2's job that relaxes with ASE; empty for VASP.
        module: that is imported to see whether it is installed; empty for a program.
        probe: what a fresh interpreter imports to see whether it works.
        warm_up: modules that are imported before the wall time of a structure counts.
        core_hours: of one structure, by preset.
        citations: keys in the report's list of methods.
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
            citations=("Grimme2017GFN1",),
        ),
    )
}


def _listed(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(f"no engine is named {name}; there are {', '.join(ENGINES)}")
    return name


EngineName = Annotated[str, AfterValidator(_listed), WithJsonSchema({"enum": list(ENGINES), "type": "string"})]
