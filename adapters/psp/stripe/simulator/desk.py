"""The desk where requests arrive: who asks, under which key, and what goes wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from adapters.psp.stripe.simulator.errors import StripeRefusal, declined
from adapters.psp.stripe.simulator.faults import Fault, Faults
from adapters.psp.stripe.simulator.forms import read_form, read_json
from adapters.psp.stripe.simulator.guard import Guard
from adapters.psp.stripe.simulator.idempotency import Keys, request_of
from adapters.psp.stripe.simulator.routes import handle
from adapters.psp.stripe.simulator.world import ENCODE

if TYPE_CHECKING:
    from adapters.psp.stripe.simulator.world import World

_OK: Final = 200
_SERVER_ERROR: Final = 500
_GARBAGE: Final = b"<html><body>We'll be back soon</body></html>"
_FAILED: Final = ENCODE(
    {"error": {"type": "api_error", "message": "An unknown error occurred", "code": "api_error"}}
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: str
    body: bytes
    key: str | None
    credential: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `cut` closes the connection instead, `late` waits first."""

    status: int
    body: bytes
    replayed: bool = False
    cut: bool = False
    late: bool = False


@dataclass(slots=True)
class Desk:
    """Answers requests, one at a time."""

    world: World
    keys: Keys
    faults: Faults
    guard: Guard = field(default_factory=Guard)

    def answer(self, request: Request) -> Reply:
        """Answer a request, with the fault that it meets."""
        fault = self.faults.pick(request.method, request.path)
        try:
            self.guard.check(request.credential, request.method, request.path)
            _before(fault)
            with self.world.lock:
                reply = self._once(request, fault)
        except StripeRefusal as refusal:
            return Reply(refusal.status, ENCODE(refusal.body))
        if fault is Fault.CUT_BEFORE or fault is Fault.CUT_AFTER:
            return Reply(reply.status, b"", cut=True)
        if fault is Fault.STALL_AFTER:
            return Reply(reply.status, reply.body, late=True)
        if fault is Fault.GARBAGE_AFTER:
            return Reply(_OK, _GARBAGE)
        return reply

    def _once(self, request: Request, fault: Fault | None) -> Reply:
        """Do it once for each key: the second time, the first answer is given again."""
        if fault is Fault.CUT_BEFORE:
            return Reply(_OK, b"")
        if request.method != "POST" or request.key is None:
            return self._do(request)
        asked = request_of(request.method, request.path, request.body)
        known = self.keys.answer(request.key, asked)
        if known is not None:
            return Reply(known.status, known.body, replayed=True)
        reply = self._begun(request, fault)
        if reply.status == _OK or not request.path.startswith("/v2/"):
            self.keys.keep(request.key, asked, reply.status, reply.body)
        return reply

    def _begun(self, request: Request, fault: Fault | None) -> Reply:
        try:
            if fault is Fault.SERVER_ERROR:
                return Reply(_SERVER_ERROR, _FAILED)
            if fault is Fault.DECLINE:
                raise declined("card_declined", "insufficient_funds")
            reply = self._do(request)
        except StripeRefusal as refusal:
            if not refusal.started:
                raise
            return Reply(refusal.status, ENCODE(refusal.body))
        return Reply(_SERVER_ERROR, _FAILED) if fault is Fault.SERVER_ERROR_AFTER else reply

    def _do(self, request: Request) -> Reply:
        asked = read_form(request.query)
        if request.method == "POST":
            thin = request.path.startswith("/v2/")
            asked = read_json(request.body) if thin else read_form(request.body.decode())
        return Reply(_OK, handle(self.world, request.method, request.path, asked))


def _before(fault: Fault | None) -> None:
    """Turn a call away before anything is looked at."""
    if fault is Fault.CONFLICT:
        message = "There is currently another in-progress request using this key."
        raise StripeRefusal(
            409, "invalid_request_error", message, started=False, code="idempotency_key_in_use"
        )
    if fault is Fault.RATE_LIMITED:
        message = "Request rate limit exceeded."
        raise StripeRefusal(429, "invalid_request_error", message, started=False, code="rate_limit")
