"""Certificates that are right, and those that are wrong in one way each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "localhost"
WRONG: Final = ("name", "self-signed", "expired", "not-yet", "stranger")
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Paper:
    """A certificate with its key, in files."""

    certificate: Path
    key: Path


class Papers:
    """An authority that is believed, one that is not, and what they sign."""

    def __init__(self, folder: Path, name: str = NAME) -> None:
        self._folder, self._name = folder, name
        self._ours, self._theirs = _key(), _key()
        self.authority = folder / "authority.pem"
        made = _signed("ours", "ours", self._ours, self._ours, authority=True)
        self.authority.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def of(self, kind: str) -> Paper:
        """Make `right`, or one of `WRONG`."""
        key, now = _key(), datetime.now(UTC)
        signer = {"self-signed": key, "stranger": self._theirs}.get(kind, self._ours)
        by = self._name if kind == "self-signed" else "ours"
        name = "another.example" if kind == "name" else self._name
        begins = {"expired": now - 2 * _DAY, "not-yet": now + _DAY}.get(kind, now - _DAY)
        made = _signed(name, by, key, signer, begins=begins)
        paper = Paper(self._folder / f"{kind}.pem", self._folder / f"{kind}.key")
        paper.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        paper.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        paper.key.chmod(0o600)
        return paper


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _signed(
    name: str,
    by: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    begins: datetime | None = None,
    authority: bool = False,
) -> x509.Certificate:
    start = begins or datetime.now(UTC) - _DAY
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=1.5))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(own, critical=False)
        .add_extension(issuer, critical=False)
        .sign(signer, hashes.SHA256())
    )
