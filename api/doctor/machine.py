"""This machine as the doctor sees it: room, folders, and certificates that are about to end."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from psycopg.conninfo import conninfo_to_dict

from adapters.transport import TransportRefused, refuse_open_door
from api.doctor.check import Check, bad, good, guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api.house.settings import Settings

FREE_BYTES_MIN: Final = 2 * 1024**3
CERTIFICATE_LEFT_MIN: Final = timedelta(days=21)
_SYSTEM: Final = "system"


def look_at_machine(settings: Settings, dsn: str | None) -> Iterator[Check]:
    """Look at disks, folders and certificates.

    Args:
        settings: which of them.
        dsn: of the database, whose authority may be a file here.
    """
    folder = settings.checkpoints.folder or settings.home / "checkpoints"
    for name, path in {"home": settings.home, "checkpoints": folder}.items():
        todo = f"make {path}, and let us write there"
        yield from guarded(f"folder: {name}", partial(_folder, name, path), OSError, todo=todo)
    yield from _door(settings)
    for name, certificate in _certificates(settings, dsn):
        todo = f"put a certificate at {certificate}"
        look = partial(_certificate, name, certificate)
        yield from guarded(f"certificate: {name}", look, OSError, todo=todo)


def _folder(name: str, path: Path) -> Iterator[Check]:
    if path.is_dir():
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"\0")
            probe.flush()
    elif name == "home":
        raise FileNotFoundError(f"{path} does not exist")
    there = next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    words = f"{free / 1024**3:.1f} GiB free"
    if free < FREE_BYTES_MIN:
        yield bad(f"folder: {name}", words, "make room: a log that cannot grow accepts nothing")
    else:
        yield good(f"folder: {name}", words if path.is_dir() else f"not made yet; {words}")


def _door(settings: Settings) -> Iterator[Check]:
    try:
        refuse_open_door(
            settings.host,
            encrypted=settings.tls.certificate is not None,
            terminated=settings.tls.terminated_upstream,
        )
    except TransportRefused as refused:
        yield bad("door: transport", f"would listen on {settings.host}", str(refused))
    else:
        yield good("door: transport", f"listens on {settings.host}")


def _certificates(settings: Settings, dsn: str | None) -> Iterator[tuple[str, Path]]:
    if settings.tls.certificate is not None:
        yield "ours", settings.tls.certificate
    if settings.tls.callers is not None:
        yield "callers' authority", settings.tls.callers
    if settings.vault is not None and settings.vault.authority is not None:
        yield "vault's authority", settings.vault.authority
    said = str(conninfo_to_dict(dsn).get("sslrootcert") or "") if dsn else ""
    if said and said != _SYSTEM:
        yield "database's authority", Path(said)


def _certificate(name: str, path: Path) -> Iterator[Check]:
    for each in x509.load_pem_x509_certificates(path.read_bytes()):
        left = each.not_valid_after_utc - datetime.now(UTC)
        words = f"valid for {left.days} more days"
        if left < timedelta():
            yield bad(f"certificate: {name}", "it has ended", f"renew {path}")
        elif left < CERTIFICATE_LEFT_MIN:
            yield bad(f"certificate: {name}", words, f"renew {path} now")
        else:
            yield good(f"certificate: {name}", words)
