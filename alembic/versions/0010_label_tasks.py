"""label tasks say what became of them, and sampling plans with which rates they were drawn.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches. What they draw, they draw at one rate, so
that the defaults say the truth of it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def _task_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("in_base", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        sa.Column("plan", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("annotators", sa.SmallInteger(), nullable=False, server_default=sa.text("1")),
        sa.Column("model", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("version", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("variant", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("task", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("slices", JSONB(), nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("confidence", sa.REAL(), nullable=True),
        sa.Column("answers", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("answered_at", MOMENT, nullable=True),
        sa.Column("disputed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", MOMENT, nullable=True),
        sa.Column("skipped_at", MOMENT, nullable=True),
        sa.Column("skip_reason", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "sampling_plans",
        sa.Column("version", sa.Integer(), sa.Identity(), nullable=False),
        sa.Column("effective_from", MOMENT, nullable=False),
        sa.Column("base_rate", sa.Double(), nullable=False),
        sa.Column("boost", sa.Double(), nullable=False),
        sa.Column("factors", JSONB(), nullable=False),
        sa.Column("detail", JSONB(), nullable=False),
        sa.Column("created_at", MOMENT, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_sampling_plans")),
        sa.UniqueConstraint("effective_from", name=op.f("uq_sampling_plans_effective_from")),
    )
    for column in _task_columns():
        op.add_column("label_tasks", column, if_not_exists=True)
    adjudicates = sa.Column("adjudicates", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    op.add_column("labels", adjudicates, if_not_exists=True)
    op.add_column(
        "verdicts",
        sa.Column("in_base", sa.Boolean(), nullable=False, server_default=sa.text("true")),
        if_not_exists=True,
    )
    op.execute("UPDATE verdicts SET in_base = false WHERE inclusion_probability IS NULL")
    op.execute(
        "UPDATE label_tasks AS t SET answers = said.people, answered_at = said.first FROM ("
        "  SELECT request_id, count(DISTINCT annotator_id) AS people, min(ts) AS first FROM labels"
        "  WHERE annotator_kind <> 'user' AND scored GROUP BY request_id"
        ") AS said WHERE said.request_id = t.request_id"
    )
    op.execute(
        "UPDATE label_tasks AS t SET model = p.model, version = p.version, variant = p.variant, task = p.task, "
        "slices = p.slices, confidence = p.confidence FROM predictions AS p "
        "WHERE p.ts = t.ts AND p.request_id = t.request_id"
    )
    waiting = {"answered_at IS NULL": "ix_label_tasks_waiting", "disputed": "ix_label_tasks_disputed"}
    for condition, name in waiting.items():
        op.create_index(name, "label_tasks", ["ts"], postgresql_where=sa.text(condition))


def downgrade() -> None:
    op.drop_column("verdicts", "in_base")
    op.drop_column("labels", "adjudicates")
    for column in reversed(_task_columns()):
        op.drop_column("label_tasks", column.name)  # its indexes go with them
    op.drop_table("sampling_plans")
