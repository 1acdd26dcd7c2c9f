"""embedders that records claimed with vectors of another length than ours.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

A fingerprint may stand twice, with two lengths: so what records named first does not keep us from using the name.
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_unique_constraint(op.f("uq_embedders_fingerprint_dimension"), "embedders", ["fingerprint", "dimension"])
    op.drop_constraint(op.f("uq_embedders_fingerprint"), "embedders", type_="unique")


def downgrade() -> None:
    op.execute("""
        UPDATE embedders SET fingerprint = fingerprint || ' of length ' || dimension
        WHERE detail IS NULL AND EXISTS (
            SELECT FROM embedders AS ours WHERE ours.fingerprint = embedders.fingerprint AND ours.id <> embedders.id
        )
    """)
    op.create_unique_constraint(op.f("uq_embedders_fingerprint"), "embedders", ["fingerprint"])
    op.drop_constraint(op.f("uq_embedders_fingerprint_dimension"), "embedders", type_="unique")
