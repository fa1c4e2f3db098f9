"""The secrets as the doctor sees them: each is there, and the vault lets us at nothing else."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from adapters.secrets.injected import Injected
from adapters.secrets.policies import rights
from adapters.secrets.port import SecretsError
from adapters.secrets.vault import DATABASE, TRANSIT
from api.doctor.check import Check, bad, differing, good, guarded
from api.house.rotation import inventory
from api.house.secret_sources import session_of
from api.house.settings import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from adapters.secrets.keeper import Keeper
    from adapters.secrets.port import Reference
    from api.house.settings import Settings

NOT_OURS: Final = (
    "kv/data/not-ours",
    "kv/metadata/not-ours",
    f"{TRANSIT}/keys/not-ours",
    f"{TRANSIT}/export/signing-key/not-ours",
    f"{DATABASE}/creds/not-ours",
    f"{DATABASE}/config/not-ours",
    "sys/policies/acl/not-ours",
    "sys/mounts/not-ours",
    "auth/token/create",
    "auth/approle/role/not-ours",
)
"""Places that nothing of ours is at: whoever may go there may go too far."""
_DENIED: Final = "deny"


def look_at_secrets(
    settings: Settings, secrets: Keeper, references: list[Reference], environ: Mapping[str, str]
) -> Iterator[Check]:
    """Read each secret, and ask the vault what else we could."""
    for held in inventory(settings):
        name = f"secret: {held.name}"

        def look(name: str = name, reference: Reference = held.reference) -> Iterator[Check]:
            secrets.read(reference)
            yield good(name, f"{reference} is there")

        if held.whose == "rotator":
            continue  # what opens the vault for who rotates is no business of the house
        if held.reference.scheme != "vault" or held.reference.field:
            yield from guarded(
                name, look, SecretsError, todo=f"put it at {held.reference}, and let us read it"
            )
    if settings.vault is not None:
        yield from guarded(
            "vault: rights",
            lambda: _rights(settings, references, environ),
            SecretsError,
            SettingsRefused,
            todo="see that the vault is unsealed, and that role and proof are right",
        )


def _rights(
    settings: Settings, references: list[Reference], environ: Mapping[str, str]
) -> Iterator[Check]:
    said = settings.vault
    assert said is not None, "whoever asks has looked"
    allowed = {path: set(each) for path, each in rights(references)}
    paths = [*allowed, *NOT_OURS]
    with contextlib.closing(session_of(said, said, Injected(environ))) as session:

        def ask(client: Any) -> Any:
            return client.sys.get_capabilities(paths)

        answer = session.call(ask, "sys/capabilities-self")
    told = answer.get("data") or answer
    live = {path: {*told.get(path, ())} - {_DENIED} for path in paths}
    yield differing(
        "vault: rights",
        {f"{path}: {each}" for path, some in allowed.items() for each in some},
        {f"{path}: {each}" for path, some in live.items() for each in some},
        grant="write the policy that `counterfoil authz policies` prints",
        revoke="write the policy that `counterfoil authz policies` prints, and attach no other",
    )
    if any("root" in each for each in live.values()):
        yield bad("vault: identity", "beyond need: a root token", "log in by an AppRole")
