"""Every route with account data leaves exactly one record that names whose data it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from api.identity.scopes import MATRIX, Door, Role
from ledger.access import AccessRecorded
from tests.integration.api.street import ENTITY, NOBODY, deposit, quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.access.conftest import Played
    from tests.integration.api.street import Street


class Call(NamedTuple):
    """A call that is granted, and whose data it concerns: a client, an account, a thing."""

    role: Role
    path: str
    body: dict[str, Any] | None = None
    query: dict[str, str] | None = None
    subject: str = ""
    names: tuple[str, ...] = ()


def client_body() -> dict[str, Any]:
    return {
        "residence": "CY", "category": "retail", "account_currency": "EUR", "name_ref": "crm:9",
    }  # fmt: skip


MAKE: dict[str, Callable[[Played], Call]] = {
    "POST /v1/clients": lambda p: Call(Role.CRM, "/v1/clients", client_body()),
    "GET /v1/clients/{client}": lambda p: Call(Role.CRM, f"/v1/clients/{p.ann}", names=(p.ann,)),
    "GET /v1/clients/{client}/wallets": lambda p: Call(
        Role.FINANCE, f"/v1/clients/{p.ann}/wallets", names=(p.ann,)
    ),
    "POST /v1/clients/{client}/activity": lambda p: Call(
        Role.CRM,
        f"/v1/clients/{p.ann}/activity",
        {"kind": "login", "happened_at": "2026-10-22T08:59:00Z", "ip_ref": "ip:1"},
        names=(p.ann,),
    ),
    "POST /v1/clients/{client}/freeze": lambda p: Call(
        Role.RISK,
        f"/v1/clients/{p.ben}/freeze",
        {"currency": "EUR", "reason": "case:1"},
        subject="person:eve",
        names=(p.ben,),
    ),
    "POST /v1/clients/{client}/unfreeze": lambda p: Call(
        Role.RISK,
        f"/v1/clients/{p.ben}/unfreeze",
        {"currency": "EUR", "reason": "case:1"},
        subject="person:eve",
        names=(p.ben,),
    ),
    "POST /v1/clients/{client}/trading-accounts": lambda p: Call(
        Role.CRM,
        f"/v1/clients/{p.ann}/trading-accounts",
        {"platform": "mt5", "login": "7", "group": "g", "account_type": "live", "book": "b"},
        names=(p.ann,),
    ),
    "POST /v1/kyc/{client}": lambda p: Call(
        Role.COMPLIANCE,
        f"/v1/kyc/{p.ann}",
        {
            "decision": "approve",
            "level": 1,
            "valid_until": "2027-10-01T00:00:00Z",
            "evidence_ref": "kyc:1",
        },
        names=(p.ann,),
    ),
    "POST /v1/deposits": lambda p: Call(
        Role.OPERATIONS, "/v1/deposits", deposit(p.ann), names=(p.ann,)
    ),
    "GET /v1/deposits": lambda p: Call(Role.FINANCE, "/v1/deposits", names=(p.ann, p.ben)),
    "GET /v1/deposits/{deposit}": lambda p: Call(
        Role.FINANCE, f"/v1/deposits/{p.deposit}", names=(p.ann,)
    ),
    "POST /v1/withdrawals": lambda p: Call(
        Role.OPERATIONS,
        "/v1/withdrawals",
        {
            "client": p.ann,
            "amount": "1.00",
            "currency": "EUR",
            "route": {"kind": "refund", "deposit": p.deposit},
        },
        names=(p.ann,),
    ),
    "GET /v1/withdrawals": lambda p: Call(Role.FINANCE, "/v1/withdrawals", names=(p.ann,)),
    "GET /v1/withdrawals/{withdrawal}": lambda p: Call(
        Role.FINANCE, f"/v1/withdrawals/{p.withdrawal}", names=(p.ann,)
    ),
    "POST /v1/withdrawals/{withdrawal}/approve": lambda p: Call(
        Role.OPERATIONS,
        f"/v1/withdrawals/{p.withdrawal}/approve",
        subject="person:ana",
        names=(p.withdrawal,),
    ),
    "POST /v1/withdrawals/{withdrawal}/cancel": lambda p: Call(
        Role.OPERATIONS, f"/v1/withdrawals/{p.withdrawal}/cancel", names=(p.withdrawal,)
    ),
    "POST /v1/conversions/quotes": lambda p: Call(
        Role.OPERATIONS, "/v1/conversions/quotes", quote(p.ann), names=(p.ann,)
    ),
    "POST /v1/conversions": lambda p: Call(
        Role.OPERATIONS, "/v1/conversions", {"client": p.ann, "quote": NOBODY}, names=(p.ann,)
    ),
    "GET /v1/disputes": lambda p: Call(
        Role.FINANCE, "/v1/disputes", query={"client": p.ann}, names=(p.ann,)
    ),
    "GET /v1/disputes/{dispute}": lambda p: Call(
        Role.FINANCE, f"/v1/disputes/{NOBODY}", names=(NOBODY,)
    ),
    "GET /v1/balances": lambda p: Call(
        Role.FINANCE, "/v1/balances", names=(p.ann, p.ben, f"{ENTITY}:client:wallet:{p.ann}")
    ),
    "GET /v1/statements": lambda p: Call(
        Role.FINANCE,
        "/v1/statements",
        query={
            "client": p.ann,
            "currency": "EUR",
            "from": "2026-10-01T00:00:00Z",
            "to": "2026-11-01T00:00:00Z",
        },
        names=(p.ann, f"{ENTITY}:client:wallet:{p.ann}"),
    ),
    "GET /v1/trial-balance": lambda p: Call(Role.FINANCE, "/v1/trial-balance"),
    "GET /v1/events": lambda p: Call(
        Role.AUDIT, "/v1/events", query={"limit": "500"}, names=(p.ann, p.ben)
    ),
    "POST /v1/rates": lambda p: Call(
        Role.FINANCE,
        "/v1/rates",
        {"base": "EUR", "quote": "USD", "bid": "1.0998", "ask": "1.1002"},
        subject="person:ann",
    ),
    "GET /v1/reviews": lambda p: Call(Role.FINANCE, "/v1/reviews"),
    "GET /v1/access": lambda p: Call(
        Role.AUDIT, "/v1/access", query={"client": p.ann}, names=(p.ann,)
    ),
}
"""What is called at each route; what it must name is whose data the answer holds."""

BEARER = [f"{row.method} {row.path}" for row in MATRIX if row.recorded and row.door is Door.BEARER]


def faults(records: list[AccessRecorded], call: Call) -> list[str]:
    """Say what is wrong with the records of one call."""
    if len(records) != 1:
        return [f"{len(records)} records"]
    (record,) = records
    named = {*record.clients, *record.accounts, *record.things, record.target}
    missing = [name for name in call.names if not any(name in each for each in named)]
    wrong = [f"does not name {name}" for name in missing]
    if not record.fields:
        wrong.append("names no class of data")
    if record.outcome == "granted" and not record.did:
        wrong.append("does not say what it did")
    return wrong


def recorded_by(street: Street, call: Call, method: str) -> list[AccessRecorded]:
    """Make the call; return the records under its request id that the doors kept."""
    before = street.house.access.head()
    if method == "GET":
        answer = street.look(call.role, call.path, **(call.query or {}))
    else:
        answer = street.ask(call.role, call.path, call.body, subject=call.subject)
    assert answer.status_code < 500, answer.text
    assert answer.status_code not in {401, 403, 422}, answer.text
    events = street.house.access.events_after(before, 100)
    facts = [event.fact for event in events if isinstance(event.fact, AccessRecorded)]
    ours = [fact for fact in facts if not fact.credential]  # no calls outward on its behalf
    return [fact for fact in ours if fact.request_id == answer.headers["x-request-id"]]


def test_every_route_with_account_data_is_called_here() -> None:
    assert set(MAKE) == set(BEARER)


@pytest.mark.parametrize("route", BEARER)
def test_a_route_leaves_one_record_that_names_whose_data_it_was(played: Played, route: str) -> None:
    call = MAKE[route](played)
    found = recorded_by(played.street, call, route.partition(" ")[0])

    assert faults(found, call) == []


def test_control_a_route_that_forgets_to_name_is_found(played: Played) -> None:
    call = MAKE["GET /v1/deposits/{deposit}"](played)
    (record,) = recorded_by(played.street, call, "GET")
    forgot = AccessRecorded(
        subject=record.subject, action=record.action, outcome=record.outcome, fields=record.fields
    )

    assert faults([forgot], call) == [f"does not name {played.ann}", "does not say what it did"]
    assert faults([], call) == ["0 records"]
    assert faults([record, record], call) == ["2 records"]
