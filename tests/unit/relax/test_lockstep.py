"""Many structures with one evaluation per step: each goes its own way, as if it were alone."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adit.config import RelaxConfig
from adit.errors import ConfigError, ExternalToolError
from adit.isolate import Outcome
from adit.relax.potentials import batch, together
from adit.relax.potentials.chgnet import relax, unknown_to_chgnet
from adit.relax.potentials.chgnet_calculator import network
from adit.relax.potentials.lockstep import relax_together
from adit.relax.potentials.outcome import Limits, Relaxed
from adit.relax.potentials.screen import PUSHED_CONTACT, push_apart, refuse
from adit.systems import AtomicSystem, Kind

LIMITS = Limits(fmax=0.05, max_steps=100, min_distance=0.5, max_volume_per_atom=250.0)


def fcc(name: str, numbers: list[int], a: float, second: float = 0.5, stretch: float = 1.0) -> AtomicSystem:
    cell = a / 2 * np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) * np.array([1, 1, stretch])
    fractional = np.array([[0.0, 0, 0], [second] * 3])[: len(numbers)]
    return AtomicSystem(name, Kind.CRYSTAL, np.array(numbers), fractional @ cell, cell)


SALT, SILICON = fcc("nacl", [11, 17], 5.5, stretch=1.05), fcc("si", [14, 14], 5.3, second=0.25)
LONE = AtomicSystem("lone", Kind.CRYSTAL, np.array([18]), np.zeros((1, 3)), np.eye(3) * 6.29)
LOOSE = replace(LIMITS, fmax=0.1)


def same(one: Relaxed, other: Relaxed) -> None:
    assert (one.status, one.reason, one.steps) == (other.status, other.reason, other.steps)
    assert one.energy == pytest.approx(other.energy, abs=1e-4, nan_ok=True)
    if one.system is not None and other.system is not None:
        np.testing.assert_allclose(one.system.positions, other.system.positions, atol=2e-3)
        np.testing.assert_allclose(one.system.cell, other.system.cell, atol=2e-3)


def test_a_batch_gives_what_each_gives_alone() -> None:
    """An atom without neighbours, an unknown element and an overlap are in it, and change nothing for the others."""
    systems = [SALT, LONE, SILICON, fcc("po", [84], 4.7), fcc("overlap", [11, 17], 5.5, second=0.02)]
    together = relax_together(systems, LOOSE, network("cpu"), unknown_to_chgnet, batch_atoms=100)
    for system, result in zip(systems, together, strict=True):
        same(result, relax((system, LOOSE)))
    assert [r.status for r in together] == ["converged", "failed", "converged", "refused", "refused"]


def test_bad_neighbours_change_no_bit_in_the_same_batches() -> None:
    """Refused structures enter no batch and one that fails is left out of it: the good ones are evaluated together."""
    good = [SALT, SILICON]
    bad = [fcc("po", [84], 4.7), LONE, fcc("overlap", [11, 17], 5.5, second=0.02)]
    among = [bad[1], SALT, bad[0], SILICON, bad[2]]
    alone, mixed = (
        relax_together(systems, LOOSE, network("cpu"), unknown_to_chgnet, batch_atoms=100) for systems in (good, among)
    )
    assert [result.status for result in mixed] == ["failed", "converged", "refused", "converged", "refused"]
    for one, other in zip(alone, (mixed[1], mixed[3]), strict=True):
        assert (one.status, one.steps, one.energy, one.fmax) == (other.status, other.steps, other.energy, other.fmax)
        assert one.system is not None
        assert other.system is not None
        np.testing.assert_array_equal(one.system.positions, other.system.positions)
        np.testing.assert_array_equal(one.system.cell, other.system.cell)


class Spring:
    """A potential whose minimum is a cubic cell of 4 Å; counts what it is asked."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def evaluate(self, structures: list[Any]) -> list[Any]:
        self.batches.append([len(atoms) for atoms in structures])
        answers: list[Any] = []
        for atoms in structures:
            strain = np.array(atoms.cell) / 4.0 - np.eye(3)
            strain = (strain + strain.T) / 2
            stress = strain / 2
            energy = float((strain**2).sum()) * atoms.get_volume() / 4
            voigt = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            answers.append(
                {"energy": energy, "free_energy": energy, "forces": np.zeros((len(atoms), 3)), "stress": voigt}
            )
        return answers


def cube(name: str, a: float) -> AtomicSystem:
    return AtomicSystem(name, Kind.CRYSTAL, np.array([29]), np.zeros((1, 3)), np.eye(3) * a)


