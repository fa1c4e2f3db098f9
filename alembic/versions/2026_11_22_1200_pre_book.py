"""The book: log, access log, snapshots, inbox; who may touch what.

Runs as the database's administrator, because the functions that are taken from PUBLIC belong to
the server; everything else is made as its owner.
"""

from alembic import op
from alembic.util import CommandError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROLES = """
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['migrator', 'book_writer', 'projector', 'finance_reader',
                                'audit_reader', 'retention'] LOOP
        IF to_regrole(name) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END
$$
"""

SCHEMAS = (
    "CREATE SCHEMA book AUTHORIZATION migrator",
    "CREATE SCHEMA read AUTHORIZATION projector",
)

# {table} is `log` or `access`. Rows never change, so a page is frozen the first time it is
# vacuumed, and visited soon after it was filled; MAIN keeps states beside their rows, because the
# log is read from end to end.
CHAINED_LOG = """
CREATE TABLE book.{table} (
    position bigint PRIMARY KEY,
    stream uuid NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    state bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    request_key uuid,
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    CONSTRAINT {table}_stream_version UNIQUE (stream, version)
) WITH (
    autovacuum_vacuum_insert_scale_factor = 0.01,
    autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_freeze_min_age = 0
)
"""
STATE_INLINE = "ALTER TABLE book.{table} ALTER COLUMN state SET STORAGE MAIN"
REQUEST_KEY = """
CREATE UNIQUE INDEX {table}_request_key ON book.{table} (request_key)
    WHERE request_key IS NOT NULL
"""

SNAPSHOT = """
CREATE TABLE book.snapshot (
    stream uuid,
    version bigint,
    name text NOT NULL,
    state bytea NOT NULL,
    PRIMARY KEY (stream, version)
)
"""

# Ciphertext does not compress: EXTERNAL spares the attempt.
INBOX = """
CREATE TABLE book.inbox (
    id uuid NOT NULL,
    source text NOT NULL,
    sealed bytea NOT NULL,
    sha256 text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at)
"""
INBOX_PLAIN = "ALTER TABLE book.inbox ALTER COLUMN sealed SET STORAGE EXTERNAL"
INBOX_REST = "CREATE TABLE book.inbox_rest PARTITION OF book.inbox DEFAULT"

REFUSE_CHANGE = """
CREATE FUNCTION book.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: what was recorded stays',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""
REFUSE_INBOX_CHANGE = """
CREATE FUNCTION book.refuse_inbox_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_user = 'retention' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: messages go by retention alone',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""

# ALWAYS: also where a superuser sets session_replication_role to silence ordinary triggers.
APPEND_ONLY = (
    """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON book.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change()
""",
    "ALTER TABLE book.{table} ENABLE ALWAYS TRIGGER append_only",
)
# Row by row, because only row triggers reach the partitions, those of the future included;
# TRUNCATE has no row trigger, so each partition gets its own.
INBOX_KEPT = (
    """
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON book.inbox
    FOR EACH ROW EXECUTE FUNCTION book.refuse_inbox_change()
""",
    "ALTER TABLE book.inbox ENABLE ALWAYS TRIGGER kept",
)
NEVER_TRUNCATED = (
    """
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON book.{table}
    FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change()
""",
    "ALTER TABLE book.{table} ENABLE ALWAYS TRIGGER never_truncated",
)

# A month whose rows already went to the default partition stays there.
ADD_INBOX_MONTHS = """
CREATE FUNCTION book.add_inbox_months(first date, months integer) RETURNS integer
LANGUAGE plpgsql SET search_path = pg_catalog, book SET timezone = 'UTC' AS $$
DECLARE
    month date;
    part text;
    added integer := 0;
BEGIN
    FOR ahead IN 0 .. months - 1 LOOP
        month := (date_trunc('month', first) + make_interval(months => ahead))::date;
        part := 'inbox_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('book.' || part) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM book.inbox_rest
            WHERE received_at >= month AND received_at < month + interval '1 month'
        );
        EXECUTE format(
            'CREATE TABLE book.%I PARTITION OF book.inbox FOR VALUES FROM (%L) TO (%L)',
            part, month, (month + interval '1 month')::date
        );
        EXECUTE format(
            'CREATE TRIGGER never_truncated BEFORE TRUNCATE ON book.%I '
            'FOR EACH STATEMENT EXECUTE FUNCTION book.refuse_change()', part
        );
        EXECUTE format('ALTER TABLE book.%I ENABLE ALWAYS TRIGGER never_truncated', part);
        added := added + 1;
    END LOOP;
    RETURN added;
END
$$
"""

BOOK_GRANTS = (
    "REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA book FROM PUBLIC",
    "GRANT USAGE ON SCHEMA book TO book_writer, projector, audit_reader, retention",
    "GRANT SELECT, INSERT ON book.log, book.access, book.snapshot, book.inbox TO book_writer",
    "GRANT SELECT ON book.log, book.snapshot TO projector",
    "GRANT SELECT ON book.log, book.access TO audit_reader",
    "GRANT DELETE, SELECT (id, source, received_at) ON book.inbox TO retention",
)
READ_GRANTS = (
    "GRANT USAGE ON SCHEMA read TO book_writer, finance_reader, audit_reader",
    """
ALTER DEFAULT PRIVILEGES IN SCHEMA read
    GRANT SELECT ON TABLES TO book_writer, finance_reader, audit_reader
""",
)

# With the lock functions open to PUBLIC, a role without any grant could stop the book. They belong
# to the server's superuser: another administrator has to ask that one to run this block.
ADVISORY_LOCKS = """
DO $$
DECLARE
    lock regprocedure;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE WARNING 'not a superuser: EXECUTE on the advisory locks stays with PUBLIC';
        RETURN;
    END IF;
    FOR lock IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'pg_catalog'::regnamespace
          AND proname ~ '^pg_(try_)?advisory_(xact_)?lock(_shared)?$'
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', lock);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO book_writer, projector', lock);
    END LOOP;
END
$$
"""


def upgrade() -> None:
    _run(ROLES, *SCHEMAS, ADVISORY_LOCKS, "SET LOCAL ROLE migrator")
    _run(REFUSE_CHANGE, REFUSE_INBOX_CHANGE)
    for table in ("log", "access"):
        chained = (CHAINED_LOG, STATE_INLINE, REQUEST_KEY, *APPEND_ONLY)
        _run(*(statement.format(table=table) for statement in chained))
    _run(SNAPSHOT, INBOX, INBOX_PLAIN, INBOX_REST, *INBOX_KEPT)
    for table in ("inbox", "inbox_rest"):
        _run(*(statement.format(table=table) for statement in NEVER_TRUNCATED))
    _run(ADD_INBOX_MONTHS, *BOOK_GRANTS)
    _run("SET LOCAL ROLE projector", *READ_GRANTS, "RESET ROLE")


def downgrade() -> None:
    raise CommandError("the log has no way back: restore a backup")


def _run(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
