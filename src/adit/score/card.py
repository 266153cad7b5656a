"""The protocol card: everything that decided the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from adit.columns import Col
from adit.config import ScoreStage
from adit.score.common.control_cache import library_versions
from adit.score.common.inputs import Energies
from adit.score.crystals.protocols import CRYSTAL_PROTOCOLS
from adit.score.matching.linking import SETTINGS


def card(stage: ScoreStage, references: Mapping[str, Mapping[str, int]], energies: Energies) -> dict[str, Any]:
    """Return the card as a dictionary for JSON: settings, library versions, references, matchers, protocols, energies.

    Args:
        stage: slice of the configuration.
        references: number of reference structures by kind and split.
        energies: relaxations, hull and DFT of the crystals.
    """
    return {
        "stage": stage.model_dump(mode="json"),
        "libraries": library_versions(),
        "references": {kind: dict(splits) for kind, splits in references.items()},
        "matchers": {settings.name: asdict(settings) for settings in SETTINGS},
        "crystal_protocols": {
            protocol.name: {
                "matcher": protocol.matcher.name,
                "novel_against": protocol.reference,
                "stable": protocol.rule,
                "metastable": protocol.metastable_rule if protocol.metastable_at is not None else None,
                "differs": protocol.differs or None,
            }
            for protocol in CRYSTAL_PROTOCOLS
        },
        "energies": {
            "tags": list(energies.energy_tags),
            Col.HULL_TAG: energies.hull_tag,
            "surrogate": energies.surrogate,
        },
    }
