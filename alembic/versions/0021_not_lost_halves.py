"""index of the sides that may be lost.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

Sides that were lost stay for a day. Where there are many, a search for those that were lost since went over them all.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

NAME = "ix_waiting_halves_not_lost"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        _make_index(NAME, "waiting_halves (consumer_group, due_at) WHERE NOT lost")


def _make_index(name: str, on: str) -> None:
    """Concurrently: that may wait for long readers, but no writer waits for it."""
    connection = op.get_bind()
    patience = connection.scalar(sa.text("SELECT current_setting('lock_timeout')"))
    op.execute("SET lock_timeout = 0")
    broken = sa.text("SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND NOT indisvalid")
    if connection.execute(broken, {"name": name}).rowcount:  # an earlier try was interrupted
        op.execute(f"DROP INDEX CONCURRENTLY {name}")
    op.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {on}")
    op.execute(f"SET lock_timeout = '{patience}'")


def downgrade() -> None:
    op.drop_index(NAME, if_exists=True)
