"""index of the sides that may be lost.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

Sides that were lost stay for a day. Where there are many, a search for those that were lost since went over them all.
"""

from alembic import op

from monitor.store.indexes import build_concurrently

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NAME = "ix_waiting_halves_not_lost"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        build_concurrently(op.get_bind(), NAME, "waiting_halves (consumer_group, due_at) WHERE NOT lost")


def downgrade() -> None:
    op.drop_index(NAME, if_exists=True)
