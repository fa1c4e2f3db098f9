"""Callers of the API from a process of their own: so many connections, each asks again and again.

    python -m tests.benchmarks.callers HOST PORT PATH CONNECTIONS SECONDS < token

Answers are read to their last byte; nothing is parsed beyond their length and their status.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

OK = 200


@dataclass(slots=True)
class Heard:
    """What the callers heard: how long each answer took, and how many were no success."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0

    def told(self) -> dict[str, Any]:
        ordered = sorted(self.latencies_s)
        return {
            "seconds": self.seconds,
            "answers": len(ordered),
            "refused": self.refused,
            "p50_ms": ordered[len(ordered) // 2] * 1_000,
            "p99_ms": ordered[len(ordered) * 99 // 100] * 1_000,
        }


async def _call(host: str, port: int, request: bytes, until: float, heard: Heard) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (begun := time.perf_counter()) < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        heard.latencies_s.append(time.perf_counter() - begun)
        heard.refused += int(head.split(b" ", 2)[1]) != OK
    writer.close()


async def _all(host: str, port: int, request: bytes, connections: int, seconds: float) -> Heard:
    heard, begun = Heard(), time.perf_counter()
    until = begun + seconds
    await asyncio.gather(*(_call(host, port, request, until, heard) for _ in range(connections)))
    heard.seconds = time.perf_counter() - begun
    return heard


def main() -> None:
    """Call, and write one JSON object."""
    host, port, path, connections, seconds = sys.argv[1:]
    token = sys.stdin.read().strip()
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        heard = runner.run(
            _all(host, int(port), request.encode(), int(connections), float(seconds))
        )
    sys.stdout.write(json.dumps(heard.told()))


if __name__ == "__main__":
    main()
