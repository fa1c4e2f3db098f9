"""Our own calls to other systems are told to an observer before their answers are used.

An adapter that speaks HTTP gets this by its client; another one tells of each batch itself.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Credential:
    """As whom we call: the system, our account there, and the secret's name; never its value."""

    system: str
    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One batch that we asked of another system.

    Attributes:
        credential: as whom.
        changes: whether it can change anything there.
        operation: the method and the path, or the name of the call.
        status: of the answer; 0 where none came, or none was read to its end.
        failure: the kind of failure, where there is no whole answer.
        asked_sha256: of everything that was asked: address, selectors and contents.
        answer_sha256: of what came back.
        count: of the objects in it, where the adapter knows.
        seconds: from the question to the end of the answer, by a clock that only runs forward.
    """

    credential: Credential
    changes: bool
    operation: str
    status: int
    failure: str
    asked_sha256: str
    answer_sha256: str
    count: int = 1
    seconds: float = field(default=0.0, compare=False)


class Outgoing(Protocol):
    """Hears of every exchange."""

    def heard(self, exchange: Exchange) -> None:
        """Record it durably, or raise: then its answer must not be used."""
        ...


@dataclass(slots=True)
class Listed:
    """Keeps exchanges in a list: for a stage without a house."""

    exchanges: list[Exchange] = field(default_factory=list)

    def heard(self, exchange: Exchange) -> None:
        """Keep it."""
        self.exchanges.append(exchange)


class Observed(httpx.Client):
    """Tells of every exchange when its answer is read, before the reader gets the end of it.

    A record afterwards knows the outcome, and none is lost that matters: what is to be changed
    outside stands in the book before the call, and an answer that was not recorded is none, so
    the adapter's caller looks it up as it does any other that it did not get.
    """

    def __init__(self, credential: Credential, outgoing: Outgoing, **settings: Any) -> None:
        super().__init__(**settings)
        self._credential, self._outgoing = credential, outgoing

    def send(self, request: httpx.Request, *, stream: bool = False, **how: Any) -> httpx.Response:
        """Send the request, and watch its answer: everything that a client can do comes by here."""
        asked = f"{request.method} {request.url}\n".encode() + request.read()
        watch = _Watch(self._outgoing, self._credential, request, asked)
        try:
            response = super().send(request, stream=True, **how)
        except Exception as error:
            watch.ended(0, type(error).__name__)
            raise
        assert isinstance(response.stream, httpx.SyncByteStream), "a client that does not await"
        response.stream = _Watched(response.stream, response.status_code, watch)
        if not stream:
            response.read()
        return response


class _Watch:
    """Follows one exchange, and tells of it once."""

    def __init__(
        self, outgoing: Outgoing, credential: Credential, request: httpx.Request, asked: bytes
    ) -> None:
        self._outgoing, self._credential = outgoing, credential
        self._operation = f"{request.method} {request.url.path}"
        self._changes = request.method not in {"GET", "HEAD"}
        self._asked = hashlib.sha256(asked).hexdigest()
        self._answer = hashlib.sha256()
        self._told = False
        self._begun = time.perf_counter()

    def saw(self, chunk: bytes) -> None:
        self._answer.update(chunk)

    def ended(self, status: int, failure: str = "") -> None:
        if self._told:
            return
        self._told = True
        self._outgoing.heard(
            Exchange(
                self._credential,
                self._changes,
                self._operation,
                status,
                failure,
                self._asked,
                self._answer.hexdigest(),
                seconds=time.perf_counter() - self._begun,
            )
        )


class _Watched(httpx.SyncByteStream):
    """The bytes of an answer on their way."""

    def __init__(self, within: httpx.SyncByteStream, status: int, watch: _Watch) -> None:
        self._within, self._status, self._watch = within, status, watch

    def __iter__(self) -> Iterator[bytes]:
        """Pass the bytes on; the last of them only ends the answer once it is recorded."""
        try:
            for chunk in self._within:
                self._watch.saw(chunk)
                yield chunk
        except httpx.HTTPError as error:
            self._watch.ended(0, type(error).__name__)
            raise
        self._watch.ended(self._status)

    def close(self) -> None:
        """Close; an answer that was not read to its end is told as cut."""
        try:
            self._watch.ended(0, "cut")
        finally:
            self._within.close()
