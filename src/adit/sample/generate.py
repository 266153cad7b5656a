"""Generation: shards of samples of one kind, from noise to decoded systems on disk, in constant memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adit.config import OF_ONE_KIND, SampleConfig, SampleStage
from adit.errors import ConfigError
from adit.flow.solvers.registry import evaluations, solver_entry
from adit.progress import Progress
from adit.sample.batches import batches, budget, windows
from adit.sample.decode import conditioned_rows
from adit.sample.engine import Sampler, Substituted
from adit.sample.request import Request
from adit.store import SYSTEM_SCHEMA, Row, arrow_writer, provenance_metadata, systems_table, write_json
from adit.systems import Kind

WAITING = 2
"""Number of batches that can wait for conversion while the next one is integrated."""


@dataclass(frozen=True)
class Batch:
    """One batch before writing.

    Attributes:
        places: indices of its samples in the window.
        rows: their rows, in the order of ``places``, when the conversion has ended.
    """

    places: list[int]
    rows: Future[list[Row]]


def sample_shard(
    stage: SampleStage,
    vae_dir: Path,
    dit_dir: Path,
    kind: Kind,
    shard: int,
    out: Path,
    timing: Path | None = None,
    substituted: Substituted | None = None,
) -> None:
    """Write one shard of samples, systems and failures, in the order of their global index.

    Args:
        stage: slice of the configuration.
        vae_dir: folder of the autoencoder.
        dit_dir: folder of the denoiser.
        kind: kind of system.
        shard: index of the shard, from 0.
        out: the Arrow file.
        timing: JSON file for wall time (s) and numbers of samples and evaluations; ``None`` for none.
        substituted: formulas by substitution; see ``Sampler``.

    Raises:
        ConfigError: the run has no such shard, or the request does not fit the model (see ``Sampler.request``).
        DataError: a file of a network is missing or broken, or the networks do not belong together.
    """
    shards = max(1, stage.sample.n_shards(kind))
    if not 0 <= shard < shards:
        raise ConfigError(f"shard {shard}: the run has {shards} of {kind}s, 0 to {shards - 1}")
    first, last = stage.sample.bounds(kind, shard)
    sampler = Sampler(vae_dir, dit_dir, stage.sample.precision, substituted)
    write_samples(sampler, stage, kind, range(first, last), out, timing)


def write_samples(
    sampler: Sampler, stage: SampleStage, kind: Kind, indices: Sequence[int], out: Path, timing: Path | None = None
) -> None:
    """Write the samples with the given global indices.

    Args:
        sampler: the model.
        stage: slice of the configuration.
        kind: kind of system.
        indices: global indices, in the order of the rows.
        out: the Arrow file.
        timing: JSON file for wall time (s) and numbers of samples and evaluations; ``None`` for none.

    Raises:
        ConfigError: the request does not fit the model.
    """
    config = stage.sample
    request = sampler.request(stage, kind)
    started = time.perf_counter()
    schema = SYSTEM_SCHEMA.with_metadata(provenance_metadata(provenance(sampler, stage, kind)))
    with arrow_writer(out, schema) as write:
        for rows in sample_rows(sampler, request, config, indices):
            write(systems_table(rows).replace_schema_metadata(schema.metadata))
    if timing is not None:
        taken = {"seconds": time.perf_counter() - started, "samples": len(indices), "device": sampler.device.type}
        write_json(timing, {**taken, "evaluations": evaluations(config.solver, config.steps)})


def provenance(sampler: Sampler, stage: SampleStage, kind: Kind) -> dict[str, Any]:
    """Return the settings and hashes that are stored in a file of samples."""
    config = stage.sample
    conditions = config.conditions.of(kind).model_dump(mode="json", exclude_defaults=True)
    settings = config.model_dump(mode="json", include={*OF_ONE_KIND, "precision"})
    return {"seed": stage.seed, "kind": str(kind), **settings, "conditions": conditions, **sampler.hashes}


def sample_rows(
    sampler: Sampler, request: Request, config: SampleConfig, indices: Sequence[int]
) -> Iterator[list[Row]]:
    """Yield the rows of ``indices`` in order, a window at a time.

    A thread converts decoder outputs to systems while the next batch is integrated.

    Args:
        sampler: the model.
        request: the requested samples.
        config: solver, steps, guidance, size of batches.
        indices: global indices.
    """
    size = budget(config.batch_atoms, sampler.device)
    progress = Progress(f"{request.kind}s sampled", len(indices))
    prepared = False
    with ThreadPoolExecutor(1) as pool:
        before: list[Batch] = []
        for window in windows(request, indices, size):
            if not prepared:
                atoms = sum(map(len, window)) / len(window) * len(indices)
                sampler.prepare(config.compile, int(atoms), max(1, evaluations(config.solver, config.steps)))
                prepared = True
            finished: list[Batch] = []
            waiting: deque[Future[list[Row]]] = deque()
            for places in batches([len(d) for d in window], size, alone=solver_entry(config.solver).alone):
                draws = [window[i] for i in places]
                decoded = sampler.decode(*sampler.latents(draws, request, config), request.kind)
                finished.append(Batch(places, pool.submit(conditioned_rows, decoded, draws, request)))
                waiting.append(finished[-1].rows)
                if len(waiting) > WAITING:
                    waiting.popleft().result()
                progress.update(len(draws))
                if before:
                    yield _ordered(before)
                    before = []
            before = finished
        if before:
            yield _ordered(before)


def _ordered(finished: Sequence[Batch]) -> list[Row]:
    """Return the rows of a window in the order of their index."""
    rows = {place: row for batch in finished for place, row in zip(batch.places, batch.rows.result(), strict=True)}
    return [rows[place] for place in range(len(rows))]
