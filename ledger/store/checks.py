"""What a command must be to join a batch: one bad string would fail a thousand others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import InvalidInput
from ledger.ids import KEY_BYTES
from ledger.store.limits import BODY_BYTES_MAX, NAMES_MAX, TEXT_MAX

if TYPE_CHECKING:
    from ledger.decision import Body, Command


def check(command: Command) -> None:
    """Check a command's own words.

    Raises:
        InvalidInput: a text is empty, too long or not storable, or the key is not 16 bytes.
    """
    if command.key is not None and len(command.key) != KEY_BYTES:
        raise InvalidInput(f"a request key is {KEY_BYTES} bytes", code="request_key")
    _check_text("actor", command.by, least=1)
    _check_text("fingerprint", command.contents)
    assert command.at.tzinfo is not None, "times carry a zone"
    assert len(command.names) <= NAMES_MAX, f"a command names {len(command.names)} streams"
    for body in command.bodies:
        _check_body(body)


def _check_body(body: Body) -> None:
    _check_text("source", body.source, least=1)
    _check_text("digest", body.sha256, least=1)
    assert body.received_at.tzinfo is not None, "times carry a zone"
    if len(body.sealed) > BODY_BYTES_MAX:
        raise InvalidInput(f"a body of {len(body.sealed)} bytes", code="body_too_large")


def _check_text(what: str, text: str, *, least: int = 0) -> None:
    if not least <= len(text) <= TEXT_MAX:
        raise InvalidInput(f"the {what} has {least} to {TEXT_MAX} characters", code="bad_text")
    if not text.isprintable():
        raise InvalidInput(f"the {what} holds a character that cannot be kept", code="bad_text")
