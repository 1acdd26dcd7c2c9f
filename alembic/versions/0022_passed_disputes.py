"""who set a dispute aside.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    nobody = sa.text("'[]'::jsonb")
    op.add_column("label_tasks", sa.Column("passed_by", postgresql.JSONB(), server_default=nobody, nullable=False))


def downgrade() -> None:
    op.drop_column("label_tasks", "passed_by")
