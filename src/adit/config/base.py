"""Common parts of all sections: frozen models, unknown keys are errors, numbers with ranges."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Kind = Literal["crystal", "molecule", "mof"]
"""Kind of a system."""

MOST = 10**7
"""The largest count, ten thousand times that of a run on one machine; larger ones are typing errors."""

Positive = Annotated[int, Field(gt=0, le=MOST)]
"""Integer from 1 to ``MOST``."""

Count = Annotated[int, Field(ge=0, le=MOST)]
"""Integer from 0 to ``MOST``."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""Integer from 0 to 2⁶³ - 1."""

PositiveFloat = Annotated[float, Field(gt=0)]
"""Number above 0."""

Fraction = Annotated[float, Field(ge=0, le=1)]
"""Number from 0 to 1."""

BelowOne = Annotated[float, Field(ge=0, lt=1)]
"""Number from 0 to below 1."""


def _program(text: str) -> str:
    """Return the name of a program; one that begins with ``-`` would be an option of what starts it."""
    if not text.strip():
        raise ValueError("is empty; name a program, or leave it out")
    if text.startswith("-"):
        raise ValueError("begins with -, as options do; name a program")
    return text


Program = Annotated[str, AfterValidator(_program)]
"""Path or name of a program."""


def _address(text: str) -> str:
    """Return the address of a server without a slash at its end; one with a password, or of a file, is refused."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"is no address ({error})") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("is no address of a server; give https://HOST or https://HOST/PATH")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("has a user, a query or a fragment; give https://HOST or https://HOST/PATH")
    if not text.isprintable() or " " in text:
        raise ValueError("has spaces or characters that are not printed")
    return text.rstrip("/")


Address = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_address)]
"""Address of a server, http or https."""


class Strict(BaseModel):
    """Base of all sections: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse ``true`` and ``false`` where a number is meant: Python takes them for 1 and 0."""
        types = _types_in(cls.model_fields[str(info.field_name)].annotation)
        if types & {int, float} and bool not in types and _holds_truth(value):
            raise ValueError("is a truth value (true, false, yes, no, on, off); a number is needed")
        return value


class Stage(Strict):
    """A stage's slice of the configuration; ``version`` is raised when the stage's results change."""

    version: int = 1

    @classmethod
    def sources(cls) -> dict[str, str]:
        """Return the path in ``Config`` of the fields whose path is not their name."""
        return {}


def _types_in(annotation: Any) -> set[Any]:
    """Return the types that an annotation is made of."""
    inner = get_args(annotation)
    return set().union(*map(_types_in, inner)) if inner else {annotation} if isinstance(annotation, type) else set()


def _holds_truth(value: Any) -> bool:
    """Return whether a value, or one in it, is a truth value."""
    if isinstance(value, dict):
        return any(map(_holds_truth, value.values()))
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_truth, value)))


def load_place(place: str) -> Any:
    """Return the object ``module:name``; its module is imported only now.

    Raises:
        ImportError: there is no such module.
        AttributeError: the module has no such object.
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
