"""The read models: tables that are folded from the log, and a schema in which they are rebuilt.

`position` is that of the fact which made the row, and the cursor of listings; `changed` that of
the last one which moved it. Amounts are minor units. Nothing refers to anything by a foreign key:
a rebuild fills the tables beside the live ones and puts them in their place, one by one.
"""

from alembic import op
from alembic.util import CommandError

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

REBUILD_SCHEMA = "CREATE SCHEMA read_next AUTHORIZATION projector"
# Rebuilt tables move into `read`, so they are born with the same readers.
REBUILD_GRANTS = """
ALTER DEFAULT PRIVILEGES IN SCHEMA read_next
    GRANT SELECT ON TABLES TO book_writer, finance_reader, audit_reader
"""

TRACKING = """
CREATE TABLE read.tracking (
    application_name text PRIMARY KEY,
    notification_id bigint NOT NULL
) WITH (fillfactor = 50)
"""

POSTING = (
    """
CREATE TABLE read.posting (
    position bigint,
    leg smallint,
    account text NOT NULL,
    entity text NOT NULL,
    kind text NOT NULL,
    owner text,
    currency text NOT NULL,
    minor numeric(38, 0) NOT NULL,
    effective_at timestamptz NOT NULL, recorded_at timestamptz NOT NULL,
    stream uuid NOT NULL,
    fact text NOT NULL,
    text text NOT NULL,
    PRIMARY KEY (position, leg)
)
""",
    """
CREATE INDEX ON read.posting (account, currency, effective_at) INCLUDE (recorded_at, minor)
""",
)

# `ordinal` is the place of the account's first posting (position × 64 + leg): the cursor.
BALANCE = (
    """
CREATE TABLE read.balance (
    account text,
    currency text,
    entity text NOT NULL,
    kind text NOT NULL,
    owner text,
    minor numeric(38, 0) NOT NULL,
    ordinal bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (account, currency)
) WITH (fillfactor = 70)
""",
    "CREATE UNIQUE INDEX ON read.balance (ordinal)",
    "CREATE INDEX ON read.balance (owner, ordinal)",
)

# What moved on one effective day (UTC), and when the last of it was recorded: an as-of read takes
# whole days where nothing is newer than what it may know, and single postings elsewhere.
DAY_BALANCE = """
CREATE TABLE read.day_balance (
    account text,
    currency text,
    day date,
    minor numeric(38, 0) NOT NULL,
    newest timestamptz NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (account, currency, day)
) WITH (fillfactor = 80)
"""

