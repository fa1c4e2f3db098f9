"""The book's writer lets go of what it does not need: the access log and the read models."""

from alembic import op
from alembic.util import CommandError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OF_THE_ACCESS_LOG = "REVOKE SELECT, INSERT ON book.access FROM book_writer"
OF_THE_READ_MODELS = (
    "REVOKE SELECT ON ALL TABLES IN SCHEMA read FROM book_writer",
    "REVOKE USAGE ON SCHEMA read FROM book_writer",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA read REVOKE SELECT ON TABLES FROM book_writer",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA read_next REVOKE SELECT ON TABLES FROM book_writer",
)


def upgrade() -> None:
    _run("SET LOCAL ROLE migrator", OF_THE_ACCESS_LOG)
    _run("SET LOCAL ROLE projector", *OF_THE_READ_MODELS, "RESET ROLE")


def downgrade() -> None:
    raise CommandError("the log has no way back: restore a backup")


def _run(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
