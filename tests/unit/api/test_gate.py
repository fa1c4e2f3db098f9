from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from api.identity.scopes import Role
from tests.unit.api.small_house import ALICE, BOB, ENTITY, MISSING, OF_ALICE, OF_BOB, House

KEY = (b"idempotency-key", b"k-1")
KNOWN = f"/v1/withdrawals/{OF_ALICE}"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "/v1", "/v1/", "/v1/withdrawals/", "/v1/withdrawals//", "/healthz/"),
        *("/healthz\n", "/healthz\x00", "/HEALTHZ", "/docs", "/openapi.json", "/redoc"),
        *("/v1/withdrawals/../withdrawals", "/v1/withdrawals/..", "/../healthz", "*"),
        *(f"{KNOWN}/", f"{KNOWN}\n", f"{KNOWN}\x00", f" {KNOWN}", f"/v1/withdrawals/{OF_ALICE}%00"),
        *("/v1/withdrawals/not-an-id", "/v1/withdrawals/1", "/v1/withdrawals/%2e%2e%2f"),
        *(f"/v1/withdrawals/{OF_ALICE.upper()}", f"/v1/withdrawals/{{{OF_ALICE}}}"),
        *(f"/v1/withdrawals/{OF_ALICE.replace('-', '')}", "/v1/withdrawals/\ud800"),
        *(
            "/v1/withdrawals/\ufffd",
            "/v1/withdrawals/" + "a" * 100_000,
            f"/v1/withdrawals/{MISSING}",
        ),
        *("/v1/withdrawals/' OR 1=1 --", "/v1/withdrawals/${jndi:ldap://x}"),
    ],
)
def test_what_is_not_there_is_one_plain_404(house: House, path: str) -> None:
    answer = house.ask("GET", path)

    assert (answer.status, answer.code) in {(404, "not_found"), (405, "method_not_allowed")}
    assert house.ask("GET", KNOWN).status == 200


def test_a_known_path_tells_its_methods(house: House) -> None:
    for method in ("DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "BREW", ""):
        answer = house.ask(method, "/v1/withdrawals")

        assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_a_route_that_slips_in_without_a_row_is_not_served(new_house: House) -> None:
    @new_house.app.get("/v1/backdoor")
    async def backdoor() -> str:
        return "open"

    assert new_house.ask("GET", "/v1/backdoor").status == 404


def test_a_websocket_is_closed(house: House) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    asyncio.run(
        house.app({"type": "websocket", "path": "/v1/events", "headers": []}, receive, send)
    )

    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "query",
    [
        *(b"at=2026-01-01T00:00:00Z&at=2026-01-02T00:00:00Z", b"at", b"&&&", b"at=%ff", b"at=%00"),
        *(
            b"at=a%0ab",
            b"\xff=\xff",
            b"at=\x00",
            b"at=a b",
            b"&".join(b"a%d=1" % i for i in range(99)),
        ),
        *(b"at=%ed%a0%80", b"at=%c0%af"),
    ],
)
def test_refuses_a_query_that_two_readers_may_read_differently(house: House, query: bytes) -> None:
    answer = house.ask("GET", "/v1/statements", query=query)

    assert (answer.status, answer.code) == (400, "bad_query")


def test_refuses_a_query_without_end(house: House) -> None:
    assert house.ask("GET", "/v1/statements", query=b"at=" + b"1" * 5000).code == "query_too_long"


@pytest.mark.parametrize(
    "query",
    [
        *(b"known=2026-01-01T00:00:00Z", b"at=", b"at=2026-01-01", b"at=2026-01-01T00:00:00"),
        *(
            b"at=1700000000",
            b"at=now",
            b"at=2026-01-01T00:00:00%2b99:00",
            b"at=2026-13-01T00:00:00Z",
        ),
        *(b"at=0001-01-01T00:00:00Z", b"at=9999-12-31T23:59:59Z", b"at=2026-01-01T00:00:00Z%20"),
        *(
            b"at=2026-01-01t00:00:00z",
            b"at=2026-01-01T00:00:00.1234567Z",
            b"at=2026-02-30T00:00:00Z",
        ),
        *(b"after=-1", b"after=1.0", b"after=1e3", b"after=1_000", b"after=%2b1", b"after=007"),
        *(
            b"after=" + b"9" * 19,
            b"after=" + b"9" * 1000,
            b"after=%d9%a1",
            b"after=",
            b"after=true",
        ),
    ],
)
def test_refuses_a_question_that_is_not_exact(house: House, query: bytes) -> None:
    answer = house.ask("GET", "/v1/statements", query=query)

    assert (answer.status, answer.code) == (422, "validation_failed")


def test_an_exact_question_is_answered_in_utc(house: House) -> None:
    query = (
        b"at=2026-01-01T00:00:00Z&known_at=2026-03-01T09:30:00.25%2b02:00&after=9223372036854775807"
    )

    answer = house.ask("GET", "/v1/statements", query=query)

    assert answer.json["words"] == "2026-03-01 07:30:00.250000+00:00"


@pytest.mark.parametrize(
    "query", [b"limit=0", b"limit=501", b"limit=-1", b"limit=1.5", b"offset=1"]
)
def test_refuses_a_page_of_no_size(house: House, query: bytes) -> None:
    assert house.ask("GET", "/v1/disputes", query=query).status == 422
    assert house.ask("GET", "/v1/disputes", query=b"limit=500").status == 200


