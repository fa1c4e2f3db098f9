"""Brings a database's schema up to date, and opens the inbox's coming months."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config

SCRIPTS = Path(__file__).resolve().parents[2] / "alembic"
INBOX_MONTHS_AHEAD = 3

ADD_INBOX_MONTHS = "SELECT book.add_inbox_months(%s, %s)"


def migrate(dsn: str) -> None:
    """Run every migration that the database lacks, then `add_inbox_months`.

    Args:
        dsn: a login that may act as `migrator` and `projector` (superuser in the embedded server).
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["dsn"] = dsn
    command.upgrade(config, "head")
    add_inbox_months(dsn)


def add_inbox_months(dsn: str, months: int = INBOX_MONTHS_AHEAD) -> int:
    """Make the inbox's partitions for this month and those after it; say how many were missing."""
    with psycopg.connect(dsn, autocommit=False) as connection:
        connection.execute("SET LOCAL ROLE migrator")
        row = connection.execute(ADD_INBOX_MONTHS, (datetime.now(UTC).date(), months)).fetchone()
    assert row is not None, "a function call answers"
    return int(row[0])