def test_what_has_ended_makes_room_for_what_waits() -> None:
    spring = Spring()
    systems = [cube("at rest", 4.0), cube("a", 4.4), cube("b", 4.3), cube("c", 4.2)]
    done: list[int] = []
    results = relax_together(
        systems, LIMITS, spring, lambda s: None, batch_atoms=2, on_done=lambda index, _: done.append(index)
    )
    assert {r.status for r in results} == {"converged"}
    assert max(map(len, spring.batches)) == 2
    assert done[0] == 0
    assert sorted(done) == [0, 1, 2, 3]
    assert len(spring.batches) < sum(r.steps + 1 for r in results)


def test_one_that_is_larger_than_the_batch_goes_alone() -> None:
    assert relax_together([SALT], replace(LIMITS, max_steps=1), network("cpu"), unknown_to_chgnet)[0].steps == 1


def test_the_wall_limit_ends_one_and_not_the_others() -> None:
    class Slow(Spring):
        def evaluate(self, structures: list[Any]) -> list[Any]:
            time.sleep(0.01)
            return super().evaluate(structures)

    results = relax_together([cube("a", 4.4)], LIMITS, Slow(), lambda s: None, wall_limit_s=0.005)
    assert results[0].status == "timeout"
    assert "wall limit" in results[0].reason


@pytest.mark.parametrize("optimizer", ["bfgs", "lbfgs", "fire"])
def test_every_optimiser_reaches_the_minimum(optimizer: str) -> None:
    limits = replace(LIMITS, optimizer=optimizer, fmax=0.01, max_steps=500)  # type: ignore[arg-type]
    (result,) = relax_together([cube("a", 4.1)], limits, Spring(), lambda s: None)
    assert result.status == "converged", result.reason
    assert result.system is not None
    assert result.system.volume == pytest.approx(64.0, rel=0.02)


def test_an_optimiser_that_does_not_exist_is_refused() -> None:
    from adit.config import RelaxStage, load_stage

    with pytest.raises(ConfigError, match="optimizer"):
        load_stage(RelaxStage, '{"relax": {"optimizer": "newton"}}')


# --- pushed apart -----------------------------------------------------------------------------------------------------


def test_overlapping_atoms_are_pushed_apart_where_asked() -> None:
    overlap = fcc("overlap", [11, 17], 5.5, second=0.02)
    result = relax((overlap, replace(LOOSE, push_apart=True)))
    assert result.status == "converged", result.reason
    assert result.pushed_apart
    assert result.energy_per_atom < -3.4  # rock salt has -3.67


def test_pushing_keeps_what_is_well_apart() -> None:
    same_salt = push_apart(SALT)
    assert same_salt is not None
    np.testing.assert_array_equal(same_salt.positions, SALT.positions)


def test_atoms_on_one_place_part() -> None:
    heap = AtomicSystem("heap", Kind.CRYSTAL, np.array([11, 17, 11]), np.zeros((3, 3)), np.eye(3) * 8.0)
    apart = push_apart(heap)
    assert apart is not None
    assert refuse(apart, PUSHED_CONTACT * (1.02 + 1.02) * 0.99, 250.0) is None
    np.testing.assert_array_equal(apart.cell, heap.cell)


def test_a_cell_without_room_is_refused() -> None:
    crowd = AtomicSystem("crowd", Kind.CRYSTAL, np.full(8, 55), np.zeros((8, 3)), np.eye(3) * 3.5)
    assert push_apart(crowd) is None
    thin = AtomicSystem("thin", Kind.CRYSTAL, np.array([11]), np.zeros((1, 3)), np.diag([0.4, 9.0, 9.0]))
    assert push_apart(thin) is None
    result = relax((thin, replace(LIMITS, push_apart=True)))
    assert result.status == "refused"
    assert "overlap" in result.reason


# --- in its own worker -------------------------------------------------------------------------------------------


def deadly(chunk: together.Chunk) -> None:
    """Stand-in for a GPU worker: one structure kills it, one raises, one hangs."""
    names = [system.system_id for system in chunk.systems]
    if "kills" in names:
        os._exit(9)
    if "raises" in names:
        raise RuntimeError("CUDA out of memory")
    if "hangs" in names:
        time.sleep(600)
    for system in chunk.systems:
        together.save_relaxed(chunk.scratch, system, chunk.limits, Relaxed("converged", "", system, -1.0, 0.0))


def test_a_structure_that_brings_the_worker_down_costs_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "BATCHES_A_CHUNK", 2)
    names = ["a", "kills", "b", "c", "raises", "d", "e", "hangs", "f"]
    systems = [cube(name, 4.1 + i / 100) for i, name in enumerate(names)]
    results: dict[str, Relaxed] = {}

    def take(position: int, result: Relaxed, keep: bool) -> None:
        assert names[position] not in results
        results[names[position]] = result
        assert keep is (result.status == "converged")

    together.relax_in_batches(systems, LIMITS, "cpu", 4, 1.0, take, work=deadly, warm_up=str)
    assert {name: r.status for name, r in results.items()} == {
        **dict.fromkeys("abcdef", "converged"),
        "kills": "failed",
        "raises": "failed",
        "hangs": "timeout",
    }
    assert "exit code 9" in results["kills"].reason
    assert "out of memory" in results["raises"].reason


