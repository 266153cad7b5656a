"""Relaxation, energies above the hull, and a ranking by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from adit import config, store
from adit.api.references import reference_table
from adit.api.structures import Given, Structures, read, stored
from adit.columns import ENERGIES, Col
from adit.config.engines import ENGINES
from adit.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd


def relax(structures: Given, *, engine: str | None = None, workers: int = 1, **settings: Any) -> Structures:
    """Relax structures; those that fail are rows with their reason.

    Args:
        structures: structures, see ``read``.
        engine: a potential (``chgnet``, ``sevennet``, …) or a DFT engine (``gpaw``, ``vasp``, ``gfn1-xtb``);
            ``None``: GFN2-xTB for molecules, CHGNet for crystals.
        workers: largest number of processes.
        settings: settings, as in section ``relax`` of the configuration (``fmax``, eV/Å; ``max_steps``;
            ``wall_limit_s``, s), or for a DFT engine as in section ``dft`` (``preset``).

    Returns:
        the relaxed structures; the table has status, reason, energy (eV), energy_per_atom (eV/atom), fmax (eV/Å), …

    Raises:
        ConfigError: an engine or a setting is unknown.
        ExternalToolError: the engine is not installed.
        DataError: no structure can be read.
    """
    from adit.relax import standalone

    rows = read(structures, workers=workers)
    with stored(rows) as (file, out):
        if engine in ENGINES:
            values = {"engine": engine, "preset": ENGINES[engine].preset, "fallback": None, **settings}
            dft = config.parse_as(config.DftConfig, values, "relax")
            standalone.relax_with_dft(config.DftStage(dft=dft), [file], out, workers, None)
        else:
            named = {} if engine in (None, "gfn2-xtb") else {"engine": engine}
            section = config.parse_as(config.RelaxConfig, {**named, **settings}, "relax")
            verb = {None: standalone.relax_each_kind, "gfn2-xtb": standalone.relax_with_gfn2}
            verb.get(engine, standalone.relax_with_potential)(config.RelaxStage(relax=section), [file], out, workers)
        table = store.read_frame(out / "relaxed.parquet")
        return Structures.of(list(store.read_systems(out / "relaxed.arrow")), table)


def above_hull(
    relaxed: Given,
    *,
    reference: str | Path = "builtin",
    energy_tag: str | None = None,
    mirror: str | None = None,
    workers: int = 1,
) -> Structures:
    """Return structures with their energies above the convex hull of a reference.

    Args:
        relaxed: results of ``relax``, or structures that hold an energy each.
        reference: ``builtin``, another value of ``hull.reference`` of the configuration, or the path of a table of
            reference entries.
        energy_tag: method of energies that do not name it.
        mirror: folder or URL with copies of public files, for references that need them.
        workers: largest number of processes.

    Returns:
        the structures; the table has e_above_hull and formation_energy_per_atom (eV/atom; with the prefix of a
        potential where a potential's energy stands on a hull of another method), hull_covers_chemistry, missing_pairs,
        verdict and reason. Columns of an earlier hull are replaced.

    Raises:
        DataError: the structures have no energies, or these are of another method than the reference.
    """
    import pandas as pd

    from adit.hull.energy_tables import read_energy_tables
    from adit.hull.hull import chemical_of, hull_of

    rows = read(relaxed, workers=workers)
    with stored(rows) as (file, out):
        out.mkdir()
        table = out / "energies.parquet"
        if Col.ENERGY_PER_ATOM in rows.table:
            store.write_frame(table, rows.table)
            file.rename(table.with_suffix(".arrow"))
        else:
            table = file
        energies = read_energy_tables([table], energy_tag)
        whole = config.Config()
        entries = reference_table(reference, whole, chemical_of(energies), out, workers=workers, mirror=mirror)
        hull_of(whole.stage(config.HullStage), energies, entries, out / "hull.parquet")
        placed = store.read_frame(out / "hull.parquet")
    if list(placed[Col.SYSTEM_ID]) != [row.system_id for row in rows]:
        raise DataError("the energies are of other structures; give results of relax, or structures with energies")
    kept = (Col.SYSTEM_ID, Col.FORMULA, Col.N_ATOMS, Col.ENERGY_TAG)
    new = [name for name in placed if name not in rows.table or name not in kept]
    earlier = [name for name in rows.table if str(name).endswith(ENERGIES) or name in new]  # of another hull
    return Structures.of(rows.rows, pd.concat([rows.table.drop(columns=earlier), placed[new]], axis=1))


def rank(placed: Structures) -> Structures:
    """Return structures by energy above the hull, lowest first; those with an unknown hull, and without energy, last.

    Args:
        placed: results of ``above_hull``.

    Raises:
        ConfigError: the structures have no energies above a hull.
    """
    import pandas as pd

    column = _energy_column(placed.table)
    energy, covered = placed.table[column], placed.table[Col.HULL_COVERS_CHEMISTRY].fillna(False).astype(bool)
    order = pd.DataFrame({"missing": energy.isna(), "unknown": ~covered, "height": energy}).sort_values(
        ["missing", "unknown", "height"], kind="stable"
    )
    return placed.named(placed.table[Col.SYSTEM_ID].iloc[list(order.index)])


def _energy_column(table: pd.DataFrame) -> str:
    names = [str(name) for name in table if str(name).endswith(Col.E_ABOVE_HULL)]
    if len(names) != 1 or Col.HULL_COVERS_CHEMISTRY not in table:
        raise ConfigError("rank: the structures have no energies above a hull; call above_hull first")
    return names[0]
