"""whose data a dead letter is.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

`subject_hashes` is NULL in dead letters of the last release, and where nobody is known.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("subject_hashes", postgresql.ARRAY(sa.LargeBinary()), nullable=True))


def downgrade() -> None:
    op.drop_column("dead_letters", "subject_hashes")
