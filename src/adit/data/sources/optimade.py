"""Pages of answers of an OPTIMADE provider.

Source: OPTIMADE specification 1.2, entry listing endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from adit.data.sources.answers import Check, ServerAnswer, Source
from adit.data.sources.client import AnswerError
from adit.errors import one_line
from adit.progress import quantity

_VERSIONED: Final = re.compile(r"/v\d+(\.\d+)*$")


@dataclass(frozen=True)
class Paging:
    """Sizes of the answers.

    Attributes:
        page_limit: entries of a page that are asked for.
        pages: most pages of a question.
        section: section of the configuration with these limits, for messages.
    """

    page_limit: int = 50
    pages: int = 20
    section: str = "lookup"


class Provider:
    """One provider and its answers.

    Args:
        source: its answers.
        paging: sizes of the answers.
    """

    def __init__(self, source: Source, paging: Paging) -> None:
        self.source, self._paging = source, paging
        base = source.client.base
        self._base = base if _VERSIONED.search(base) else f"{base}/v1"

    @property
    def name(self) -> str:
        """Return the host of the provider."""
        return self.source.client.host

    @property
    def structures(self) -> str:
        """Return the address of its structures."""
        return f"{self._base}/structures"

    def properties(self) -> tuple[ServerAnswer, dict[str, Any]]:
        """Return what it says of the properties of its structures: the answer, and descriptions by name.

        Raises:
            AnswerError: there is no answer, or none of this kind.
        """
        answer = self.source.ask(f"{self._base}/info/structures", no_description)
        return answer, answer.body["data"]["properties"]

    def address(self, query: str, fields: Sequence[str]) -> str:
        """Return the address of the first page of a question."""
        values = {"filter": query, "page_limit": self._paging.page_limit, "response_fields": ",".join(fields)}
        return f"{self.structures}?{urlencode(values, quote_via=quote)}"

    def pages(self, query: str, fields: Sequence[str], check: Check | None = None) -> Iterator[ServerAnswer]:
        """Yield the pages of a question; ``body["data"]`` is the list of entries.

        Pages that contradict each other are not kept: the next call asks for all of them again.

        Args:
            query: filter in OPTIMADE's language.
            fields: properties that are asked for.
            check: decides whether a page can be used; ``None``: ``problem``.

        Raises:
            AnswerError: a page cannot be used, or the server does not send all entries that it announces.
        """
        received, announced, addresses = 0, 0, set[str]()
        address: str | None = self.address(query, fields)
        while address is not None:
            if address in addresses:
                raise self._contradiction(addresses, "its pages repeat without end")
            if len(addresses) == self._paging.pages:
                most = quantity(self._paging.pages, "page")
                raise AnswerError(f"{self.name}: has more than {most} ({self._paging.section}.pages)")
            addresses.add(address)
            answer = self.source.ask(address, check or problem)
            yield answer
            received += len(answer.body["data"])
            announced = max(announced, _announced(answer.body))
            try:
                address = self._next(address, answer.body)
            except AnswerError as error:
                raise self._contradiction(addresses, str(error).removeprefix(f"{self.name}: ")) from None
        if received < announced:
            raise self._contradiction(addresses, f"sends {received} of {quantity(announced, 'entry', 'entries')}")

    def _contradiction(self, addresses: Iterable[str], reason: str) -> AnswerError:
        """Forget pages and return the error of what is wrong with them."""
        for address in addresses:
            self.source.forget(address)
        return AnswerError(f"{self.name}: {reason}")

    def _next(self, address: str, body: dict[str, Any]) -> str | None:
        """Return the address of the next page; ``None`` after the last one."""
        links, meta = body.get("links"), body.get("meta")
        link = links.get("next") if isinstance(links, dict) else None
        if isinstance(link, dict):
            link = link.get("href")
        if isinstance(link, str) and link:
            return self.source.client.on_host(address, link)
        if isinstance(meta, dict) and meta.get("more_data_available") is True:
            raise AnswerError(f"{self.name}: has more entries and does not say where")
        return None


def problem(status: int, body: Any) -> str:
    """Return why an answer of a provider cannot be used; empty if it can."""
    if status != 200:
        return f"the server answers {status}{detail(body)}"
    if not isinstance(body, dict) or not isinstance(body.get("data"), list):
        return "the answer has no list of entries (data): it is no OPTIMADE provider, or broken"
    return ""


def no_description(status: int, body: Any) -> str:
    """Return why an answer does not describe the properties of structures; empty if it does."""
    if status != 200:
        return f"the server answers {status}{detail(body)}"
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("properties"), dict):
        return "the answer describes no properties of structures: it is no OPTIMADE provider, or broken"
    return ""


def detail(body: Any) -> str:
    """Return what a server says of an error, in brackets; empty if it says nothing."""
    errors = body.get("errors") if isinstance(body, dict) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    text = first.get("detail") or first.get("title") if isinstance(first, dict) else None
    return f" ({one_line(str(text), 120)})" if text else ""


def _announced(body: dict[str, Any]) -> int:
    """Return how many entries the server says that it has for this question; 0 if it does not say."""
    meta = body.get("meta")
    count = meta.get("data_returned") if isinstance(meta, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else 0
