"""dead letter headers.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("key", sa.LargeBinary(), nullable=True))
    op.add_column("dead_letters", sa.Column("headers", sa.LargeBinary(), nullable=True))
    op.add_column("dead_letters", sa.Column("replay_of", sa.BigInteger(), nullable=True))
    op.add_column("dead_letters", sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("dead_letters", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_dead_letters_replay_of",
        "dead_letters",
        ["replay_of"],
        unique=False,
        postgresql_where=sa.text("replay_of IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_dead_letters_replay_of", table_name="dead_letters")
    for column in ("resolved_at", "replayed_at", "replay_of", "headers", "key"):
        op.drop_column("dead_letters", column)
