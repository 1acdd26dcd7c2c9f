"""audit log, tombstones of what was erased, and whose data a row is.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

`subject_hash` is NULL in rows of the last release, which erasure has to read one by one; it is empty where nobody is
named. Both indexes come by themselves with partitions that are made from now on. Of those that exist, the first one
is built concurrently; the second would hold every row of them, and is left out.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from monitor.store.indexes import build_concurrently

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAMED = "subject_hash <> ''::bytea"
UNREAD = "subject_hash IS NULL"


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        if_not_exists=True,
    )
    op.create_table(
        "erased",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erased")),
        if_not_exists=True,
    )
    for table in ("predictions", "labels"):
        op.add_column(table, sa.Column("subject_hash", sa.LargeBinary(), nullable=True), if_not_exists=True)
    op.add_column("dead_letters", sa.Column("digest", sa.LargeBinary(), nullable=True), if_not_exists=True)
    op.execute(
        f"CREATE INDEX IF NOT EXISTS ix_predictions_subject_hash ON ONLY predictions (subject_hash) WHERE {NAMED}"
    )
    op.execute(f"CREATE INDEX IF NOT EXISTS ix_predictions_unread ON ONLY predictions (ts) WHERE {UNREAD}")
    with op.get_context().autocommit_block():
        build_concurrently(op.get_bind(), "ix_labels_subject_hash", f"labels (subject_hash) WHERE {NAMED}")
        _index_partitions("ix_predictions_subject_hash")


def _index_partitions(index: str) -> None:
    indexed = sa.text(
        "SELECT relname FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid JOIN pg_class c ON c.oid = indrelid "
        "WHERE inhparent = CAST(:index AS regclass)"
    )
    children = sa.text(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
        "WHERE inhparent = 'predictions'::regclass ORDER BY 1"
    )
    done = set(op.get_bind().scalars(indexed, {"index": index}))
    for partition in op.get_bind().scalars(children).all():
        if partition not in done:
            build_concurrently(op.get_bind(), f"{partition}_subject_hash", f"{partition} (subject_hash) WHERE {NAMED}")
            op.execute(f"ALTER INDEX {index} ATTACH PARTITION {partition}_subject_hash")


def downgrade() -> None:
    op.drop_column("dead_letters", "digest")
    for table in ("labels", "predictions"):
        op.drop_column(table, "subject_hash")
    op.drop_index("ix_predictions_unread", if_exists=True)
    op.drop_table("erased")
    op.drop_table("audit_log")
