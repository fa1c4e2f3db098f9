"""Providers' webhooks from a process of its own: so many connections, each posts again and again.

    python -m tests.benchmarks.messengers HOST PORT PATH CONNECTIONS SECONDS FIRST < what to send

What to send is one JSON object: `secret`, and `body` with `EVENT` where each message has its own
name. Messages are signed as Stripe signs, just before they are sent, and numbered from FIRST.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import count
from typing import TYPE_CHECKING

import uvloop

from adapters.psp.stripe.webhook import sign
from tests.benchmarks.callers import OK, Heard

if TYPE_CHECKING:
    from collections.abc import Callable

EVENT = "EVENT"
"""Stands for the message's own name in the body."""


class Messages:
    """Makes the bytes of one request after the other."""

    def __init__(self, host: str, path: str, body: str, secret: str, first: int) -> None:
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        self._before, _, self._after = body.partition(EVENT)
        self._secret = secret
        self._numbers = count(first)

    def next(self) -> bytes:
        """Make a request that nobody has sent before."""
        body = f"{self._before}evt_{next(self._numbers):024d}{self._after}".encode()
        now = str(int(time.time()))
        signed = f"Stripe-Signature: t={now},v1={sign(body, self._secret, now)}\r\n"
        return f"{self._head}{signed}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def _post(
    host: str, port: int, make: Callable[[], bytes], until: float, heard: Heard
) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (begun := time.perf_counter()) < until:
        writer.write(make())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        heard.latencies_s.append(time.perf_counter() - begun)
        heard.refused += int(head.split(b" ", 2)[1]) != OK
    writer.close()


async def _all(
    host: str, port: int, make: Callable[[], bytes], connections: int, seconds: float
) -> Heard:
    heard, begun = Heard(), time.perf_counter()
    until = begun + seconds
    await asyncio.gather(*(_post(host, port, make, until, heard) for _ in range(connections)))
    heard.seconds = time.perf_counter() - begun
    return heard


def main() -> None:
    """Post, and write one JSON object."""
    host, port, path, connections, seconds, first = sys.argv[1:]
    said = json.load(sys.stdin)
    messages = Messages(host, path, said["body"], said["secret"], int(first))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        heard = runner.run(_all(host, int(port), messages.next, int(connections), float(seconds)))
    sys.stdout.write(json.dumps(heard.told()))


if __name__ == "__main__":
    main()
