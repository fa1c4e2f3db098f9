"""What compliance decides of a client's verification."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self, assert_never
from uuid import UUID

from pydantic import Field, model_validator
from starlette.requests import Request

from api.door.bodies import RequestModel, StrictRouter
from api.door.commands import Write, folded
from api.door.views import Recorded
from api.door.words import Id, IdempotencyKey, Instant, Reference
from api.house.front import AtFront
from api.identity.caller import Caller
from api.identity.security import Needs
from api.records.access import touched
from clients.client import client_stream, require_client
from compliance.kyc import LEVEL_MAX, KycStatus, approve, expire, kyc, reject, revoke
from ledger.decision import Decision
from ledger.ids import ClientId

ROUTER: Final = StrictRouter(prefix="/v1/kyc", tags=["compliance"])


class Verdict(StrEnum):
    """What may be decided."""

    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"
    EXPIRE = "expire"


class KycVerdict(RequestModel):
    """A decision; an approval says up to which level and until when."""

    decision: Verdict
    level: Annotated[int, Field(ge=1, le=LEVEL_MAX)] | None = None
    valid_until: Instant | None = None
    final: bool | None = None
    evidence_ref: Reference | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        approval = self.decision is Verdict.APPROVE
        if (self.level is not None, self.valid_until is not None) != (approval, approval):
            raise ValueError("an approval, and nothing else, has a level and an end")
        if (self.final is not None) != (self.decision is Verdict.REJECT):
            raise ValueError("a rejection, and nothing else, is final or not")
        if (self.evidence_ref is None) != (self.decision is Verdict.EXPIRE):
            raise ValueError("every decision but expiry has its evidence")
        return self


class KycView(Recorded):
    """Where the client's verification stands."""

    client: UUID
    status: KycStatus
    level: int


@ROUTER.post("/{client}")
async def decide_kyc(
    request: Request,
    client: Id,
    body: KycVerdict,
    caller: Annotated[Caller, Needs("kyc:decide")],
    key: IdempotencyKey,
    front: AtFront,
) -> KycView:
    """Approve, reject, revoke or expire a client's verification; what waits is judged again."""
    whose = ClientId(client)
    touched(request, "decided verification", client=whose)

    def decide(decision: Decision) -> None:
        require_client(decision, whose, caller.entity)
        _decided(decision, whose, body)

    receipt = await Write(request, caller, key, body).submit(
        front, decide, client_stream(whose), kyc(whose)
    )
    state = folded(receipt, kyc(whose))
    return KycView(client=whose, status=state.status, level=state.level, position=receipt.position)


def _decided(decision: Decision, client: ClientId, body: KycVerdict) -> None:
    evidence = body.evidence_ref or ""
    match body.decision:
        case Verdict.APPROVE:
            assert body.level is not None, "the schema asks for it"
            assert body.valid_until is not None, "the schema asks for it"
            approve(
                decision,
                client,
                level=body.level,
                valid_until=body.valid_until,
                evidence_ref=evidence,
            )
        case Verdict.REJECT:
            reject(decision, client, final=bool(body.final), evidence_ref=evidence)
        case Verdict.REVOKE:
            revoke(decision, client, evidence_ref=evidence)
        case Verdict.EXPIRE:
            expire(decision, client)
        case never:
            assert_never(never)