CLIENTS = (
    """
CREATE TABLE read.client (
    client uuid PRIMARY KEY,
    entity text NOT NULL,
    residence text NOT NULL,
    category text NOT NULL,
    account_currency text NOT NULL,
    name_ref text NOT NULL,
    registered_at timestamptz NOT NULL,
    position bigint NOT NULL UNIQUE
)
""",
    """
CREATE TABLE read.trading_account (
    trading_account uuid PRIMARY KEY,
    client uuid NOT NULL,
    platform text NOT NULL, login text NOT NULL, trading_group text NOT NULL,
    account_type text NOT NULL, book text NOT NULL, programme text,
    linked_at timestamptz NOT NULL,
    position bigint NOT NULL UNIQUE
)
""",
    "CREATE INDEX ON read.trading_account (client)",
    """
CREATE TABLE read.wallet (
    wallet uuid PRIMARY KEY,
    client uuid NOT NULL,
    entity text NOT NULL,
    currency text NOT NULL,
    frozen boolean NOT NULL,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
    "CREATE INDEX ON read.wallet (client)",
    """
CREATE TABLE read.kyc (
    client uuid PRIMARY KEY,
    status text NOT NULL,
    level smallint NOT NULL,
    valid_until timestamptz,
    evidence_ref text,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
)

DEPOSIT = (
    """
CREATE TABLE read.deposit (
    deposit uuid PRIMARY KEY,
    client uuid NOT NULL,
    entity text NOT NULL,
    provider text NOT NULL, merchant_account text NOT NULL,
    method text NOT NULL,
    status text NOT NULL,
    minor numeric(38, 0) NOT NULL, currency text NOT NULL,
    into_currency text NOT NULL,
    received_minor numeric(38, 0), received_currency text,
    credited_minor numeric(38, 0),
    rate numeric,
    refunded_minor numeric(38, 0) NOT NULL,
    refunds jsonb NOT NULL,
    disputed boolean NOT NULL, warned boolean NOT NULL,
    fee_minor numeric(38, 0), fee_currency text,
    reference text, charge text,
    reason text,
    initiated_at timestamptz NOT NULL, confirmed_at timestamptz, settled_at timestamptz,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
    "CREATE INDEX ON read.deposit (client, position)",
    "CREATE INDEX ON read.deposit (status, position)",
)

# `hold_codes` is all that a client is told; `findings`, `approvals` and `reason` are internal.
WITHDRAWAL = (
    """
CREATE TABLE read.withdrawal (
    withdrawal uuid PRIMARY KEY,
    client uuid NOT NULL,
    entity text NOT NULL,
    status text NOT NULL,
    minor numeric(38, 0) NOT NULL, currency text NOT NULL,
    hold_codes text[] NOT NULL,
    findings jsonb NOT NULL,
    approvals text[] NOT NULL,
    reason text,
    route_kind text NOT NULL,
    provider text NOT NULL, merchant_account text NOT NULL,
    route_currency text NOT NULL,
    deposit uuid, recipient text, payout uuid,
    requested_at timestamptz NOT NULL, expires_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
    "CREATE INDEX ON read.withdrawal (client, position)",
    "CREATE INDEX ON read.withdrawal (status, position)",
    """
CREATE TABLE read.payout (
    payout uuid PRIMARY KEY,
    withdrawal uuid NOT NULL,
    phase text NOT NULL,
    minor numeric(38, 0) NOT NULL, currency text NOT NULL,
    attempts integer NOT NULL,
    uncertain boolean NOT NULL,
    reference text,
    reason text,
    credited_back boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
    "CREATE INDEX ON read.payout (withdrawal)",
)

# Balance lines may come in other currencies than the dispute: amounts by currency.
DISPUTE = (
    """
CREATE TABLE read.dispute (
    dispute uuid PRIMARY KEY,
    entity text NOT NULL,
    provider text NOT NULL, merchant_account text NOT NULL,
    reference text NOT NULL,
    charge text,
    deposit uuid, client uuid,
    minor numeric(38, 0) NOT NULL, currency text NOT NULL,
    reason text NOT NULL,
    phase text NOT NULL,
    case_status text,
    due_by timestamptz,
    opened_at timestamptz NOT NULL, seen_at timestamptz NOT NULL,
    withdrawn jsonb NOT NULL, reinstated jsonb NOT NULL,
    fees jsonb NOT NULL, charged jsonb NOT NULL,
    position bigint NOT NULL UNIQUE, changed bigint NOT NULL
)
""",
    "CREATE INDEX ON read.dispute (phase, due_by, position)",
    "CREATE INDEX ON read.dispute (deposit)",
)

TRAILS = (
    """
CREATE TABLE read.review (
    position bigint PRIMARY KEY,
    subject uuid NOT NULL,
    reason text NOT NULL,
    opened_at timestamptz NOT NULL
)
""",
    "CREATE INDEX ON read.review (subject)",
    """
CREATE TABLE read.request (
    position bigint PRIMARY KEY,
    request_key uuid NOT NULL UNIQUE,
    contents text NOT NULL,
    facts integer NOT NULL,
    actor text NOT NULL,
    recorded_at timestamptz NOT NULL
)
""",
    """
CREATE TABLE read.fx (
    position bigint PRIMARY KEY,
    subject uuid NOT NULL,
    client uuid,
    fact text NOT NULL,
    sold_minor numeric(38, 0) NOT NULL, sold_currency text NOT NULL,
    bought_minor numeric(38, 0) NOT NULL, bought_currency text NOT NULL,
    at_source_minor numeric(38, 0) NOT NULL,
    markup_minor numeric(38, 0) NOT NULL, source_currency text NOT NULL,
    side text NOT NULL,
    rate numeric NOT NULL,
    markup_bps numeric NOT NULL,
    residue numeric NOT NULL,
    rounding text NOT NULL,
    source text NOT NULL, quote_id text NOT NULL, pair text NOT NULL,
    bid numeric NOT NULL, ask numeric NOT NULL,
    legs smallint NOT NULL,
    quoted_at timestamptz NOT NULL, valid_until timestamptz NOT NULL,
    effective_at timestamptz NOT NULL
)
""",
    "CREATE INDEX ON read.fx (subject)",
    "CREATE INDEX ON read.fx (client, position)",
)

TABLES = (
    TRACKING,
    *POSTING,
    *BALANCE,
    DAY_BALANCE,
    *CLIENTS,
    *DEPOSIT,
    *WITHDRAWAL,
    *DISPUTE,
    *TRAILS,
)


def upgrade() -> None:
    _run(REBUILD_SCHEMA, "SET LOCAL ROLE projector", REBUILD_GRANTS, *TABLES, "RESET ROLE")


def downgrade() -> None:
    raise CommandError("read models have no way back: fold them from the log")


def _run(*statements: str) -> None:
    for statement in statements:
        op.execute(statement)
