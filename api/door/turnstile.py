"""How often each may call: one bucket per identity, in memory, and bounded in number.

Who is believed has a bucket by subject (a client's dashboard by client), whatever address the call
comes from; who is not shares one with everybody at the same address. Messages that a provider
signed are never limited: a storm of retries is answered, and a duplicate is one message.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.door.problems import ApiProblem
from api.identity.scopes import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.identity.caller import Caller

HOLDERS_MAX: Final = 20_000
"""Identities, and as many addresses, that are remembered; the one least heard of goes first."""
_IPV6_NETWORK: Final = 64
"""One household has a whole such network: its addresses are one holder."""


def _role(name: str) -> str:
    return Role(name).value


RoleName = Annotated[str, AfterValidator(_role)]


class Rate(BaseModel):
    """A bucket.

    Attributes:
        per_s: calls a second, for ever.
        burst: calls at once, after a silence.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    per_s: float = Field(gt=0, le=1_000_000)
    burst: int = Field(ge=1, le=1_000_000)


class RateSettings(BaseModel):
    """The limits of this process. A house of several processes has each as often.

    Attributes:
        client: each client's own dashboard.
        service: every other subject.
        roles: by role, instead of those two.
        stranger: each address, for calls that are not believed.
        probe: each address, for the doors that are open to everybody.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client: Rate = Rate(per_s=50, burst=500)
    service: Rate = Rate(per_s=5_000, burst=20_000)
    roles: dict[RoleName, Rate] = {}
    stranger: Rate = Rate(per_s=100, burst=2_000)
    probe: Rate = Rate(per_s=50, burst=500)

    def of(self, role: Role) -> Rate:
        """Return the limit of a role."""
        return self.roles.get(role.value, self.client if role is Role.CLIENT else self.service)


class Buckets:
    """Buckets by holder: each is one time, the one at which it is full again."""

    def __init__(self, monotonic: Callable[[], float], holders_max: int = HOLDERS_MAX) -> None:
        self._monotonic = monotonic
        self._holders_max = holders_max
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        """Count the holders that are remembered."""
        return len(self._full_at)

    def take(self, holder: str, rate: Rate) -> float:
        """Take one call out of a bucket; return 0, or the seconds until it holds one again."""
        now = self._monotonic()
        full_at = max(now, self._full_at.pop(holder, now))
        wait = full_at + 1 / rate.per_s - now - rate.burst / rate.per_s
        # A hair of rounding is no call too many.
        wait = 0.0 if wait < 1 / rate.per_s / 2**20 else wait
        self._full_at[holder] = full_at if wait else full_at + 1 / rate.per_s
        while len(self._full_at) > self._holders_max:
            self._full_at.popitem(last=False)
        return wait


class Turnstile:
    """Counts who comes in."""

    def __init__(
        self,
        settings: RateSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings or RateSettings()
        # Apart, so that a flood of addresses makes nobody forget an identity.
        self._believed, self._addresses = Buckets(monotonic), Buckets(monotonic)

    def admit(self, caller: Caller) -> None:
        """Count a call of somebody who is believed.

        Raises:
            ApiProblem: `rate_limited`, with the seconds to wait.
        """
        holder = f"{caller.entity} {caller.role} {caller.subject} {caller.client or ''}"
        _turn(self._believed.take(holder, self._settings.of(caller.role)))

    def admit_stranger(self, address: str) -> None:
        """Count a call that was not believed.

        Raises:
            ApiProblem: `rate_limited`.
        """
        _turn(self._addresses.take(f"stranger {holder_of(address)}", self._settings.stranger))

    def admit_probe(self, address: str) -> None:
        """Count a call at an open door.

        Raises:
            ApiProblem: `rate_limited`.
        """
        _turn(self._addresses.take(f"probe {holder_of(address)}", self._settings.probe))


def holder_of(address: str) -> str:
    """Name who holds an address: an IPv4 address itself, of IPv6 the network around it."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, _IPV6_NETWORK), strict=False))


def _turn(wait_s: float) -> None:
    if wait_s:
        raise ApiProblem("rate_limited", headers={"Retry-After": str(math.ceil(wait_s))})
