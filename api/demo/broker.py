"""The broker's systems and clients, as the demo plays them: HTTP calls with tokens of their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

import httpx

from api.scopes import Role
from ledger.ids import ClientId, EntityId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from api.devtokens import DevIssuer

CALLERS: Final = 32
"""Calls that the demo makes at the same time."""
_KEYS: Final = UUID("6f1d8e1c-7d50-4d2b-9a4e-2f6d0a7b1c55")


class Refused(Exception):
    """The API said no."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = str(problem.get("code"))


class Broker:
    """Calls the API as one role or client after the other."""

    def __init__(self, url: str, issuer: DevIssuer, entity: EntityId) -> None:
        limits = httpx.Limits(max_connections=CALLERS, max_keepalive_connections=CALLERS)
        self._http = httpx.AsyncClient(base_url=url, limits=limits, timeout=60)
        self._issuer, self._entity = issuer, entity
        self._tokens: dict[str, str] = {}
        self._turn = asyncio.Semaphore(CALLERS)
        self.calls = 0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def post(
        self, role: Role, path: str, key: str, whose: ClientId | None = None, /, **body: Any
    ) -> dict[str, Any]:
        """Write, as a role or as one client, under an idempotency key that every run repeats."""
        headers = {
            "Authorization": f"Bearer {self._token(role, whose)}",
            "Idempotency-Key": str(uuid5(_KEYS, key)),
        }
        async with self._turn:
            self.calls += 1
            return _read(await self._http.post(path, json=body, headers=headers))

    async def get(
        self, role: Role, path: str, whose: ClientId | None = None, /, **query: Any
    ) -> dict[str, Any]:
        """Read."""
        headers = {"Authorization": f"Bearer {self._token(role, whose)}"}
        async with self._turn:
            self.calls += 1
            return _read(await self._http.get(path, params=query, headers=headers))

    async def all(self, act: Callable[..., Awaitable[Any]], each: Iterable[Any]) -> list[Any]:
        """Do the same for each, many at a time."""
        return await asyncio.gather(*(act(one) for one in each))

    def person(self, role: Role, name: str) -> Broker:
        """The same API, called by a person of that role."""
        other = object.__new__(Broker)
        other.__dict__ = {**self.__dict__, "_tokens": {}}
        token = self._issuer.mint(role, self._entity, subject=f"person:{name}")
        other._tokens = {role.value: token}
        return other

    def _token(self, role: Role, client: ClientId | None) -> str:
        name = role.value if client is None else str(client)
        if name not in self._tokens:
            self._tokens[name] = self._issuer.mint(role, self._entity, client=client)
        return self._tokens[name]


def _read(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise Refused(answer.status_code, body)
    return body
