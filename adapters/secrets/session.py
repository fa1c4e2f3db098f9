"""A login at the vault: by AppRole, kept alive by renewal, made anew where it was lost."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import hvac
import requests
from hvac import exceptions as said

from adapters.secrets.port import (
    Secret,
    SecretConflict,
    SecretMissing,
    SecretsDenied,
    SecretsError,
    SecretsUnavailable,
)
from adapters.transport import is_safe_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONNECT_S_MAX: Final = 1.0
ANSWER_S_MAX: Final = 3.0
"""How long the vault may be silent while it answers."""
ATTEMPTS_MAX: Final = 2
"""A call that met trouble on its way is made once more; then whoever asked hears of it."""
AGAIN_S: Final = 0.1
RENEWED_AT: Final = 0.5
"""A token is renewed when this part of its life is over."""
_NONE: Final = Secret("")
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_LATER: Final = (
    said.VaultDown,
    said.InternalServerError,
    said.BadGateway,
    said.RateLimitExceeded,
    said.VaultNotInitialized,
    said.UnexpectedError,
    requests.RequestException,
)
"""What may pass: sealed, failing over, too busy, or not to be reached in time."""


class AddressRefused(ValueError):
    """The vault's address would carry secrets in the clear."""


@dataclass(frozen=True, slots=True)
class AppRole:
    """Who we are to the vault. The role's id is a name; what proves it is read when it is needed.

    Attributes:
        role_id: the role.
        secret_id: reads the proof, from wherever it was injected.
        mount: where the method is enabled.
    """

    role_id: str
    secret_id: Callable[[], Secret]
    mount: str = "approle"


class VaultSession:
    """Makes calls with a token that lives; one client for each thread, one token for all."""

    def __init__(
        self,
        address: str,
        role: AppRole,
        *,
        authority: Path | None = None,
        answer_s: float = ANSWER_S_MAX,
    ) -> None:
        """Prepare; nothing is sent before the first call.

        Args:
            address: `https://…`; plain `http` on loopback only.
            role: who logs in.
            authority: the certificate authority to believe, instead of the system's.
            answer_s: how long the vault may be silent.

        Raises:
            AddressRefused: secrets would travel in the clear.
        """
        refuse_open_address(address)
        self._near = urlsplit(address).hostname in _LOOPBACK
        self._address, self._role, self._answer_s = address, role, answer_s
        self._verify: bool | str = str(authority) if authority else True
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._token = _NONE
        self._renew_at = 0.0
        self._ends_at = 0.0
        self._open: list[requests.Session] = []

    def call(self, act: Callable[[hvac.Client], Any], what: str) -> Any:
        """Make a call, logged in.

        Args:
            act: the call; it may be made twice.
            what: the reference, for the words of a refusal.

        Raises:
            SecretsError: in the words of `port`; never the vault's own, which may quote.
        """
        for attempt in range(1, ATTEMPTS_MAX + 1):
            token = _NONE
            try:
                token = self._living_token()
                return self._translated(act, token, what)
            except SecretsDenied:
                # The token may have been revoked before its time: another one says whether.
                if attempt == ATTEMPTS_MAX:
                    raise
                self._forget(token)
            except SecretsUnavailable:
                if attempt == ATTEMPTS_MAX:
                    raise
                time.sleep(AGAIN_S)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Give the token back, and hang up."""
        token, self._token = self._token, _NONE
        if token != _NONE:
            # One that cannot be given back ends by itself.
            with contextlib.suppress(said.VaultError, requests.RequestException):
                self._client(token).auth.token.revoke_self()
        for session in self._open:
            session.close()

    def _translated(self, act: Callable[[hvac.Client], Any], token: Secret, what: str) -> Any:
        # `from None`: what the client raises holds the request, and with it the token.
        try:
            return act(self._client(token))
        except (said.Forbidden, said.Unauthorized):
            raise SecretsDenied(f"the vault does not let us at {what}") from None
        except said.InvalidPath:
            raise SecretMissing(f"{what} is not in the vault") from None
        except said.InvalidRequest as error:
            raise _refusal(str(error), what) from None
        except _LATER as error:
            raise SecretsUnavailable(
                f"the vault gives no {what} now ({type(error).__name__})"
            ) from None

    def _living_token(self) -> Secret:
        with self._lock:
            now = time.monotonic()
            if self._token == _NONE or now >= self._ends_at:
                self._log_in()
            elif now >= self._renew_at:
                self._renew()
            return self._token

    def _log_in(self) -> None:
        role, proof = self._role, self._role.secret_id()

        def log_in(client: hvac.Client) -> Any:
            return client.auth.approle.login(
                role.role_id, proof.reveal(), use_token=False, mount_point=role.mount
            )

        self._adopt(self._translated(log_in, _NONE, "a login")["auth"])

    def _renew(self) -> None:
        try:
            renewed = self._translated(
                lambda client: client.auth.token.renew_self(), self._token, "a renewal"
            )
        except SecretsUnavailable:
            return  # half of its life is left to try again
        except SecretsError:
            self._log_in()
            return
        before = self._ends_at
        self._adopt(renewed["auth"])
        if self._ends_at <= before + AGAIN_S:
            # The role's longest life is reached: it cannot be renewed any further.
            self._log_in()

    def _adopt(self, granted: dict[str, Any]) -> None:
        life_s = granted["lease_duration"] or ANSWER_S_MAX * 720
        now = time.monotonic()
        self._token = Secret(granted["client_token"])
        self._renew_at, self._ends_at = now + life_s * RENEWED_AT, now + life_s

    def _forget(self, token: Secret) -> None:
        with self._lock:
            if self._token == token:
                self._token = _NONE

    def _client(self, token: Secret) -> hvac.Client:
        if not hasattr(self._mine, "client"):
            session = requests.Session()
            session.verify = self._verify
            # Proxies and credentials of the environment are not for what is next door.
            session.trust_env = not self._near
            self._open.append(session)
            self._mine.client = hvac.Client(
                self._address,
                token="",
                verify=self._verify,
                timeout=(CONNECT_S_MAX, self._answer_s),
                allow_redirects=False,
                session=session,
            )
        self._mine.client.token = token.reveal()
        return self._mine.client


def refuse_open_address(address: str) -> None:
    """Refuse an address that would carry secrets in the clear.

    Raises:
        AddressRefused: it is neither https, nor http on loopback, or it names a user.
    """
    if not is_safe_address(address):
        raise AddressRefused("a vault is reached by https, and by plain http on loopback only")


def _refusal(words: str, what: str) -> SecretsError:
    if "check-and-set" in words:
        return SecretConflict(f"{what} was changed meanwhile")
    if "key not found" in words or "unknown role" in words:
        return SecretMissing(f"{what} is not in the vault")
    if "role or secret" in words or "role ID" in words or "secret id" in words.lower():
        return SecretsDenied("the vault does not believe our role and its proof")
    return SecretMissing(f"the vault cannot make sense of {what}")
