"""The broker's systems and clients, as the demo plays them: HTTP calls with tokens of their own."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from api.demo.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from api.identity.devtokens import DevIssuer
    from api.identity.scopes import Role
    from ledger.ids import ClientId, EntityId

CALLERS: Final = 24
"""Calls that the demo makes at the same time."""
_KEYS: Final = UUID("6f1d8e1c-7d50-4d2b-9a4e-2f6d0a7b1c55")


class Broker:
    """Calls the API as one role or client after the other."""

    def __init__(self, url: str, issuer: DevIssuer, entity: EntityId) -> None:
        self._lines = Lines(url)
        self._issuer, self._entity = issuer, entity
        self._tokens: dict[str, str] = {}
        self._callers = ThreadPoolExecutor(CALLERS, thread_name_prefix="caller")
        self.calls = 0

    def close(self) -> None:
        """Let the callers go."""
        self._callers.shutdown()
        self._lines.close()

    async def post(
        self, role: Role, path: str, key: str, whose: ClientId | None = None, /, **body: Any
    ) -> dict[str, Any]:
        """Write, as a role or as one client, under an idempotency key that every run repeats."""
        call = partial(
            self._lines.call,
            "POST",
            path,
            body=body,
            Authorization=f"Bearer {self._token(role, whose)}",
            Idempotency_Key=str(uuid5(_KEYS, key)),
        )
        answer: dict[str, Any] = await self.aside(call)
        return answer

    async def get(
        self, role: Role, path: str, whose: ClientId | None = None, /, **query: Any
    ) -> dict[str, Any]:
        """Read, as a role or as one client."""
        token = f"Bearer {self._token(role, whose)}"
        call = partial(self._lines.call, "GET", path, query=query, Authorization=token)
        answer: dict[str, Any] = await self.aside(call)
        return answer

    async def text(self, role: Role, path: str) -> str:
        """Read what is no JSON, as a role."""
        token = f"Bearer {self._token(role, None)}"
        text: str = await self.aside(
            partial(self._lines.call, "GET", path, plain=True, Authorization=token)
        )
        return text

    async def all(self, act: Callable[..., Awaitable[Any]], each: Iterable[Any]) -> list[Any]:
        """Do the same for each, many at a time."""
        return await asyncio.gather(*(act(one) for one in each))

    async def aside(self, call: Callable[[], Any]) -> Any:
        """Make a call in one of the callers' threads."""
        self.calls += 1
        return await asyncio.get_running_loop().run_in_executor(self._callers, call)

    def _token(self, role: Role, client: ClientId | None) -> str:
        name = role.value if client is None else str(client)
        if name not in self._tokens:
            self._tokens[name] = self._issuer.mint(role, self._entity, client=client)
        return self._tokens[name]
