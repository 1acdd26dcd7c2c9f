"""drifted.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_drift_results_drifted", "drift_results", ["tick"], postgresql_where=sa.text("verdict = 'drift'")
    )


def downgrade() -> None:
    op.drop_index("ix_drift_results_drifted", table_name="drift_results")
