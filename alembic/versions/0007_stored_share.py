"""stored share.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("predictions", sa.Column("inclusion_probability", sa.Float(), nullable=True), if_not_exists=True)


def downgrade() -> None:
    op.drop_column("predictions", "inclusion_probability")
