"""field streams.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drift_references", sa.Column("categories", sa.ARRAY(sa.Text()), nullable=True), if_not_exists=True)
    op.create_table(
        "sketched_hours",
        sa.Column("reference_id", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["drift_references.id"], name="fk_sketched_hours_reference_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reference_id", "hour", name="pk_sketched_hours"),
    )
    op.create_index("ix_sketched_hours_hour", "sketched_hours", ["hour"])
    op.create_table(
        "drift_judgements",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("reference_id", sa.Integer(), nullable=False),
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("useful", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reference_id"], ["drift_references.id"], name="fk_drift_judgements_reference_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_drift_judgements"),
    )
    op.create_index("ix_drift_judgements_since", "drift_judgements", ["since"])


def downgrade() -> None:
    op.drop_table("drift_judgements")
    op.drop_table("sketched_hours")
    op.drop_column("drift_references", "categories")
