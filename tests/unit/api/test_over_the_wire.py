"""The same locks behind a real server: what its parser does to bytes is part of the door."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import uvicorn

from tests.unit.api.hostile import body, corpus
from tests.unit.api.small_house import House

if TYPE_CHECKING:
    from collections.abc import Iterable

ODD_TARGETS = (
    *(
        b"/",
        b"//",
        b"/v1/../healthz",
        b"/%2e%2e/healthz",
        b"/healthz%00",
        b"/healthz%0a",
        b"/healthz%2f",
    ),
    *(b"/v1/withdrawals/%ff%fe", b"/v1/withdrawals/%2e%2e%2f", b"/v1/withdrawals/%", b"/%zz"),
    *(
        b"/v1/withdrawals/%00",
        b"/v1/statements?at=%",
        b"/v1/statements?%ff=%ff",
        b"/v1/statements??&&",
    ),
    *(b"/v1/withdrawals/" + b"a" * 20_000, b"http://evil.example/healthz/", b"*"),
)


def test_every_hostile_request_gets_a_4xx_from_a_real_server(house: House) -> None:
    token = house.token().encode()
    writes = [_write(token, raw) for raw in [*corpus().values(), body()]]
    reads = [_read(token, target) for target in ODD_TARGETS]
    headers = [
        _read(token, b"/v1/disputes", b"X-Odd: \xff\xfe\x80"),
        _read(b"\xff\xfe", b"/v1/disputes"),
        _read(token, b"/v1/disputes", b"X-Long: " + b"a" * 40_000),
        _read(token, b"/v1/disputes", b"Authorization: Bearer a.b.c"),
        _read(token, b"/v1/disputes"),
    ]

    statuses = asyncio.run(_served(house, [*writes, *reads, *headers]))

    *refused, good = statuses[: len(writes)]
    odd = statuses[len(writes) : -len(headers)]
    assert good == 201
    assert all(400 <= status < 500 for status in [*refused, *odd]), statuses
    assert statuses[-len(headers) :] == [200, 401, 431, 400, 200]


def _write(token: bytes, raw: bytes) -> bytes:
    return (
        b"POST /v1/withdrawals HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: k\r\n"
        b"Authorization: Bearer " + token + b"\r\n"
        b"Content-Length: " + str(len(raw)).encode() + b"\r\n\r\n" + raw
    )


def _read(token: bytes, target: bytes, *more: bytes) -> bytes:
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"Host: x",
        b"Connection: close",
        b"Authorization: Bearer " + token,
        *more,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n"


async def _served(house: House, requests: Iterable[bytes]) -> list[int]:
    config = uvicorn.Config(house.app, "127.0.0.1", 0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        return [await _exchange(port, request) for request in requests]
    finally:
        server.should_exit = True
        await serving


async def _exchange(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    if b"problem+json" in head:
        assert json.loads(content)["status"] == int(head.split()[1])
    return int(head.split()[1])
