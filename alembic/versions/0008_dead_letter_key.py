"""dead letters are told apart by their bytes too: a log that was cut has another record at the same offset.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches. They name no constraint when they insert.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

PLACE = ["topic_id", "partition", "record_offset"]
OLD, NEW = "uq_dead_letters_topic_id_partition_record_offset", "uq_dead_letters_topic_id_partition_record_offset_digest"


def upgrade() -> None:
    op.create_unique_constraint(NEW, "dead_letters", [*PLACE, "digest"], postgresql_nulls_not_distinct=True)
    op.drop_constraint(OLD, "dead_letters", type_="unique")


def downgrade() -> None:
    op.create_unique_constraint(OLD, "dead_letters", PLACE)
    op.drop_constraint(NEW, "dead_letters", type_="unique")
