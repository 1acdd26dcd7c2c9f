"""whose data a waiting side of a call is.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

`subject_hash` is NULL in sides that the last release let wait: what names the person may have been redacted from them.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("waiting_halves", sa.Column("subject_hash", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("waiting_halves", "subject_hash")
