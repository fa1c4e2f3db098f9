from __future__ import annotations

import json
import logging

import pytest

from api.door.headers import SAFE_HEADERS
from api.house.logs import JsonLines, log_to_stderr
from api.identity.scopes import Role
from tests.unit.api.small_house import OF_ALICE, House

UUID_ID = b"0192f0c0-0000-7000-8000-000000000000"
READ = f"/v1/withdrawals/{OF_ALICE}"


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    formatter = JsonLines()
    return [formatter.format(record) for record in caplog.records]


@pytest.mark.parametrize("given", [b"0af7651916cd43dd8448eb211c80319c", UUID_ID])
def test_a_clean_request_id_is_kept(house: House, given: bytes) -> None:
    answer = house.ask("GET", READ, headers=[(b"x-request-id", given)])

    assert answer.headers["x-request-id"] == given.decode()


@pytest.mark.parametrize(
    "given",
    [
        *(b"", b"a b", b"a\nb", b"a\r\nSet-Cookie: x", b"f" * 65, b"\xff", b"<script>", b"-"),
        *(b"sk_live_canary", b"DE89370400440532013000", b"4242424242424242", b"eyJh.eyJz.c2ln"),
    ],
)
def test_another_request_id_is_replaced(house: House, given: bytes) -> None:
    answer = house.ask("GET", READ, headers=[(b"x-request-id", given)])

    assert len(answer.headers["x-request-id"]) == 32
    twice = house.ask("GET", READ, headers=[(b"x-request-id", b"a"), (b"x-request-id", b"b")])
    assert len(twice.headers["x-request-id"]) == 32


def test_every_answer_carries_the_safe_headers(house: House) -> None:
    house.failing.append(RuntimeError("boom"))
    for answer in (
        house.ask("GET", READ),
        house.ask("GET", READ, token=None),
        house.ask("GET", "/nowhere"),
        house.ask("GET", "/healthz", token=None),
        house.ask("GET", "/v1/events", token=house.token(Role.AUDIT)),
    ):
        for name, value in SAFE_HEADERS.items():
            assert answer.headers[name.lower()] == value


def test_calls_are_counted_by_template_and_never_by_what_was_asked(new_house: House) -> None:
    new_house.ask("GET", READ)
    new_house.ask("GET", "/canary")
    new_house.ask("CANARY", "/v1/withdrawals")
    new_house.failing.append(RuntimeError("boom"))
    new_house.ask("GET", "/v1/events", token=new_house.token(Role.AUDIT))

    told = new_house.metrics.exposition().decode()
    counted = "counterfoil_http_requests_total"
    assert (
        f'{counted}{{method="GET",route="/v1/withdrawals/{{withdrawal}}",status="200"}} 1.0' in told
    )
    assert f'{counted}{{method="other",route="unmatched",status="404"}} 1.0' in told
    assert f'{counted}{{method="other",route="unmatched",status="405"}} 1.0' in told
    assert f'{counted}{{method="GET",route="/v1/events",status="500"}} 1.0' in told
    assert "canary" not in told.lower()
    assert OF_ALICE not in told


def test_a_call_is_one_line_that_nobody_outside_can_forge(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house.ask("GET", READ, token=house.token(subject="person:dana"))
    house.ask(
        "GET",
        "/canary\n{}",
        query=b"canary=1",
        headers=[(b"x-request-id", b'canary"\n{"level":"info"}'), (b"user-agent", b"canary\n")],
    )

    written = lines(caplog)
    assert all("\n" not in line for line in written)
    assert "canary" not in "".join(written)
    first = json.loads(written[0])
    assert first["message"] == "call"
    assert (first["route"], first["status"]) == ("/v1/withdrawals/{withdrawal}", 200)
    assert first["subject"] == "person:dana"


def test_a_failure_is_logged_by_its_place_and_never_by_its_words(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.failing.append(ValueError("canary-secret"))
    house.ask("GET", "/v1/events", token=house.token(Role.AUDIT))

    failed = next(json.loads(line) for line in lines(caplog) if "exception" in line)
    assert (failed["level"], failed["exception"]) == ("error", "ValueError")
    assert failed["frames"][-1].endswith(" events")
    assert "canary-secret" not in json.dumps(failed)


@pytest.mark.usefixtures("root_log")
def test_a_line_from_any_logger_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    logging.getLogger("elsewhere").warning("two\nlines\u2028%s", "\x1b[31m", extra={"n": 1})
    written = capsys.readouterr().err

    assert written.count("\n") == 1
    assert written.isascii()
    line = json.loads(written)
    assert (line["message"], line["n"]) == ("two\nlines\u2028\x1b[31m", 1)
