from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.checkpoints.signer import LocalSigner
from ledger.checkpoints import (
    Checkpoint,
    Difference,
    NoCheckpoint,
    Trail,
    opened,
    origin,
    resumed,
    verifier_key,
)
from ledger.ids import EntityId
from ledger.store.chain import digest, genesis
from ledger.store.merkle import Frontier

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).resolve().parents[3] / "docs" / "log-format.md"

ORIGIN = origin(EntityId("acme-cy"), "log")
SIGNER = LocalSigner(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
DIGESTS = [hashlib.sha256(b"%d" % n).digest() for n in range(40)]


def checkpoint(size: int, digests: list[bytes] = DIGESTS) -> Checkpoint:
    frontier = Frontier()
    for leaf in digests[:size]:
        frontier.add(leaf)
    return Checkpoint(ORIGIN, size, frontier.root())


def walked(digests: list[bytes], *checkpoints: Checkpoint) -> Trail:
    trail = Trail(checkpoints)
    for leaf in digests:
        trail.add(leaf)
    return trail


def test_a_checkpoint_reads_as_c2sp_writes_it() -> None:
    text, signature = checkpoint(3).signed(SIGNER).decode().split("\n\n")
    name = hashlib.sha256(f"{ORIGIN}\n\x01".encode() + SIGNER.public).digest()[:4]
    dash, key_name, signed = signature.removesuffix("\n").split(" ")

    assert text.split("\n") == [
        "counterfoil/acme-cy/log",
        "3",
        base64.b64encode(checkpoint(3).root).decode(),
    ]
    assert (dash, key_name) == ("—", ORIGIN)
    assert base64.b64decode(signed)[:4] == name
    assert SIGNER.verifies(f"{text}\n".encode(), base64.b64decode(signed)[4:])


def test_the_known_checkpoint_stays_what_it_is() -> None:
    found = hashlib.sha256(checkpoint(3).signed(SIGNER)).hexdigest()

    assert found == "b55da3019f3e3c3c25f68a0f9ef39858bfcfeb6046bf2d9884a7b437b2b1535b"


def test_the_example_on_the_page_of_the_format_is_true() -> None:
    page = PAGE.read_text("utf-8")
    state = b'{"v":1,"at":"2026-03-02T12:00:00Z","by":"service:api","data":{"entity":"acme-cy"}}'
    stream = UUID("00000000-0000-4000-8000-000000000001")
    beginning = genesis("log", "acme-cy").digest
    first = digest(beginning, 1, stream.bytes, 1, 1772452800000000, b"ledger.book-opened", state)
    only = checkpoint(1, [first])

    for shown in (beginning.hex(), str(stream), first.hex(), only.root.hex(), state.decode()):
        assert f"`{shown}`" in page
    assert f"```\n{only.signed(SIGNER).decode()}```" in page
    assert f"`{verifier_key(ORIGIN, SIGNER.public)}`" in page


def test_a_signed_checkpoint_opens_as_what_it_was() -> None:
    assert opened(checkpoint(7).signed(SIGNER), ORIGIN, SIGNER) == checkpoint(7)


@given(st.integers(0, 213), st.integers(1, 255))
def test_a_changed_byte_opens_nothing(place: int, change: int) -> None:
    note = bytearray(checkpoint(7).signed(SIGNER))
    note[place % len(note)] ^= change

    with pytest.raises(NoCheckpoint):
        opened(bytes(note), ORIGIN, SIGNER)


def test_another_key_or_another_log_opens_nothing() -> None:
    note = checkpoint(7).signed(SIGNER)
    other = LocalSigner(Ed25519PrivateKey.from_private_bytes(bytes(32)))

    with pytest.raises(NoCheckpoint, match="another key"):
        opened(note, ORIGIN, other)
    with pytest.raises(NoCheckpoint, match="not of counterfoil/acme-cy/access"):
        opened(note, origin(EntityId("acme-cy"), "access"), SIGNER)


def test_the_public_key_is_written_as_signed_notes_do() -> None:
    name, key_hash, key = verifier_key(ORIGIN, SIGNER.public).split("+", 2)
    raw = base64.b64decode(key)

    assert name == ORIGIN
    assert raw == b"\x01" + SIGNER.public
    assert key_hash == hashlib.sha256(f"{name}\n".encode() + raw).digest()[:4].hex()


def test_a_log_that_grew_out_of_its_checkpoints_agrees_with_them() -> None:
    trail = walked(DIGESTS, checkpoint(20), checkpoint(10))

    assert trail.difference() is None
    assert (trail.held, trail.frontier.size) == (20, 40)


def test_a_shorter_log_is_cut() -> None:
    trail = walked(DIGESTS[:15], checkpoint(10), checkpoint(20), checkpoint(30))

    assert trail.held == 10
    assert trail.difference() == Difference(16, "cut: the log ends at 15, a checkpoint covers 20")


def test_another_log_differs_behind_the_last_checkpoint_that_agrees() -> None:
    forged = [*DIGESTS[:12], bytes(32), *DIGESTS[13:]]
    trail = walked(forged, checkpoint(10), checkpoint(20), checkpoint(30))

    assert trail.held == 10
    difference = trail.difference()
    assert difference is not None
    assert difference.position == 11
    assert difference.words.startswith("rows 11 to 20 ")


def test_control_without_checkpoints_every_log_agrees() -> None:
    assert walked([bytes(32)]).difference() is None


# --- the edge that is kept with the newest checkpoint


def grown(size: int) -> Frontier:
    frontier = Frontier()
    for leaf in DIGESTS[:size]:
        frontier.add(leaf)
    return frontier


def log(digests: list[bytes]) -> Callable[[int], bytes | None]:
    return lambda position: dict(enumerate(digests, 1)).get(position)


@given(st.integers(1, 40))
def test_goes_on_from_an_edge_as_if_it_had_walked_all_the_way(size: int) -> None:
    found = resumed(grown(size).before(), [checkpoint(1), checkpoint(size)], log(DIGESTS))

    assert found is not None
    for leaf in DIGESTS[size:]:
        found.add(leaf)
    assert (found.size, found.root()) == (40, checkpoint(40).root)


@given(st.integers(1, 40), st.data())
def test_believes_no_edge_that_somebody_changed(size: int, data: st.DataObject) -> None:
    edge = bytearray(grown(size).before())
    edge[data.draw(st.integers(0, len(edge) - 1))] ^= data.draw(st.integers(1, 255))

    assert resumed(bytes(edge), [checkpoint(size), checkpoint(40)], log(DIGESTS)) is None


@pytest.mark.parametrize("edge", [None, b"", bytes(8), b"no edge", bytes(7) + b"\3" + bytes(65)])
def test_walks_from_the_first_row_where_no_edge_is_kept(edge: bytes | None) -> None:
    assert resumed(edge, [checkpoint(4)], log(DIGESTS)) is None


def test_believes_no_edge_of_a_log_that_was_cut_or_made_anew() -> None:
    edge, signed = grown(12).before(), [checkpoint(12)]
    anew = [*DIGESTS[:11], b"another digest of position 12..."]

    assert resumed(edge, signed, log(DIGESTS[:11])) is None
    assert resumed(edge, signed, log(anew)) is None
    assert resumed(edge, [checkpoint(11)], log(DIGESTS)) is None


def test_control_an_edge_that_holds_the_newest_row_too_says_nothing_of_the_log() -> None:
    after = grown(13).before()

    assert Frontier.read(after).root() == checkpoint(12).root
