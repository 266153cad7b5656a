"""Trajectories: the denoising path of selected samples, decoded frame by frame, for animations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from adit.config import SampleStage
from adit.flow.solver import Step
from adit.progress import log
from adit.sample.decode import conditioned_rows
from adit.sample.engine import Sampler, Substituted
from adit.store import write_extxyz
from adit.systems import AtomicSystem, Kind


def write_trajectories(
    stage: SampleStage,
    vae_dir: Path,
    dit_dir: Path,
    kind: Kind,
    indices: Sequence[int],
    frames: int,
    out: Path,
    substituted: Substituted | None = None,
) -> None:
    """Write the paths of the samples with these global indices as one extended XYZ file, sample after sample.

    The last frame of each is the sample itself, as ``adit sample`` writes it. The others are the decoded predictions Z′
    of the clean latents along the path. Steps whose prediction is not a valid system have no frame.

    Args:
        stage: slice of the configuration.
        vae_dir: folder of the autoencoder.
        dit_dir: folder of the denoiser.
        kind: kind of system.
        indices: global indices.
        frames: largest number of frames per sample.
        out: the file; coordinates in Å, and the time ``t`` in ``info``.
        substituted: formulas for ``formulas: substitution``, see ``Sampler``.

    Raises:
        ConfigError: the request does not fit the model (see ``Sampler.request``).
        DataError: a file of a network is missing or broken, or the networks do not belong together.
    """
    sampler = Sampler(vae_dir, dit_dir, stage.sample.precision, substituted)
    request = sampler.request(stage, kind)
    draws = [request.draw(index) for index in indices]
    trajectories: list[list[AtomicSystem]] = []
    for draw in draws:
        steps: list[tuple[float, Tensor]] = []

        def keep(step: Step, steps: list[tuple[float, Tensor]] = steps) -> None:
            steps.append((step.t, step.latents if step.t == 1.0 else step.clean))

        _, mask = sampler.latents([draw], request, stage.sample, keep)
        path = []
        for t, latents in _spread(steps, frames):
            row = conditioned_rows(sampler.decode(latents, mask, request.kind), [draw], request)[0]
            if isinstance(row, AtomicSystem):
                path.append(replace(row, info={**row.info, "t": round(t, 6)}))
        trajectories.append(path)
        log.info("%s: %d frames", draw.system_id, len(path))
    write_extxyz(out, [system for path in trajectories for system in path])


def _spread(steps: Sequence[tuple[float, Tensor]], frames: int) -> list[tuple[float, Tensor]]:
    """Return at most ``frames`` steps, evenly spread, the last among them."""
    count = min(frames, len(steps))
    chosen = sorted({len(steps) - 1 - round(i * (len(steps) - 1) / max(1, count - 1)) for i in range(count)})
    return [steps[i] for i in chosen]
