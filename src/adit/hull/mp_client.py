"""``hull.reference: mp-api``: the Materials Project's entries, with its own client (package ``mp-api``).

The client is imported only if an answer is missing. Energies are those of its mixed GGA and GGA+U calculations, with
the MP2020 corrections.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import queue
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from adit import store
from adit.config import MP2020_TAG, LiveConfig
from adit.data.sources.client import AnswerError
from adit.errors import ConfigError, DataError, ExternalToolError, one_line
from adit.hull.live import SECTION, WAY_OUT, LiveEntries, System, source
from adit.hull.reference_rows import reference_row
from adit.progress import Progress, log, quantity

KEY: Final = "MP_API_KEY"
"""Environment variable with the user's key."""

NAME: Final = "Materials Project"
THERMO_TYPE: Final = "GGA_GGA+U"
"""The Materials Project's name of the method ``MP2020_TAG``."""

FIELDS: Final = ("material_id", "composition", "energy_per_atom", "thermo_type")
TOGETHER: Final = 20
"""Chemical systems of one question."""

LARGEST: Final = 50.0
"""Largest absolute energy, eV/atom."""


_NOT_OURS: Final = "is no answer that this package kept; delete it and repeat the command"


def from_materials_project(live: LiveConfig, systems: Sequence[System], cache: Path) -> LiveEntries:
    """Return the entries of systems: kept answers, and those of the server for the rest.

    Args:
        live: section of the configuration.
        systems: sets of elements; the entries of exactly these.
        cache: folder of the answers, one file a system.

    Raises:
        ConfigError: an answer is missing and there is no key.
        ExternalToolError: an answer is missing and the client is not installed.
        AnswerError: the server gives no answer, or none that can be used.
    """
    answers = MpAnswers(live, cache)
    missing = [system for system in systems if answers.answer(system) is None]
    log.info("%s: %d of %d chemical systems are kept", NAME, len(systems) - len(missing), len(systems))
    if missing:
        progress = Progress(f"chemical systems asked of the {NAME}", len(missing))
        with MpSession(live) as session:
            for start in range(0, len(missing), TOGETHER):
                chunk = missing[start : start + TOGETHER]
                answers.keep(chunk, session.ask(chunk), session.version)
                progress.update(len(chunk))
    entries, dates, versions = LiveEntries(MP2020_TAG, whole=True), [], set[str]()
    for system in systems:
        record = answers.answer(system)
        if record is None:
            raise AnswerError(f"{answers.path(system)}: {_NOT_OURS}")
        try:
            entries.rows += [_row(entry) for entry in record["entries"]]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise AnswerError(f"{answers.path(system)}: {_NOT_OURS}") from None
        dates.append(str(record["date"]))
        versions.add(str(record["version"]))
    if len(versions) > 1:
        log.warning("%s: answers of several versions are mixed (%s); delete %s to ask for all again",
                    NAME, "; ".join(sorted(versions)), cache)  # fmt: skip
    if dates:
        entries.sources.append(source(NAME, "; ".join(sorted(versions)), dates))
    return entries


class MpAnswers:
    """Kept answers, one file a chemical system.

    Args:
        live: section of the configuration.
        folder: of the files.
    """

    def __init__(self, live: LiveConfig, folder: Path) -> None:
        self._endpoint, self._folder = live.endpoint or "", folder

    def path(self, system: System) -> Path:
        """Return the file of a system."""
        return self._folder / f"mp-api-{hashlib.sha256(self._key(system).encode()).hexdigest()}.json"

    def answer(self, system: System) -> dict[str, Any] | None:
        """Return the kept answer for a system, or ``None`` if there is none.

        Raises:
            AnswerError: the file is not an answer that this class wrote.
        """
        path = self.path(system)
        if not path.is_file():
            return None
        try:
            record = store.read_json(path)
        except DataError:
            return None
        whole = isinstance(record, dict) and record.get("key") == self._key(system)
        if not whole or not isinstance(record.get("entries"), list) or not isinstance(record.get("date"), str):
            raise AnswerError(f"{path}: {_NOT_OURS}")
        return dict(record)

    def keep(self, systems: Sequence[System], entries: Sequence[Mapping[str, Any]], version: str) -> None:
        """Write the answer for each of some systems that were asked for together."""
        date = datetime.now(UTC).isoformat(timespec="seconds")
        for system in systems:
            own = [entry for entry in entries if set(entry["composition"]) == system]
            record = {"key": self._key(system), "date": date, "version": version, "entries": own}
            store.write_json(self.path(system), record)

    def _key(self, system: System) -> str:
        return f"{self._endpoint}|{'-'.join(sorted(system))}|{THERMO_TYPE}"


