"""Common parts of all sections: frozen models, unknown keys are errors, numbers with ranges."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["crystal", "molecule", "mof"]

MOST = 10**7
"""The largest count, ten thousand times that of a run on one machine; larger ones are typing errors."""

Positive = Annotated[int, Field(gt=0, le=MOST)]
Count = Annotated[int, Field(ge=0, le=MOST)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
PositiveFloat = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """Base of all sections: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Stage(Strict):
    """A stage's slice of the configuration; ``version`` is raised when the stage's results change."""

    version: int = 1

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {}


def load_place(place: str) -> Any:
    """Return the object ``module:name``; its module is imported only now."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