class Stuck(Spring):
    """Hangs in native code at the cell named ``hangs``."""

    def evaluate(self, structures: list[Any]) -> list[Any]:
        if any(abs(atoms.get_volume() - 4.5**3) < 1e-6 for atoms in structures):
            time.sleep(600)
        return super().evaluate(structures)


def stuck(chunk: together.Chunk) -> None:
    """Relax a chunk with a potential that hangs for one structure."""
    potential = together._Watched(Stuck(), chunk.wall_limit_s)
    for index, system in enumerate(chunk.systems):
        (result,) = relax_together([system], chunk.limits, potential, lambda _: None)
        together.save_relaxed(chunk.scratch, chunk.systems[index], chunk.limits, result)


def libraries(_: str) -> object:
    """Load what a relaxation needs, outside the time of a chunk."""
    return relax_together([cube("a", 4.1)], LIMITS, Spring(), lambda _: None)


def test_an_evaluation_that_hangs_costs_one_structure() -> None:
    systems = [cube(name, a) for name, a in (("a", 4.1), ("hangs", 4.5), ("b", 4.2), ("c", 4.3))]
    results: dict[int, Relaxed] = {}

    def take(position: int, result: Relaxed, keep: bool) -> None:
        assert keep is (result.status == "converged")
        results[position] = result

    together.relax_in_batches(systems, LIMITS, "cpu", 4, 1.0, take, work=stuck, warm_up=libraries)
    assert [results[n].status for n in range(4)] == ["converged", "timeout", "converged", "converged"]
    assert results[1].reason == "one evaluation took longer than 1 s"


def one_and_wait(chunk: together.Chunk) -> None:
    """Finish the first structure of a chunk, and wait with the others."""
    first = chunk.systems[0]
    together.save_relaxed(chunk.scratch, first, chunk.limits, Relaxed("converged", "", first, -1.0, 0.0))
    time.sleep(600)


def test_a_result_is_taken_while_the_others_of_its_chunk_are_relaxed() -> None:
    class TakenError(Exception):
        pass

    def take(position: int, result: Relaxed, keep: bool) -> None:
        assert (position, result.status, keep) == (0, "converged", True)
        raise TakenError

    with pytest.raises(TakenError):
        together.relax_in_batches(
            [cube("a", 4.1), cube("b", 4.2)], LIMITS, "cpu", 4, 60.0, take, work=one_and_wait, warm_up=str
        )


def test_the_time_of_a_batch_is_shared_by_atoms() -> None:
    class Slow(Spring):
        def evaluate(self, structures: list[Any]) -> list[Any]:
            time.sleep(0.02)
            return super().evaluate(structures)

    systems = [cube(str(n), 4.4) for n in range(10)]
    started = time.perf_counter()
    results = relax_together(systems, LIMITS, Slow(), lambda _: None, batch_atoms=10)
    assert sum(result.wall_s for result in results) <= time.perf_counter() - started


def test_chunks_hold_every_system_once() -> None:
    systems = [cube(str(i), 4.0) for i in range(7)]
    assert together.chunks(systems, 3) == [[0, 1, 2], [3, 4, 5], [6]]
    assert together.chunks([SALT, SALT], 1) == [[0], [1]]
    assert together.chunks([], 3) == []


@pytest.mark.parametrize("device", ["cpu", "cpu:0"])
def test_crystals_are_relaxed_in_batches_on_every_device(tmp_path: Path, device: str) -> None:
    systems = [SALT, SILICON]
    results = batch.relax_all(
        systems, LOOSE, wall_limit_s=300.0, workers=1, cache=tmp_path, device=device, batch_atoms=100
    )
    for system, result in zip(systems, results, strict=True):
        same(result, relax((system, LOOSE)))
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert together.resolve_device("auto") == "cpu"
    assert together.resolve_device("cpu") == "cpu"
    with pytest.raises(ExternalToolError, match="finds no GPU"):
        together.resolve_device("cuda")


def test_workers_that_cannot_load_chgnet_end_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    def unstarted(*_: object, on_result: Any, **__: object) -> None:
        on_result(0, Outcome("unstarted", None, "worker process died (exit code 1)", 1.0))

    monkeypatch.setattr(together, "map_isolated", unstarted)
    with pytest.raises(ExternalToolError, match="CHGNet does not load"):
        batch.relax_all([SALT], LIMITS, wall_limit_s=1.0, workers=1)


def test_the_configuration_reaches_the_relaxation() -> None:
    from adit.relax.prerelax import limits_of

    config = RelaxConfig(fmax=0.2, max_steps=7, optimizer="fire", overlaps="push", min_distance=0.4)
    assert limits_of(config) == Limits(0.2, 7, 0.4, 250.0, "fire", True)
