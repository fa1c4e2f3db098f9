"""The index of the access log: by whom, whose data and when; the records stay where they are.

Whoever reads the books has no business in it: auditors and compliance ask who looked.
"""

from alembic import op
from alembic.util import CommandError

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

READ_ACCESS = "GRANT SELECT ON book.access TO projector"

INDEX = (
    """
CREATE TABLE read.access_index (
    position bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    subject text NOT NULL,
    outcome text NOT NULL,
    everyone boolean NOT NULL
) WITH (fillfactor = 100)
""",
    "CREATE INDEX ON read.access_index (subject, position)",
    "CREATE INDEX ON read.access_index (at)",
    "CREATE INDEX ON read.access_index (position) WHERE everyone",
    """
CREATE TABLE read.access_name (
    name text,
    position bigint,
    PRIMARY KEY (name, position)
)
""",
)
CLOSED = """
REVOKE SELECT ON read.access_index, read.access_name FROM finance_reader
"""


def upgrade() -> None:
    _run("SET LOCAL ROLE migrator", READ_ACCESS, "RESET ROLE")
    _run("SET LOCAL ROLE projector", *INDEX, CLOSED, "RESET ROLE")


def downgrade() -> None:
    raise CommandError("an index has no way back: fold it from the access log")


def _run(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
