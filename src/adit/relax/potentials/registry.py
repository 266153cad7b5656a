"""The potentials that can relax and judge crystals: weights, elements, corrections, licences.

CHGNet and SevenNet are installed with their weights. MACE, ORB and MatterSim need a file of weights; if their packages
conflict with this project's, they run in another interpreter (``Chosen.python``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from adit.errors import ConfigError

Corrections = Literal["trained in", "MP2020", "none"]
"""``trained in``: trained on corrected energies; ``MP2020``: the Materials Project's corrections are added; ``none``:
neither."""


@dataclass(frozen=True)
class Potential:
    """One potential.

    Attributes:
        name: name in the configuration and in energy tags.
        label: name for display.
        package: name of its package for import.
        distribution: name of its package for pip.
        version: version of the weights in the package; empty if a file of weights must be named.
        files: pattern of the file of weights in the package; empty if it is not there.
        code_licence: licence of the package.
        weights_licence: licence of the weights.
        elements: atomic numbers of the training data.
        corrections: how its energies become comparable with those of the Materials Project, see ``Corrections``.
        method: DFT method of its training data.
        batched: whether evaluating several small crystals at once saves time on a CPU too.
        evaluator: class that evaluates structures with the ASE calculator, as ``module:name``.
    """

    name: str
    label: str
    package: str
    distribution: str
    version: str
    files: str
    code_licence: str
    weights_licence: str
    elements: frozenset[int]
    corrections: Corrections
    method: str = "PBE(+U)"
    batched: bool = False
    evaluator: str = "adit.relax.potentials.evaluators:ByCalculator"

    @property
    def has_weights(self) -> bool:
        """Return whether it has weights at all; one without them has a version and no file."""
        return bool(self.files) or not self.version

    @property
    def needs_weights(self) -> bool:
        """Return whether a file of weights must be named."""
        return bool(self.package != "ase" and not self.files)

    def energy_tag(self, version: str) -> str:
        """Return the energy tag of its corrected energies for a version of the weights."""
        scheme = "none" if self.corrections == "none" else "MP2020"
        return f"{self.name}-{version}/{self.method}/{scheme}"


MPTRJ: Final = frozenset(range(1, 95)) - {84, 85, 86, 87, 88}
"""The 89 elements of the Materials Project's relaxations: none of Po, At, Rn, Fr, Ra, and nothing beyond Pu."""

POTENTIALS: Final = {
    potential.name: potential
    for potential in (
        Potential(
            "chgnet", "CHGNet", "chgnet", "chgnet", "0.3.0", "pretrained/0.3.0/*.pth.tar",
            "BSD-3-Clause", "BSD-3-Clause, with the package", MPTRJ, "trained in", batched=True,
        ),
        Potential(
            "sevennet", "SevenNet", "sevenn", "sevenn", "l3i5", "pretrained_potentials/SevenNet_l3i5/*.pth",
            "MIT", "MIT, with the package", MPTRJ, "MP2020", evaluator="adit.relax.potentials.sevennet:SevenNet",
        ),
        Potential(
            "mace", "MACE", "mace", "mace-torch", "", "",
            "MIT", "MIT for MACE-MP-0 and MPA-0; others have their own", MPTRJ, "MP2020",
        ),
        Potential("orb", "ORB", "orb_models", "orb-models", "", "", "Apache-2.0", "Apache-2.0", MPTRJ, "MP2020"),
        Potential("mattersim", "MatterSim", "mattersim", "mattersim", "", "", "MIT", "MIT", MPTRJ, "MP2020"),
        Potential(
            "emt", "EMT (to try an interpreter, no potential for results)", "ase", "ase", "ase", "",
            "LGPL-2.1", "none needed", frozenset({1, 6, 7, 8, 13, 28, 29, 46, 47, 78, 79}), "none", "EMT",
        ),
    )
}  # fmt: skip
"""Name → potential."""


def potential(name: str) -> Potential:
    """Return a potential by its name.

    Raises:
        ConfigError: there is no such potential.
    """
    if name not in POTENTIALS:
        raise ConfigError(f"no potential '{name}'; there are {', '.join(POTENTIALS)}")
    return POTENTIALS[name]
