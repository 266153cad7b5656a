"""The DFT engines: their names, whether they are installed, and how to install a missing one."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from adit.config import DftStage
from adit.config.base import load_place
from adit.config.engines import ENGINES
from adit.errors import ExternalToolError
from adit.progress import log
from adit.relax.dft.engines.presets import Preset, read_preset

IMPORT_LIMIT_S = 300.0
"""Limit on the wall time of the import of an engine, s."""


@dataclass(frozen=True)
class Engine:
    """An engine that is installed, with its settings.

    Attributes:
        name: ``vasp``, ``gpaw`` or ``gfn1-xtb``.
        version: installed version; for VASP ``"unknown"`` until it has run.
        preset_name: name of the settings.
        preset: the settings.
        command: command that starts VASP; ``None`` for other engines and for atomate2's setting.
        note: a sentence if this engine replaces another one, else empty.
        reason: why the other engine is missing and how to install it, one line; empty if unknown.
        molecules: whether the settings are those for molecules.
    """

    name: str
    version: str
    preset_name: str
    preset: Preset
    command: str | None = None
    note: str = ""
    reason: str = ""
    molecules: bool = False

    @property
    def code(self) -> str:
        """Return the name for display, with a note if the engine replaces another one."""
        return f"{self.name} ({self.note})" if self.note else self.name

    @property
    def functional(self) -> str:
        """Return the functional, e.g. ``PBE``."""
        return ENGINES[self.name].functional_of(self.preset_name, molecules=self.molecules)

    @property
    def energy_tag(self) -> str:
        """Return the energy tag ``<code>/<functional>/<correction>``; energies of different tags are not compared.

        Settings of a published flow need no more. Energies of other settings depend on cutoff, k-points and version,
        so their tag contains the preset and the settings' hash.
        """
        entry = ENGINES[self.name]
        if self.preset_name in entry.flows:
            correction = "none" if self.molecules else entry.corrections.get(self.preset_name, "none")
            return f"{self.name}/{self.functional}/{correction}"
        kind = "molecule-" if self.molecules else ""
        return f"{self.name}-{kind}{self.preset_name}-{self.settings_hash[:8]}/{self.functional}/none"

    @property
    def settings_hash(self) -> str:
        """Return a hash (16 hexadecimal digits) of all settings of the engine that affect a result."""
        settings: dict[str, object] = {"code": self.name, "version": self.version, "preset": self.preset.model_dump()}
        settings |= {"molecules": True} if self.molecules else {}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def available(engine: str, command: str | None = None) -> str | None:
    """Return the version of an engine, or ``None`` if it is not installed.

    Args:
        engine: ``vasp``, ``gpaw`` or ``gfn1-xtb``.
        command: command that starts VASP, if configured.
    """
    entry = ENGINES[engine]
    if entry.version:
        version: str | None = load_place(entry.version)(command)
        return version
    module = entry.module
    if importlib.util.find_spec(module) is None or not _imports(module, entry.probe):
        return None
    try:
        return importlib.metadata.version(module)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@cache
def _imports(module: str, probe: str) -> bool:
    """Return whether a new interpreter can import ``module``: an installed engine may lack a system library."""
    command = [sys.executable, "-P", "-c", probe]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=IMPORT_LIMIT_S)
    except subprocess.TimeoutExpired:
        log.warning("%s is installed but is not imported within %.0f s: it is not used", module, IMPORT_LIMIT_S)
        return False
    if done.returncode:
        log.info("%s is installed but cannot be imported: %s", module, (done.stderr.strip().splitlines() or ["?"])[-1])
    return done.returncode == 0


def resolve(stage: DftStage, settings_dir: Path | None = None, *, molecules: bool = False) -> Engine:
    """Return the configured engine, or its fallback if it is not installed.

    Args:
        stage: settings.
        settings_dir: folder of the presets; ``None``: ``config/dft``.
        molecules: whether it is for molecules, with ``dft.molecule.preset``.

    Raises:
        ExternalToolError: the engine is not installed and no fallback is named or installed, or VASP has no POTCARs.
        ConfigError: there is no such preset.
    """
    wanted, dft = stage.dft.engine, stage.dft
    entry = ENGINES[wanted]
    own = (dft.molecule.preset or dft.preset) if molecules else dft.preset
    version = available(wanted, dft.command)
    if version is not None:
        preset = read_preset(wanted, own, settings_dir, molecules=molecules)
        if entry.requirement:
            load_place(entry.requirement)()
        command = dft.command if entry.commanded else None
        return Engine(wanted, version, own, preset, command, molecules=molecules)
    if dft.fallback is None:
        raise ExternalToolError(entry.missing)
    version = available(dft.fallback)
    if version is None:
        raise ExternalToolError(f"{entry.missing}; and for the fallback: {ENGINES[dft.fallback].missing}")
    name = ENGINES[dft.fallback].preset if entry.flows else own
    note = describe_fallback(wanted, dft.fallback)
    reason = why_missing(wanted)
    log.warning("%s", f"{note}. {reason}" if reason else note)
    preset = read_preset(dft.fallback, name, settings_dir, molecules=molecules)
    return Engine(dft.fallback, version, name, preset, note=note, reason=reason, molecules=molecules)


def why_missing(engine: str) -> str:
    """Return the line that ``make env`` wrote about an engine it could not build; empty if there is none."""
    note = ENGINES[engine].missing_note
    path = Path(sys.prefix) / note
    return path.read_text(encoding="utf-8").strip() if note and path.is_file() else ""


def describe_fallback(wanted: str, taken: str) -> str:
    """Return the note on results of an engine that replaces another one."""
    return f"{wanted} is not installed: fallback to {taken}, which is semi-empirical, Γ point only, not DFT"
