"""Runs the migrations: one at a time per database, in one transaction, never waiting long."""

from __future__ import annotations

import os

import psycopg
import sqlalchemy
from alembic import context

LOCK_TIMEOUT = "5s"
"""A migration that cannot get its lock gives up, or every writer would queue up behind it."""

ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('counterfoil/migrate'))"


def run() -> None:
    """Apply what is missing, or print it as SQL (`alembic upgrade head --sql`)."""
    if context.is_offline_mode():
        context.configure(dialect_name="postgresql", literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    dsn = context.config.attributes.get("dsn") or os.environ["DATABASE_URL"]
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(dsn),
        poolclass=sqlalchemy.NullPool,
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(ONE_AT_A_TIME)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
