"""Relax many crystals with one evaluation of the potential per step; each has its own optimiser and its own limits.

The optimiser is ASE's, one object per structure, in the log-cell coordinates of ``FrechetCellFilter``: a batch does
the same steps as each structure would alone, up to rounding. BFGS on crystals near and far from equilibrium took
a third to two thirds of FIRE's steps and time, and converged where FIRE ran out of steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from adit import convert
from adit.relax.potentials.divergence import cell_divergence, divergence, largest_force
from adit.relax.potentials.evaluators import Evaluator, Results, fed, quiet
from adit.relax.potentials.log_cell import log_cell
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.screen import contact, push_apart, refuse
from adit.systems import AtomicSystem


def relax_together(
    systems: Sequence[AtomicSystem],
    limits: Limits,
    potential: Evaluator,
    unknown: Callable[[AtomicSystem], str | None],
    *,
    correction: Callable[[AtomicSystem], float] | None = None,
    batch_atoms: int = 1,
    wall_limit_s: float = float("inf"),
    on_done: Callable[[int, Relaxed], None] | None = None,
) -> list[Relaxed]:
    """Relax atoms and cells; a structure that is finished is replaced by the next one.

    Args:
        systems: crystals.
        limits: limits of a relaxation.
        potential: evaluator of energies.
        unknown: returns why the potential has no energy for a system, or ``None``.
        correction: returns the correction of a relaxed crystal's energy, eV per cell; ``None``: no correction.
        batch_atoms: largest number of atoms in the batch; a single larger structure is allowed.
        wall_limit_s: largest time of a structure, s: its share of the batch's time, in proportion to its atoms.
        on_done: called with (index, result) as soon as a structure is finished.

    Returns:
        One result per system, in order: energies in eV per cell.
    """
    results: dict[int, Relaxed] = {}
    waiting = list(range(len(systems)))[::-1]
    active: dict[int, _Member] = {}

    def end(index: int, result: Relaxed) -> None:
        results[index] = result
        active.pop(index, None)
        if on_done is not None:
            on_done(index, result)

    with quiet():
        while waiting or active:
            while waiting:
                present = sum(len(member.system) for member in active.values())
                if active and present + len(systems[waiting[-1]]) > batch_atoms:
                    break
                index = waiting.pop()
                member = _enter(systems[index], limits, wall_limit_s, unknown, potential, correction)
                if isinstance(member, Relaxed):
                    end(index, member)
                else:
                    active[index] = member
            members = list(active.items())
            started = time.perf_counter()
            answers = potential.evaluate([member.atoms for _, member in members]) if members else []
            per_atom = (time.perf_counter() - started) / max(1, sum(len(member.system) for _, member in members))
            for (index, member), answer in zip(members, answers, strict=True):
                result = member.take(answer, per_atom * len(member.system))
                if result is not None:
                    end(index, result)
    return [results[index] for index in range(len(systems))]


def _enter(
    system: AtomicSystem,
    limits: Limits,
    wall_limit_s: float,
    unknown: Callable[[AtomicSystem], str | None],
    potential: Evaluator,
    correction: Callable[[AtomicSystem], float] | None,
) -> _Member | Relaxed:
    before = convert.spacegroup_number(system)
    reason = refuse(system, limits.min_distance, limits.max_volume_per_atom)
    start = system
    if reason is not None and limits.push_apart:
        moved = push_apart(system)
        if moved is not None and refuse(moved, limits.min_distance, limits.max_volume_per_atom) is None:
            start, reason = moved, None
    reason = reason or unknown(system)
    if reason is not None:
        return Relaxed("refused", reason, spacegroup_before=before)
    return _Member(system, start, limits, wall_limit_s, before, potential, correction)


class _Member:
    """One structure of the batch: its atoms, its optimiser, and the time it has used."""

    def __init__(
        self,
        system: AtomicSystem,
        start: AtomicSystem,
        limits: Limits,
        wall_limit_s: float,
        spacegroup: int,
        potential: Evaluator,
        correction: Callable[[AtomicSystem], float] | None,
    ) -> None:
        self.system, self.limits = system, limits
        self.atoms = convert.to_atoms(start)
        self.atoms.calc = fed(potential)
        if limits.keep_symmetry:
            self.atoms.set_constraint(_symmetry_of(self.atoms))
        self._correction = correction
        self._filter = log_cell(self.atoms)
        self._optimizer = _optimizer(limits)(self._filter, logfile=None)
        self._before = np.linalg.solve(start.cell.T, system.positions.T).T  # type: ignore[union-attr]
        self._spent, self._wall_limit_s = 0.0, wall_limit_s
        self._blank = Relaxed("failed", "", spacegroup_before=spacegroup, pushed_apart=start is not system)

    def take(self, answer: Results | Exception, seconds: float) -> Relaxed | None:
        """Take the results of the current geometry and make a step; return the result if the relaxation ended.

        Args:
            answer: results, or why there are none.
            seconds: this structure's share of the time of the evaluation, s.
        """
        started = time.perf_counter()
        try:
            if isinstance(answer, Exception):
                raise answer
            self.atoms.calc.feed(self.atoms, answer)
            result = self._advance()
        except Exception as error:  # noqa: BLE001 - graph building and the optimiser raise many kinds; each is this row's
            result = self._failed(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        self._spent += seconds + time.perf_counter() - started
        if result is None and self._spent > self._wall_limit_s:
            result = replace(self._failed(f"stopped at the wall limit of {self._wall_limit_s:g} s"), status="timeout")
        return None if result is None else replace(result, wall_s=self._spent)

    def _advance(self) -> Relaxed | None:
        optimizer, limits = self._optimizer, self.limits
        forces = self._filter.get_forces()
        fmax, energy = float(np.linalg.norm(forces, axis=1).max()), float(self.atoms.get_potential_energy())
        n, largest = len(self.atoms), 2 * limits.max_volume_per_atom
        force = largest_force(self.atoms.get_forces()) if np.isfinite(fmax) else fmax
        if runaway := divergence(energy / n, force, optimizer.nsteps):
            return self._failed(runaway)
        if fmax < limits.fmax or optimizer.nsteps >= limits.max_steps:
            return self._end(energy, fmax)
        optimizer.step()
        optimizer.nsteps += 1
        runaway = cell_divergence(self.atoms.get_volume() / n, optimizer.nsteps, largest)
        return None if runaway is None else self._failed(runaway)

    def _failed(self, reason: str) -> Relaxed:
        return replace(self._blank, reason=reason, steps=self._optimizer.nsteps)

    def _end(self, energy: float, fmax: float) -> Relaxed:
        system, limits, steps = self.system, self.limits, self._optimizer.nsteps
        relaxed = convert.from_atoms(self.atoms, system.system_id, system.kind, dict(system.info))
        reason = refuse(relaxed, limits.min_distance, limits.max_volume_per_atom) or contact(relaxed)
        if reason is not None:
            return self._failed(f"relaxed into no crystal: {reason}")
        converged = fmax < limits.fmax
        return replace(
            self._blank,
            status="converged" if converged else "unconverged",
            reason="" if converged else f"fmax {fmax:.3f} eV/Å after {steps} steps",
            system=relaxed,
            energy=energy + (self._correction(relaxed) if self._correction is not None else 0.0),
            fmax=fmax,
            steps=steps,
            rmsd_moved=_moved(self._before, relaxed),
            spacegroup_after=convert.spacegroup_number(relaxed),
        )


def _optimizer(limits: Limits) -> Any:
    from ase import optimize

    return {"bfgs": optimize.BFGS, "lbfgs": optimize.LBFGS, "fire": optimize.FIRE}[limits.optimizer]


def _symmetry_of(atoms: Any) -> Any:
    """Return the constraint that symmetrises forces, stress and steps."""
    from ase.constraints import FixSymmetry

    return FixSymmetry(atoms, symprec=0.01)


def _moved(before: np.ndarray, relaxed: AtomicSystem) -> float:
    """Return the RMSD (Å) in the relaxed cell; positions are not wrapped, so that no atom jumps by a cell vector."""
    after = np.linalg.solve(relaxed.cell.T, relaxed.positions.T).T  # type: ignore[union-attr]
    shift = after - before
    displacement = (shift - shift.mean(axis=0)) @ relaxed.cell
    return float(np.sqrt((displacement**2).sum(axis=1).mean()))
