"""vectors of sides that wait.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

`vectors` is NULL in sides that the last release let wait: of the side itself only what redaction left is known.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("waiting_halves", sa.Column("vectors", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("waiting_halves", "vectors")
