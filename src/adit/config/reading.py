"""Reads and validates configurations; an error is one line that names the key and the way out."""

from __future__ import annotations

import difflib
import inspect
import json
import re
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from adit.config.base import Stage
from adit.config.paths import why_no_folder
from adit.config.run import Config
from adit.config.yaml_text import FILE_CHARACTERS, check_values, load_yaml
from adit.errors import ConfigError, one_line

M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound=Stage)


def parse(values: Mapping[str, Any], where: str = "config") -> Config:
    """Return the configuration of a mapping, validated.

    Args:
        values: keys and values, as read from YAML or JSON.
        where: file of the mapping, for messages.

    Raises:
        ConfigError: a key is unknown or a value is wrong; one line that names the key, what is wrong and, for an
            unknown key, the nearest known one.
    """
    check_values(values, where)
    return parse_as(Config, values, where)


def parse_as(model: type[M], values: Mapping[str, Any], where: str) -> M:
    """Return a mapping as a given section or stage, validated; see ``parse``.

    Raises:
        ConfigError: as for ``parse``.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ConfigError(f"{where}: {_explain(model, error)}") from None


def load(path: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a YAML file over the defaults; ``overrides`` replace top-level keys.

    A user's own datasets are read from ``datasets.yaml`` beside the file, if it exists.

    Raises:
        ConfigError: the file is missing, empty, not YAML, or invalid.
    """
    path = Path(path)
    values = _mapping(path)
    if not values:
        raise ConfigError(f"{path}: is empty; give at least a name, or take config/config.yaml for the paper's run")
    beside = path.with_name("datasets.yaml")
    if beside.is_file() and beside != path:
        own, data = _section(_mapping(beside), "data", beside), _section(values, "data", path)
        custom = {**_section(own, "custom", beside), **_section(data, "custom", path)}
        values = {**values, "data": {**data, "custom": custom}}
    return parse({**values, **(overrides or {})}, str(path))


def _mapping(path: Path) -> dict[str, Any]:
    try:
        values = load_yaml(_text(path), str(path)) or {}
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        detail = getattr(error, "strerror", None) or "is not a text in UTF-8"
        raise ConfigError(f"{path}: {detail}; give a file such as config/demo.yaml") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a mapping of keys to values")
    return values


def _section(values: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    section = values.get(key) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {key} must be a mapping of keys to values")
    return section


def _text(path: Path) -> str:
    """Return the text of a file, up to the largest size of a configuration."""
    with path.open(encoding="utf-8") as file:
        return file.read(FILE_CHARACTERS + 1)


def check_files(paths: Iterable[Path | str]) -> None:
    """Check configuration files that Snakemake reads, which silently uses the last of two equal keys.

    Raises:
        ConfigError: a file is not YAML, or has a key twice.
    """
    for path in paths:
        _mapping(Path(path))


def check_places(checked: Config) -> None:
    """Check that the folder of the run can be created.

    Raises:
        ConfigError: a file has its name or that of a folder above it, or the place is not writable or belongs to the
            system.
    """
    if problem := why_no_folder(checked.run):
        raise ConfigError(f"results: {checked.run} cannot be created: {problem}; choose another folder")


def load_stage(kind: type[S], text: str, **extra: Any) -> S:
    """Read a stage's slice from JSON, as the workflow passes it, or from a configuration file.

    Args:
        kind: class of the stage.
        text: JSON, or the path of a YAML file.
        extra: fields of the stage that are not sections, for a YAML file.

    Raises:
        ConfigError: the JSON or the file is invalid.
    """
    if text.lstrip().startswith("{"):
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"--config: is not JSON: {one_line(str(error), 200)}") from None
        check_values(values, "--config")
        return parse_as(kind, values, "--config")
    return load(text).stage(kind, **extra)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the configuration, for editors and for the drift test."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _explain(model: type[BaseModel], error: ValidationError) -> str:
    details = error.errors(include_url=False)
    first = details[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    if first["type"] == "extra_forbidden":
        names = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), names, n=1, cutoff=0.4)
        way_out = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(names)}"
        return f"{key}: unknown key; {way_out}{more}"
    message = one_line(re.sub(r"^(Value error, )", "", first["msg"]), 400)
    value = first.get("input")
    given = f" (given: {one_line(repr(value), 80)})" if isinstance(value, (str, float, bool, type(None))) else ""
    if isinstance(value, int) and not isinstance(value, bool):
        given = f" (given: {value})" if abs(value) < 10**60 else " (given: a number of more than 60 digits)"
    return f"{key}: {message}{given}{more}"


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the section at ``loc``."""
    annotation: Any = model
    for part in loc:
        submodel = _model_in(annotation)
        if submodel is not None and isinstance(part, str) and part in submodel.model_fields:
            annotation = submodel.model_fields[part].annotation
    submodel = _model_in(annotation)
    return list(submodel.model_fields) if submodel else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for inner in typing.get_args(annotation):
        submodel = _model_in(inner)
        if submodel is not None:
            return submodel
    return None
