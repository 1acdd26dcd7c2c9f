"""unfitted streams.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unfitted_streams",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("embedder_id", sa.SmallInteger(), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("constant_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["embedder_id"], ["embedders.id"]),
        sa.PrimaryKeyConstraint("model", "stream", "embedder_id"),
    )


def downgrade() -> None:
    op.drop_table("unfitted_streams")
