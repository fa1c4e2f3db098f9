"""A role of its own for the access log: who keeps the records cannot touch the book."""

from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ROLE = """
DO $$
BEGIN
    IF to_regrole('access_writer') IS NULL THEN
        CREATE ROLE access_writer NOLOGIN;
    END IF;
END
$$
"""
# As in the first revision: the lock functions belong to the server's superuser.
ADVISORY_LOCKS = """
DO $$
DECLARE
    lock regprocedure;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    FOR lock IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
          AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO access_writer', lock);
    END LOOP;
END
$$
"""
# Both logs keep their snapshots in one table, and a forged one of a wallet would be believed.
OWN_SNAPSHOTS = (
    "CREATE POLICY of_the_book ON book.snapshot TO book_writer, projector USING (true)",
    """
CREATE POLICY of_the_access_log ON book.snapshot TO access_writer USING (name LIKE 'access/%')
""",
    "ALTER TABLE book.snapshot ENABLE ROW LEVEL SECURITY",
)
GRANTS = (
    "GRANT USAGE ON SCHEMA book TO access_writer",
    "GRANT SELECT, INSERT ON book.access, book.snapshot TO access_writer",
)


def upgrade() -> None:
    _run(ROLE, ADVISORY_LOCKS, "SET LOCAL ROLE migrator", *OWN_SNAPSHOTS, *GRANTS, "RESET ROLE")


def downgrade() -> None:
    raise CommandError("the log has no way back: restore a backup")


def _run(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
