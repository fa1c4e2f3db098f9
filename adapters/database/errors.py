"""What the database's side refuses to do, in words an operator can act on.

DatabaseUnavailable         no usable database
├── BinariesMissing         no PostgreSQL programs on this machine
├── DataDirectoryRefused    the data directory is held by another, or of another version
├── ServerFailed            PostgreSQL would not start or stop; the end of its log is told
├── UrlUnreadable           the URL is no address of a PostgreSQL database
├── UrlUnsafe                the URL leads to another machine without verified TLS
├── ServerTooOld            the server behind the URL is older than what we run on
├── RolesMissing            the login may not create the roles, and they do not exist
└── LoginRefused            a login is another role than it should be, or too many roles at once
"""

from __future__ import annotations


class DatabaseUnavailable(Exception):
    """No usable database."""


class BinariesMissing(DatabaseUnavailable):
    """No PostgreSQL programs on this machine."""


class DataDirectoryRefused(DatabaseUnavailable):
    """The data directory is held by another process, or belongs to another version."""


class ServerFailed(DatabaseUnavailable):
    """PostgreSQL would not start or stop."""


class UrlUnreadable(DatabaseUnavailable):
    """The URL is no address of a PostgreSQL database. It may hold a password: it is not told."""


class UrlUnsafe(DatabaseUnavailable):
    """The URL leads to another machine without verified TLS; the text says what to add to it."""


class ServerTooOld(DatabaseUnavailable):
    """The server is older than what we run on."""


class RolesMissing(DatabaseUnavailable):
    """The login may not create the roles, and they do not exist."""


class LoginRefused(DatabaseUnavailable):
    """A login is another role than it should be, or may act as too many."""
