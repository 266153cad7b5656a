"""ASE calculators by name. Imports nothing of this package: the interpreter may have only ASE and one potential.

Weights are local files; nothing is downloaded. Units are ASE's: eV, eV/Å, eV/Å³.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import Any


def chgnet(weights: str, device: str) -> Any:
    """Return CHGNet's own calculator; ``weights`` is a file like the one in its package."""
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(chgnet_model(weights), use_device=device, on_isolated_atoms="error")


def chgnet_model(weights: str) -> Any:
    """Return the network of a file of weights, on the CPU.

    CHGNet's own ``from_file`` runs the code in a pickle; here only tensors and plain values are read.

    Args:
        weights: file of ``torch.save({"model": model.as_dict(), ...})``.

    Raises:
        ValueError: the file holds no weights of CHGNet.
    """
    import pickle

    import torch
    from chgnet.model.model import CHGNet

    wanted = "save {'model': model.as_dict()} of a CHGNet with torch.save"
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
        raise ValueError("is not a file of tensors and plain values; " + wanted) from error
    model = state.get("model") if isinstance(state, dict) else None
    if not isinstance(model, dict) or not {"model_args", "state_dict"} <= set(model):
        raise ValueError("holds no weights of CHGNet; " + wanted)
    arguments = dict(model["model_args"])
    if any(name.endswith("mlp_out.layers.1.bias") for name in model["state_dict"]):
        arguments["mlp_out_bias"] = True  # files of CHGNet 0.2 have this bias without saying so
    return CHGNet.from_dict({"model_args": arguments, "state_dict": model["state_dict"]})


def sevennet(weights: str, device: str) -> Any:
    """Return SevenNet's calculator; ``weights`` is a checkpoint.

    The first evaluations compile for seconds, so two are done here, outside the time of any structure.
    """
    from ase.build import bulk
    from sevenn.calculator import SevenNetCalculator

    calculator = SevenNetCalculator(model=weights, device=device)
    for distance in (5.4, 5.5):
        answer(calculator, bulk("Si", a=distance))
    return calculator


def mace(weights: str, device: str) -> Any:
    """Return MACE's calculator; ``weights`` is a model file."""
    from mace.calculators import MACECalculator

    return MACECalculator(model_paths=weights, device=device, default_dtype="float64")


def orb(weights: str, device: str) -> Any:
    """Return the calculator of ORB v3 (conservative, trained on MPtrj and Alexandria); ``weights`` is a checkpoint."""
    from orb_models.forcefield import pretrained
    from orb_models.forcefield.calculator import ORBCalculator

    model = pretrained.orb_v3_conservative_inf_mpa(weights_path=weights, device=device, compile=False)
    return ORBCalculator(model, device=device)


def mattersim(weights: str, device: str) -> Any:
    """Return the calculator of MatterSim v1; ``weights`` is its checkpoint."""
    from mattersim.forcefield import MatterSimCalculator

    return MatterSimCalculator(load_path=weights, device=device)


def emt(weights: str, device: str) -> Any:
    """Return ASE's calculator of effective medium theory (a few elements; energies on its own scale)."""
    from ase.calculators.emt import EMT

    return EMT()


LOADERS = {"chgnet": chgnet, "sevennet": sevennet, "mace": mace, "orb": orb, "mattersim": mattersim, "emt": emt}
"""Name of a potential → function that returns its calculator."""


def load_calculator(name: str, weights: str, device: str) -> Any:
    """Return an ASE calculator; on the CPU it runs on one thread.

    Args:
        name: name in ``LOADERS``.
        weights: file of weights; empty for a potential that brings its own.
        device: name of the device in PyTorch.
    """
    if device == "cpu" and "torch" not in sys.modules and name != "emt":
        import torch

        torch.set_num_threads(1)
    with contextlib.suppress(ImportError):  # its own lock is a semaphore, which remains if a worker is killed
        from tqdm import tqdm  # type: ignore[import-untyped]

        tqdm.set_lock(threading.RLock())
    return LOADERS[name](weights, device)


def answer(calculator: Any, atoms: Any) -> dict[str, Any]:
    """Return energy (eV), forces (n, 3) in eV/Å and stress (6,) in eV/Å³, Voigt order, of ASE ``Atoms``."""
    work = atoms.copy()
    work.calc = calculator
    energy = float(work.get_potential_energy())
    return {
        "energy": energy,
        "free_energy": energy,
        "forces": work.get_forces().astype(float),
        "stress": work.get_stress(voigt=True).astype(float),
    }
