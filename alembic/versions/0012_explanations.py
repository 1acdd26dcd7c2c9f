"""explanations of drift and discovered slices.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches. These tables are new: none of them does.
"""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import HALFVEC
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "concept_vectors",
        sa.Column("embedder_id", sa.SmallInteger(), nullable=False),
        sa.Column("phrase", sa.Text(), nullable=False),
        sa.Column("vector", HALFVEC(), nullable=False),
        sa.ForeignKeyConstraint(["embedder_id"], ["embedders.id"], name="fk_concept_vectors_embedder_id"),
        sa.PrimaryKeyConstraint("embedder_id", "phrase", name="pk_concept_vectors"),
    )
    _findings(
        "drift_explanations",
        sa.Column("dimension", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        _time("reference_start"),
        _time("reference_end"),
        sa.Column("n_reference", sa.Integer(), nullable=False),
        sa.Column("n_current", sa.Integer(), nullable=False),
    )
    _findings(
        "slice_discoveries",
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
    )
    _examples("explanation_examples", "explanation_id", "drift_explanations", "place")
    _examples("discovery_examples", "discovery_id", "slice_discoveries", "slice", "place")


def downgrade() -> None:
    for table in ("discovery_examples", "explanation_examples", "slice_discoveries", "drift_explanations"):
        op.drop_table(table)
    op.drop_table("concept_vectors")


def _time(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False)


def _findings(table: str, *columns: sa.Column) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *columns,
        _time("window_start"),
        _time("window_end"),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_window_end_model", table, ["window_end", "model"])


def _examples(table: str, parent: str, parents: str, *places: str) -> None:
    op.create_table(
        table,
        sa.Column(parent, sa.Integer(), nullable=False),
        *(sa.Column(place, sa.SmallInteger(), nullable=False) for place in places),
        _time("ts"),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint([parent], [f"{parents}.id"], name=f"fk_{table}_{parent}", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(parent, *places, name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_request_id", table, ["request_id"])
