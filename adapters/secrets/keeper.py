"""Keeps what was read: renewed in the background, so that nobody who is served waits for a vault.

While a source is away the last good value serves, for a named time; then it is refused. Nobody has
to do anything when the source is back.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from adapters.secrets.port import (
    CanRotate,
    Reference,
    Seals,
    Secret,
    SecretsDenied,
    SecretsError,
    SecretsUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from adapters.secrets.port import Secrets

LOG: Final = logging.getLogger("counterfoil.secrets")
RENEW_S: Final = 10.0
"""A change at the source is seen within this."""
SERVED_S_MAX: Final = 900.0
"""How long the last good value serves without its source."""
UNREADY_S: Final = 15.0
"""After this long without its source the house says that it is not ready, and serves on."""


class Health(StrEnum):
    """How the secrets are."""

    FRESH = "fresh"
    DEGRADED = "degraded"
    """The last good values serve."""
    AWAY = "away"
    """They still serve, but for so long that new work had better go to another house."""
    LOST = "lost"
    """A value is older than what may serve."""


@dataclass(slots=True)
class _Kept:
    secret: Secret
    at: float
    trouble: bool = False


class Keeper:
    """All secrets of a house, from all their sources."""

    def __init__(
        self,
        sources: Mapping[str, Secrets],
        *,
        renew_s: float = RENEW_S,
        served_s_max: float = SERVED_S_MAX,
        unready_s: float = UNREADY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is read before somebody asks.

        Args:
            sources: by the scheme of their references.
            renew_s: how often everything that was asked for is read again.
            served_s_max: how long a value serves that could not be read again.
            unready_s: how long a source may be away before `Health.AWAY`.
            clock: seconds that only grow.
        """
        self._sources = dict(sources)
        self._renew_s, self._served_s_max, self._clock = renew_s, served_s_max, clock
        self._unready_s = unready_s
        self._kept: dict[Reference, _Kept] = {}
        self._away: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to renew, once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="secrets", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop renewing, and let the sources go."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for source in {id(each): each for each in self._sources.values()}.values():
            source.close()

    def read(self, reference: Reference) -> Secret:
        """Give the value that is kept; one that was never read is read now.

        Raises:
            SecretsError: it was never read and cannot be, or it is too old to serve.
        """
        kept = self._kept.get(reference)
        if kept is None:
            return self.fresh(reference)
        return self._serving(reference, kept)

    def fresh(self, reference: Reference) -> Secret:
        """Read the value as it is now; where that cannot be, give the last good one.

        A source that is known to be away is not asked: whoever waits for a connection to the
        database would wait for the vault too. Whether it is back is found in the background.

        Raises:
            SecretsError: there is none, or it is too old to serve.
        """
        kept = self._kept.get(reference)
        if kept is not None and reference.scheme in self._away:
            return self._serving(reference, kept)
        return self._read(reference)

    def renew(self) -> None:
        """Read again, once, everything that was ever asked for."""
        asked: set[str] = set()
        for reference in list(self._kept):
            if reference.scheme in asked & self._away:
                continue
            asked.add(reference.scheme)
            try:
                self._read(reference)
            except SecretsError:
                # It was told when the trouble began, and whoever asks is told again.
                continue
            except Exception:
                LOG.exception("%s was not read again", reference)

    def _read(self, reference: Reference) -> Secret:
        try:
            secret = self._source(reference).read(reference)
        except SecretsError as error:
            kept = self._trouble(reference, error)
            if kept is None:
                raise
            return self._serving(reference, kept)
        self._away.discard(reference.scheme)
        with self._lock:
            before = self._kept.get(reference)
            self._kept[reference] = _Kept(secret, self._clock())
        if before is not None and before.trouble:
            LOG.info("%s can be read again", reference)
        if before is not None and before.secret != secret:
            LOG.info("%s has changed, version %s now", reference, secret.version)
        return secret

    def health(self) -> Health:
        """Say how the worst of the secrets is."""
        kept = list(self._kept.values())
        troubled = [each for each in kept if each.trouble]
        if any(self._older_than(self._served_s_max, each) for each in kept):
            return Health.LOST
        if any(self._older_than(self._unready_s, each) for each in troubled):
            return Health.AWAY
        return Health.DEGRADED if troubled else Health.FRESH

    def born(self, reference: Reference) -> datetime | None:
        """Say since when the source has this value; None where it cannot know."""
        return self._source(reference).born(reference)

    def rotates(self, reference: Reference) -> CanRotate:
        """Give the source as one that takes new values.

        Raises:
            SecretsDenied: it takes none.
        """
        source = self._source(reference)
        if not isinstance(source, CanRotate):
            raise SecretsDenied(f"{reference} is changed where it was injected, not through us")
        return source

    def seals(self, reference: Reference) -> Seals:
        """Give the source as one that signs and seals.

        Raises:
            SecretsDenied: it does neither.
        """
        source = self._source(reference)
        if not isinstance(source, Seals):
            raise SecretsDenied(f"{reference} is no key that stays where it is")
        return source

    def _source(self, reference: Reference) -> Secrets:
        source = self._sources.get(reference.scheme)
        if source is None:
            raise SecretsUnavailable(f"{reference}: no {reference.scheme} is set up")
        return source

    def _serving(self, reference: Reference, kept: _Kept) -> Secret:
        if self._older_than(self._served_s_max, kept):
            raise SecretsUnavailable(f"{reference} could not be read for too long")
        return kept.secret

    def _older_than(self, seconds: float, kept: _Kept) -> bool:
        return self._clock() - kept.at > seconds + self._renew_s

    def _trouble(self, reference: Reference, error: SecretsError) -> _Kept | None:
        every = [reference]
        if isinstance(error, SecretsUnavailable):
            self._away.add(reference.scheme)
            every = [each for each in list(self._kept) if each.scheme == reference.scheme]
        kept = [self._kept[each] for each in every if each in self._kept]
        if any(not each.trouble for each in kept):
            LOG.warning("the last good values serve: %s", error)
        for each in kept:
            each.trouble = True
        return self._kept.get(reference)

    def _run(self) -> None:
        while not self._stop.wait(self._renew_s):
            self.renew()