class MpSession:
    """The Materials Project's client, with a limit of time for each of its calls; a context manager.

    Args:
        live: section of the configuration.

    Raises:
        ConfigError: there is no key.
        ExternalToolError: the client is not installed.
        AnswerError: the server does not answer.
    """

    def __init__(self, live: LiveConfig) -> None:
        self._limit_s, self._api_key, rester = live.timeout_s, _key(), _rester()
        place = {} if live.endpoint is None else {"endpoint": f"{live.endpoint}/"}
        settings = {"use_document_model": False, "mute_progress_bars": True}
        self._client = self._call(lambda: rester(api_key=self._api_key, **place, **settings))
        database = getattr(self._client, "db_version", None) or self._call(
            lambda: self._client.get_database_version()  # of clients before 0.46
        )
        self.version = one_line(f"database {database}, mp-api {_client_version()}", 100)

    def __enter__(self) -> MpSession:
        return self

    def __exit__(self, *_: object) -> None:
        close = getattr(getattr(self._client, "session", None), "close", None)
        if close is not None:
            close()

    def ask(self, systems: Sequence[System]) -> list[dict[str, Any]]:
        """Return the entries of exactly these systems: id, composition, energy (eV/atom).

        Raises:
            AnswerError: the server does not answer, or sends something else than was asked for.
        """
        names = ["-".join(sorted(system)) for system in systems]
        documents = self._call(
            lambda: self._client.materials.thermo.search(
                chemsys=names, thermo_types=[THERMO_TYPE], all_fields=False, fields=list(FIELDS)
            )
        )
        criteria = {"chemsys": ",".join(names), "thermo_types": THERMO_TYPE}
        number = self._call(
            lambda: self._client.materials.thermo.count(criteria)
        )  # a page that is missing ends the search silently
        if len(documents) != number:
            raise AnswerError(f"{NAME}: sends {len(documents)} of {quantity(number, 'document')}")
        entries = [_entry(document) for document in documents]
        for entry in entries:
            if frozenset(entry["composition"]) not in systems:
                raise AnswerError(f"{NAME}: sends {entry['id']}, whose elements were not asked for")
        return entries

    def _call(self, function: Callable[[], Any]) -> Any:
        """Return what the client returns, in time; its errors are one line without the key."""
        answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

        def run() -> None:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answers.put((function(), None))
            except BaseException as error:  # noqa: BLE001 - of a foreign package, raised again below
                answers.put((None, error))

        threading.Thread(target=run, daemon=True).start()
        try:
            value, error = answers.get(timeout=self._limit_s)
        except queue.Empty:
            raise AnswerError(f"{NAME}: no answer within {self._limit_s:g} s ({SECTION}.timeout_s)") from None
        if error is not None:
            text = str(error).replace(self._api_key, "***") or type(error).__name__
            raise AnswerError(f"{NAME}: its client fails ({type(error).__name__}: {one_line(text, 200)})") from None
        return value


def at_hand() -> str:
    """Return which client is installed; the server is not asked.

    Raises:
        ConfigError: there is no key.
        ExternalToolError: the client is not installed.
    """
    _key()
    _rester()
    return f"mp-api {_client_version()}, key in {KEY}"


def _key() -> str:
    if text := os.environ.get(KEY, "").strip():
        return text
    raise ConfigError(
        f"hull.reference mp-api needs your key of the {NAME} in the environment variable {KEY} "
        f"(https://next-gen.materialsproject.org/api); or set {WAY_OUT}"
    )


def _rester() -> Any:
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise ExternalToolError(
            f"hull.reference mp-api needs the package mp-api ({one_line(str(error), 80)}): pip install "
            f"'adit-pipeline[mp]'; or set {WAY_OUT}"
        ) from None
    return MPRester


def _client_version() -> str:
    try:
        return metadata.version("mp-api")
    except metadata.PackageNotFoundError:
        return "of unknown version"


def _values_of(document: Any) -> dict[str, Any]:
    """Return the values of a document that is an object."""
    return {name: getattr(document, name, None) for name in FIELDS}


def _entry(document: Any) -> dict[str, Any]:
    """Return what is kept of a document of the client."""
    values: dict[str, Any] = document if isinstance(document, dict) else _values_of(document)
    values = {name: values.get(name) for name in FIELDS}
    thermo_type = str(getattr(values["thermo_type"], "value", values["thermo_type"]))
    name, energy = one_line(str(values["material_id"]), 60), values["energy_per_atom"]
    if thermo_type != THERMO_TYPE:
        raise AnswerError(f"{NAME}: sends {name} of {one_line(thermo_type, 40)}; {THERMO_TYPE} was asked for")
    try:
        counts = {str(element): float(amount) for element, amount in dict(values["composition"]).items()}
        energy = float(energy)
    except (TypeError, ValueError):
        raise AnswerError(f"{NAME}: sends {name} without a composition or an energy") from None
    if not counts or not all(math.isfinite(n) and n > 0 for n in counts.values()) or not abs(energy) < LARGEST:
        raise AnswerError(f"{NAME}: sends {name} with {energy:g} eV/atom and the composition {json.dumps(counts)[:80]}")
    return {"id": name, "composition": counts, "energy_per_atom": energy}


def _row(entry: Mapping[str, Any]) -> dict[str, object]:
    counts = {str(name): float(n) for name, n in entry["composition"].items()}
    formula = "".join(f"{name}{n:g}" if n != 1 else name for name, n in sorted(counts.items()))
    return reference_row(str(entry["id"]), formula, counts, float(entry["energy_per_atom"]), MP2020_TAG)
