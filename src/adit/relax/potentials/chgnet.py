"""CHGNet (Deng et al. 2023, doi 10.1038/s42256-023-00716-3): energies and relaxation of crystals.

The weights 0.3.0 come with the package. Energies are the Materials Project's: PBE(+U) with the MP2020 corrections.
Small crystals gain nothing from a second thread: structures are spread over processes of one thread, and each process
evaluates a few of them at once (``together``). On a GPU many structures form a batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from adit import convert, store
from adit.elements import symbol
from adit.errors import DataError, ExternalToolError
from adit.relax.potentials.chgnet_calculator import WEIGHTS, calculator, network
from adit.relax.potentials.evaluators import quiet
from adit.relax.potentials.identity import Identity
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.systems import AtomicSystem

ENERGY_TAG = f"chgnet-{WEIGHTS}/PBE(+U)/MP2020"
"""Energy tag of CHGNet with the weights of its package."""

_UNKNOWN = frozenset({84, 85, 86, 87, 88})
_LAST = 94


def unsupported(numbers: Iterable[int]) -> list[str]:
    """Return the symbols of those elements that CHGNet has not been trained on (Po, At, Rn, Fr, Ra and beyond Pu)."""
    return sorted({symbol(int(z)) for z in numbers if int(z) > _LAST or int(z) in _UNKNOWN})


@cache
def identity() -> Identity:
    """Return the identity of the potential; nothing is loaded.

    Raises:
        ExternalToolError: CHGNet is not installed, or its package does not contain one file of weights.
    """
    spec = find_spec("chgnet")
    folder = Path(spec.origin).parent / "pretrained" / WEIGHTS if spec and spec.origin else Path("chgnet")
    files = sorted(folder.glob("*.pth.tar"))
    if len(files) != 1:
        raise ExternalToolError(f"{folder}: {len(files)} files of weights, not one; install requirements.lock again")
    return Identity("chgnet", WEIGHTS, store.sha256(files[0]))


def unknown_to_chgnet(system: AtomicSystem) -> str | None:
    """Return why CHGNet has no energy for a system, or ``None``."""
    unknown = unsupported(system.numbers)
    return f"CHGNet does not know {', '.join(unknown)}" if unknown else None


def energy_per_atom(system: AtomicSystem) -> float:
    """Return CHGNet's energy of a crystal as it is, eV/atom.

    Raises:
        DataError: an element is unknown to CHGNet.
    """
    reason = unknown_to_chgnet(system)
    if reason is not None:
        raise DataError(f"{system.system_id}: {reason}")
    atoms = convert.to_atoms(system)
    atoms.calc = calculator()
    with quiet():
        return float(atoms.get_potential_energy()) / len(system)


def relax(task: tuple[AtomicSystem, Limits]) -> Relaxed:
    """Relax atoms and cell of one crystal on one CPU thread; other systems have the status ``refused``."""
    system, limits = task
    (result,) = relax_together([system], limits, network("cpu"), unknown_to_chgnet)
    return result