def test_a_cursor_of_another_make_is_refused(house: House) -> None:
    cursor = house.ask("GET", "/v1/disputes").json["words"].split()[-1]

    again = house.ask("GET", "/v1/disputes", query=f"cursor={cursor}".encode())
    forged = house.ask("GET", "/v1/disputes", query=f"cursor=B{cursor[1:]}".encode())

    assert again.json["words"].startswith("7 ")
    assert (forged.status, forged.code) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "name", [b"authorization", b"content-type", b"idempotency-key", b"content-length", b"host"]
)
def test_refuses_a_single_header_that_comes_twice(house: House, name: bytes) -> None:
    token = b"Bearer " + house.token().encode()
    value = token if name == b"authorization" else b"1"

    answer = house.ask(
        "GET", KNOWN, token=None if name == b"authorization" else "", headers=[(name, value)] * 2
    )

    assert (answer.status, answer.code) == (400, "duplicate_header")


def test_refuses_headers_without_end(house: House) -> None:
    assert house.ask("GET", KNOWN, headers=[(b"x-a", b"a" * 40_000)]).code == "headers_too_large"
    assert house.ask("GET", KNOWN, headers=[(b"x-a", b"a")] * 200).code == "headers_too_large"
    assert house.ask("GET", KNOWN, headers=[(b"x-\xff", b"\xff\x00\x80")]).status == 200


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_its_own_doors_and_no_other(house: House, role: Role) -> None:
    client = ALICE if role is Role.CLIENT else None
    token = house.token(role, client=client)
    doors = {
        KNOWN: {*_READERS, Role.CLIENT},
        "/v1/statements": {*_READERS, Role.CLIENT},
        "/v1/disputes": {*_READERS, Role.CRM},
    }

    for path, opened_to in doors.items():
        answer = house.ask("GET", path, token=token)

        assert (answer.status == 200) == (role in opened_to), (path, answer)
        assert answer.status == 200 or answer.code == "scope_missing"


_READERS = (
    *(Role.OPERATIONS, Role.COMPLIANCE, Role.FINANCE, Role.AUDIT),
    *(Role.RISK, Role.RISK_MONITOR),
)


def test_a_token_may_ask_for_less_than_its_role_and_never_for_more(house: House) -> None:
    fewer = house.token(scopes=["disputes:read"])
    more = house.token(Role.CRM, scopes=["withdrawals:read", "clients:read"])

    assert house.ask("GET", "/v1/disputes", token=fewer).status == 200
    assert house.ask("GET", KNOWN, token=fewer).code == "scope_missing"
    assert house.ask("GET", KNOWN, token=more).code == "scope_missing"


def test_only_a_person_approves(house: House) -> None:
    def approve(token: str) -> tuple[int, str]:
        answer = house.ask("POST", f"{KNOWN}/approve", token=token, headers=[KEY])
        return answer.status, answer.json.get("code", answer.json.get("words"))

    assert approve(house.token(subject="person:dana")) == (200, "person:dana")
    assert approve(house.token(subject="service:bot")) == (403, "person_needed")


def test_what_another_client_owns_looks_exactly_like_nothing(house: House) -> None:
    token = house.token(Role.CLIENT, client=ALICE)

    own = house.ask("GET", KNOWN, token=token)
    others = house.ask("GET", f"/v1/withdrawals/{OF_BOB}", token=token)
    missing = house.ask("GET", f"/v1/withdrawals/{MISSING}", token=token)

    assert own.status == 200
    assert others.status == missing.status == 404
    assert _shape(others.json) == _shape(missing.json)
    assert others.headers.keys() == missing.headers.keys()


def test_another_entity_sees_nothing_either(house: House) -> None:
    other = house.token(entity="acme-uk")

    assert house.ask("GET", KNOWN, token=other).code == "not_found"
    assert house.ask("GET", KNOWN, token=house.token(entity=ENTITY)).status == 200


def test_a_client_writes_for_itself_only(house: House) -> None:
    token = house.token(Role.CLIENT, client=BOB)

    assert (
        house.withdraw({"client": str(ALICE), "amount": "1", "currency": "EUR"}, token=token).status
        == 404
    )
    assert (
        house.withdraw({"client": str(BOB), "amount": "1", "currency": "EUR"}, token=token).status
        == 201
    )


def test_a_stranger_is_refused_before_the_body_is_read(house: House) -> None:
    answer = house.ask(
        "POST",
        "/v1/withdrawals",
        token=None,
        body=b"{" * 99_999,
        headers=[(b"content-length", b"99999")],
    )

    assert (answer.status, answer.code) == (401, "token_missing")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_token_without_the_scope_is_refused_before_the_body_is_read(house: House) -> None:
    reader, writer = house.token(Role.AUDIT), house.token()

    assert house.withdraw(b"{", token=reader).code == "scope_missing"
    assert house.withdraw(b"{", token=writer).code == "malformed_json"


def test_open_doors_ask_for_nothing(house: House) -> None:
    assert house.ask("GET", "/healthz", token=None).status == 200
    assert house.ask("POST", "/webhooks/stripe/eu-1", token=None, body=b"x").status == 200
    assert house.ask("POST", "/webhooks/STRIPE/eu-1", token=None, body=b"x").status == 404
    assert house.ask("POST", "/webhooks/../eu-1", token=None, body=b"x").status == 404


def _shape(problem: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in problem.items() if name != "request_id"}
