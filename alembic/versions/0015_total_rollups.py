"""total rollups.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_rollups_minute_total",
        "rollups_minute",
        ["model", "version", "variant", "minute"],
        postgresql_where=sa.text("dimension = ''"),
    )


def downgrade() -> None:
    op.drop_index("ix_rollups_minute_total", table_name="rollups_minute")
