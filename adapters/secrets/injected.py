"""Secrets that whoever started us put there: environment, mounted files, systemd credentials."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from adapters.secrets.port import Reference, Secret, SecretMissing, SecretsDenied

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Where systemd lays a service's credentials (`LoadCredential=`)."""
FILE_BYTES_MAX: Final = 64 * 1024


class Injected:
    """Reads where it stands. A file is read anew every time, so a mounted one may be rotated."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, reference: Reference) -> Secret:
        """Read a secret; the last newline of a file is not part of it."""
        match reference.scheme:
            case "env":
                value = self._environ.get(reference.path, "")
            case _:
                value = self._text(reference)
        if not value:
            raise SecretMissing(f"{reference} is not set or empty")
        return Secret(value)

    def born(self, reference: Reference) -> datetime | None:
        """Say when the file was written; the environment has no times."""
        if reference.scheme == "env":
            self.read(reference)
            return None
        try:
            return datetime.fromtimestamp(self._path(reference).stat().st_mtime, UTC)
        except OSError:
            raise SecretMissing(f"{reference} cannot be found") from None

    def close(self) -> None:
        """Hold nothing."""

    def _text(self, reference: Reference) -> str:
        try:
            with self._path(reference).open("rb") as file:
                raw = file.read(FILE_BYTES_MAX + 1)
            if len(raw) > FILE_BYTES_MAX:
                raise SecretMissing(f"{reference} is longer than any secret")
            return raw.decode().removesuffix("\n")
        except PermissionError:
            raise SecretsDenied(f"{reference} may not be read by this user") from None
        except OSError:
            raise SecretMissing(f"{reference} cannot be read") from None
        except UnicodeDecodeError:
            raise SecretMissing(f"{reference} is no text in UTF-8") from None

    def _path(self, reference: Reference) -> Path:
        if reference.scheme == "file":
            return Path(reference.path)
        folder = self._environ.get(CREDENTIALS)
        if not folder:
            raise SecretMissing(f"{reference}: {CREDENTIALS} is not set; systemd sets it")
        return Path(folder) / reference.path
