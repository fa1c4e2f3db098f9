"""${message}."""

from alembic import op
from alembic.util import CommandError

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else 'op.execute("SET LOCAL ROLE migrator")'}


def downgrade() -> None:
    ${downgrades if downgrades else 'raise CommandError("the log has no way back: restore a backup")'}
