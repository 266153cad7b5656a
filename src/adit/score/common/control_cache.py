"""Cache of control rows, which depend on the reference and the settings but not on the samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.config import ScoreStage
from adit.progress import log
from adit.score.common.aggregate import RateRecord
from adit.score.common.content import content_key
from adit.score.common.inputs import Reference
from adit.score.common.measures import Measure
from adit.systems import Kind

_LIBRARIES: Final = ("adit", "pymatgen", "spglib", "smact", "rdkit", "posebusters", "tblite", "numpy", "scipy")
"""Packages whose versions affect the scores."""


@dataclass(frozen=True)
class Controls:
    """Results of the control rows.

    Attributes:
        records: rates.
        measures: scores that are not rates.
        properties: values of properties by population and property, in the unit of the property's column.
    """

    records: list[RateRecord] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    properties: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def cached_controls(
    stage: ScoreStage, reference: Reference, kind: Kind, cache: Path | None, make: Callable[[], Controls]
) -> Controls:
    """Return the control rows from the cache, or compute and store them.

    Args:
        stage: slice of the configuration; everything that affects a score is part of the key, with library versions.
        reference: the reference.
        kind: kind of the systems.
        cache: folder of the cache; ``None``: the control rows are computed.
        make: computes the control rows.
    """
    if cache is None:
        return make()
    key = _key(stage, reference)
    path = cache / f"controls-{kind}-{key[:12]}.json"
    fresh: list[Controls] = []

    def computed() -> dict[str, Any]:
        fresh.append(make())
        records, measures = fresh[0].records, fresh[0].measures
        properties = {str(name): values for name, values in fresh[0].properties.items()}
        return {
            "records": [r.to_json() for r in records],
            "measures": [m.to_json() for m in measures],
            "properties": properties,
        }

    values = store.cached_json(path, key, computed)
    if fresh:
        return fresh[0]
    log.info("control rows of %ss: from %s", kind, path)
    kept_records = [RateRecord(**r) for r in values["records"]]
    return Controls(kept_records, [Measure.from_json(m) for m in values["measures"]], values.get("properties", {}))


def _key(stage: ScoreStage, reference: Reference) -> str:
    """Return a key of everything that the control rows depend on."""
    digest = hashlib.sha256(json.dumps({**stage.model_dump(mode="json"), "libraries": library_versions()}).encode())
    for system, split in sorted(
        zip(reference.systems, reference.splits, strict=True), key=lambda pair: pair[0].system_id
    ):
        digest.update(f"{system.system_id} {split} {content_key(system)}\n".encode())
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the installed versions of the packages that affect the scores."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "none"
    return versions
