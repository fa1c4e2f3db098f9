"""The KYC case: anything but a currently valid level of the right height is "no"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from compliance import kyc
from compliance.kyc import KycStatus
from ledger.errors import Conflict, InvalidInput
from ledger.finding import ClientCode, Finding
from ledger.ids import ClientId
from tests.support import NOON, Books

CLIENT = ClientId(UUID(int=1))
OTHER = ClientId(UUID(int=2))
YEAR = timedelta(days=365)


def approve(books: Books, level: int = 1, client: ClientId = CLIENT) -> None:
    until = NOON + YEAR
    books.do(kyc.approve, client, level=level, valid_until=until, evidence_ref="case-1")


def ask(books: Books, level: int = 1, *, days: int = 0) -> Finding:
    found: list[Finding] = []
    gate = kyc.kyc_gate(level)
    books.do(lambda decision: found.append(gate(decision, CLIENT)), at=NOON + timedelta(days=days))
    return found[0]


def status(books: Books) -> KycStatus:
    return books.state(kyc.kyc(CLIENT)).status


ACTS: dict[str, Callable[[Books], object]] = {
    "approve": approve,
    "reject": lambda b: b.do(kyc.reject, CLIENT, final=False, evidence_ref="case-2"),
    "reject finally": lambda b: b.do(kyc.reject, CLIENT, final=True, evidence_ref="case-3"),
    "revoke": lambda b: b.do(kyc.revoke, CLIENT, evidence_ref="case-4"),
    "expire": lambda b: b.do(kyc.expire, CLIENT, at=NOON + YEAR),
}
WAYS: dict[KycStatus, list[str]] = {
    KycStatus.NONE: [],
    KycStatus.APPROVED: ["approve"],
    KycStatus.REJECTED_RETRY: ["reject"],
    KycStatus.REJECTED_FINAL: ["reject finally"],
    KycStatus.EXPIRED: ["approve", "expire"],
    KycStatus.REVOKED: ["approve", "revoke"],
}
ENDS = {
    "approve": KycStatus.APPROVED,
    "reject": KycStatus.REJECTED_RETRY,
    "reject finally": KycStatus.REJECTED_FINAL,
    "revoke": KycStatus.REVOKED,
    "expire": KycStatus.EXPIRED,
}


@pytest.mark.parametrize("act", ENDS)
@pytest.mark.parametrize("begun", WAYS)
def test_a_case_moves_as_its_table_says(begun: KycStatus, act: str) -> None:
    books = Books()
    for way in WAYS[begun]:
        ACTS[way](books)
    assert status(books) is begun
    refused = begun is KycStatus.REJECTED_FINAL and act in {"approve", "reject", "reject finally"}
    refused = refused or (act in {"revoke", "expire"} and begun is not KycStatus.APPROVED)
    if refused:
        with pytest.raises(Conflict):
            ACTS[act](books)
        assert status(books) is begun
    else:
        ACTS[act](books)
        assert status(books) is ENDS[act]


@pytest.mark.parametrize("begun", WAYS)
def test_only_an_approval_opens_the_gate(begun: KycStatus) -> None:
    books = Books()
    for way in WAYS[begun]:
        ACTS[way](books)
    finding = ask(books)
    assert finding.clear is (begun is KycStatus.APPROVED)
    shown = {
        KycStatus.APPROVED: None,
        KycStatus.REVOKED: ClientCode.UNDER_REVIEW,
        KycStatus.REJECTED_FINAL: ClientCode.UNDER_REVIEW,
    }.get(begun, ClientCode.DOCUMENTS_NEEDED)
    assert finding.client_code is shown


def test_an_approval_ends_by_the_clock_without_anybody_saying_so() -> None:
    books = Books()
    approve(books)
    assert ask(books, days=364).clear
    assert not ask(books, days=365).clear
    assert status(books) is KycStatus.APPROVED


@pytest.mark.parametrize(("has", "needs"), [(h, n) for h in (1, 2, 3) for n in (1, 2, 3)])
def test_a_level_opens_its_own_gate_and_the_lower_ones(has: int, needs: int) -> None:
    books = Books()
    approve(books, has)
    assert ask(books, needs).clear is (has >= needs)


def test_one_clients_approval_is_not_anothers() -> None:
    books = Books()
    approve(books, client=OTHER)
    assert not ask(books).clear


def test_a_gate_that_asks_for_nothing_cannot_be_built() -> None:
    for level in (0, -1, kyc.LEVEL_MAX + 1):
        with pytest.raises(AssertionError):
            kyc.kyc_gate(level)


def test_refuses_a_level_that_is_none_and_an_approval_that_is_over() -> None:
    books = Books()
    for level in (0, 4):
        with pytest.raises(InvalidInput) as refused:
            approve(books, level)
        assert refused.value.public_code == "bad_level"
    with pytest.raises(InvalidInput) as over:
        books.do(kyc.approve, CLIENT, level=1, valid_until=NOON, evidence_ref="case-1")
    assert over.value.public_code == "bad_validity"
    with pytest.raises(Conflict):
        books.do(kyc.expire, CLIENT)
    assert books.told == []
