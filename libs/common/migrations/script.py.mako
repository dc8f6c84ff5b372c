"""${message}.

Forward only; expand first, contract in a later release: the previous release's code must run on this schema.
Every lock waits at most five seconds (env.py): build indexes CONCURRENTLY in a migration of their own.
"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
