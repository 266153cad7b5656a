"""Settings of the DFT engines: one YAML file per engine and preset in ``config/dft``; unknown keys are errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adit.config import Positive, PositiveFloat, Strict, parse_as
from adit.config.base import load_place
from adit.config.engines import ENGINES
from adit.config.yaml_text import load_yaml
from adit.errors import ConfigError
from adit.places import shared

DEFAULT_FOLDER = Path("config/dft")
"""Folder of the presets under the working directory."""


class RelaxPreset(Strict):
    """Settings of every engine that runs through ASE."""

    fmax: PositiveFloat = Field(description="converged when no force and no row of the cell's gradient is longer, eV/Å")
    max_steps: Annotated[int, Field(ge=2)] = Field(description="ionic steps")


class ScfFallback(Strict):
    """Settings that GPAW tries if the SCF does not converge; they affect convergence, not the result."""

    mixer_beta: Annotated[float, Field(gt=0, le=1)] = Field(description="share of the new density in the mixing")
    mixer_history: Positive = Field(5, description="densities in the history of the Pulay mixing")
    mixer_weight: PositiveFloat = Field(100.0, description="weight of long waves in the mixing's metric")
    eigensolver: Literal["davidson", "rmm-diis", "ppcg"] = Field("davidson", description="eigensolver")
    eigensolver_steps: Positive = Field(3, description="steps of the eigensolver in each SCF step")
    bands: Annotated[str, Field(pattern=r"^\d+%$")] = Field(
        "150%", description="number of bands, as a share of the occupied ones"
    )
    max_scf_steps: Positive = Field(description="SCF steps of one geometry; more is a failure")


class GpawPreset(RelaxPreset):
    """Plane-wave PBE with GPAW."""

    encut: PositiveFloat = Field(description="plane-wave cutoff, eV")
    kpoint_density: PositiveFloat = Field(description="k-points per Å⁻¹; the grid contains Γ")
    symprec: Annotated[float, Field(ge=0)] = Field(
        description="tolerance of the symmetrisation of the initial structure, Å; 0: none"
    )
    smearing: PositiveFloat = Field(description="width of the Fermi-Dirac occupations, eV")
    spin: bool = Field(description="spin-polarised, started ferromagnetic on open-shell elements")
    energy_convergence: PositiveFloat = Field(
        description="change of energy at SCF convergence, eV per valence electron"
    )
    density_convergence: PositiveFloat = Field(
        description="change of density at SCF convergence, electrons per valence electron"
    )
    eigenstate_convergence: PositiveFloat = Field(
        description="residual of the eigenstates at SCF convergence, eV² per valence electron"
    )
    max_scf_steps: Positive = Field(description="SCF steps of one geometry; more means the next fallback")
    scf_fallbacks: tuple[ScfFallback, ...] = Field(
        (), description="settings that are tried in order if the SCF does not converge"
    )


class GpawMoleculePreset(RelaxPreset):
    """PBE with GPAW of a molecule in a box without periodicity."""

    mode: Literal["pw", "lcao"] = Field(description="plane waves, or a basis of atomic orbitals")
    encut: PositiveFloat | None = Field(None, description="plane-wave cutoff, eV; for pw")
    basis: str | None = Field(None, description="basis of atomic orbitals, e.g. dzp; for lcao")
    grid_spacing: PositiveFloat | None = Field(None, description="grid of density and potential, Å; for lcao")
    vacuum: PositiveFloat = Field(description="from the outermost atoms to the walls of the box, Å")
    smearing: Annotated[float, Field(ge=0)] = Field(description="width of the Fermi-Dirac occupations, eV")
    energy_convergence: PositiveFloat = Field(
        description="change of energy at SCF convergence, eV per valence electron"
    )
    density_convergence: PositiveFloat = Field(
        description="change of density at SCF convergence, electrons per valence electron"
    )
    eigenstate_convergence: PositiveFloat = Field(
        4.0e-8, description="residual of the eigenstates at SCF convergence, eV² per valence electron; for pw"
    )
    max_scf_steps: Positive = Field(description="SCF steps of one geometry; more means the next fallback")
    scf_fallbacks: tuple[ScfFallback, ...] = Field(
        (), description="settings that are tried in order if the SCF does not converge"
    )

    @model_validator(mode="after")
    def _has_its_basis(self) -> Self:
        wanted = {"pw": ("encut",), "lcao": ("basis", "grid_spacing")}[self.mode]
        missing = [name for name in wanted if getattr(self, name) is None]
        if missing:
            raise ValueError(f"mode {self.mode} needs {' and '.join(missing)}")
        return self


class XtbPreset(RelaxPreset):
    """Semi-empirical GFN1-xTB with tblite."""

    accuracy: PositiveFloat = Field(description="tblite's accuracy; smaller is tighter")
    max_scf_steps: Positive = Field(description="SCF steps of one geometry; more is a failure")
    electronic_temperature: PositiveFloat = Field(description="K")


class VaspPreset(Strict):
    """Settings of the Materials Project as atomate2 writes them; they cannot be changed."""

    flow: Literal["mp-gga", "mp-r2scan"]
    molecules: bool = Field(False, description="a molecule in a box: one k-point, dipole correction, no U")


Preset = RelaxPreset | VaspPreset


def read_preset(engine: str, name: str, folder: Path | None = None, *, molecules: bool = False) -> Preset:
    """Return a validated preset.

    Args:
        engine: ``gpaw``, ``gfn1-xtb`` or ``vasp``.
        name: name of the preset, as in ``dft.preset``.
        folder: folder of the YAML files; default: ``config/dft`` under the working directory, else the repository's.
        molecules: whether it is for molecules; the file is then ``<engine>-molecule-<name>.yaml``.

    Raises:
        ConfigError: there is no such preset (the message lists the available ones), it is invalid, or the engine has no
            settings for molecules.
    """
    entry = ENGINES[engine]
    if entry.flows:
        if name not in entry.flows:
            raise ConfigError(f"dft.preset: {entry.title} has no preset '{name}'; choose {' or '.join(entry.flows)}")
        return VaspPreset.model_validate({"flow": name, "molecules": molecules})
    key, stem = "dft.preset", f"{engine}-"
    if molecules:
        key, stem = "dft.molecule.preset", f"{engine}-{entry.molecule_files}"
        if not entry.molecule_settings:
            raise ConfigError(f"dft.engine: {entry.title} has no settings for molecules; choose gpaw or vasp")
    if folder is None:
        folder = DEFAULT_FOLDER if DEFAULT_FOLDER.is_dir() else shared(str(DEFAULT_FOLDER))
    path = folder / f"{stem}{name}.yaml"
    if not path.is_file():
        there = sorted(p.stem.removeprefix(stem) for p in folder.glob(f"{stem}*.yaml"))
        there = there if molecules else [each for each in there if not each.startswith("molecule-")]
        way_out = f"choose {key} from: {', '.join(there)}" if there else "run from the root of the repository"
        raise ConfigError(f"{path}: no such preset; {way_out}")
    try:
        values = load_yaml(path.read_text(encoding="utf-8"), str(path)) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    place = entry.molecule_settings if molecules else entry.settings
    preset: Preset = parse_as(load_place(place), values, str(path))
    return preset
