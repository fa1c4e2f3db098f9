"""Webhooks taken over HTTP: signed, raw body sealed and kept, durable before they are answered.

One API worker as `counterfoil up` serves it, 64 connections from another process. The peer is the
same app with the same doors, checks and sealing, whose book and access log answer from memory.
Rounds take turns. Projections and worker rest on both sides.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from adapters.database.roles import prepare_embedded
from api.app import opened
from api.house import vocabulary
from api.house.bootstrap import wall_clock
from api.records.access_log import AccessLog
from api.serve import listening
from ledger.store.memory import MemoryBook
from tests.benchmarks.messengers import EVENT
from tests.integration.api.street import ENTITY, MERCHANT, SECRET, open_street

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.database.embedded import EmbeddedPostgres
    from api.house.bootstrap import House
    from ledger.book import Book
    from tests.integration.api.street import Street

Tell = Callable[[str], None]
ROOT = Path(__file__).resolve().parents[2]
CONNECTIONS = 64
ROUNDS = 5
SECONDS = 3.0
A_ROUND = 1_000_000
"""More messages than any round sends: each counts from a multiple of this."""


def run(
    server: EmbeddedPostgres,
    folder: Path,
    seed: int,
    tell: Tell,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> dict[str, Any]:
    """Let messengers knock at both doors in turn; the messages of all rounds are new."""
    del seed
    database = prepare_embedded(server, "ingest")
    with (
        open_street(database, folder, folding=False) as street,
        _from_memory(street.house) as memory,
    ):
        body, url = _body(street), str(street.http.base_url)
        durable, quick, cpu_us = [], [], []
        numbers = count()
        _knock(url, body, numbers, 1.0)
        _knock(memory, body, numbers, 1.0)
        for number in range(rounds):
            tell(f"webhooks over HTTP, round {number + 1} of {rounds}")
            before, cpu = street.house.book.head(), time.process_time()
            durable.append(_knock(url, body, numbers, seconds))
            spent = time.process_time() - cpu
            kept = street.house.book.head() - before
            assert kept == durable[-1]["answers"], "an acknowledged message is not in the log"
            cpu_us.append(spent / kept * 1e6)
            quick.append(_knock(memory, body, numbers, seconds))
    ours, theirs = (median(each["per_s"] for each in seen) for seen in (durable, quick))
    return {
        "figures": {
            "webhooks_per_s": round(ours),
            "webhook_p99_ms": round(median(each["p99_ms"] for each in durable), 1),
            "webhook_cpu_us": round(median(cpu_us)),
        },
        "peers": {"webhooks_from_memory_per_s": round(theirs)},
        "ratios": {"webhook_ingest": round(ours / theirs, 2)},
    }


@contextlib.contextmanager
def _from_memory(house: House) -> Iterator[str]:
    """Open the same doors before a house whose logs are lists."""
    book, access = (
        cast("Book", MemoryBook(ENTITY, words, clock=wall_clock, log=log))
        for words, log in ((vocabulary.BOOK, "log"), (vocabulary.ACCESS, "access"))
    )
    other = replace(house, book=book, access=access, access_log=AccessLog(access))
    with listening(opened(other), "127.0.0.1", 0) as url:
        yield url


def _body(street: Street) -> str:
    """Take an event that Stripe would send, with room for a name of its own."""
    street.pay_in(street.register("EUR"), "10.00", "EUR")
    event = street.stripe.world.events[-1]
    text = event.body.decode()
    name = json.loads(text)["id"]
    assert text.count(name) == 1, "the event is named once"
    return text.replace(name, EVENT)


def _knock(url: str, body: str, numbers: Iterator[int], seconds: float) -> dict[str, float]:
    where, path = urlsplit(url), f"/webhooks/stripe/{MERCHANT}"
    words = (str(where.hostname), str(where.port), path, str(CONNECTIONS), str(seconds))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.messengers", *words, str(next(numbers) * A_ROUND)],
        input=json.dumps({"body": body, "secret": SECRET}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    heard: dict[str, float] = json.loads(done.stdout)
    assert not heard["refused"], f"{heard['refused']} of {heard['answers']} were refused"
    return heard | {"per_s": heard["answers"] / heard["seconds"]}
