"""arrivals.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.
"""

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
