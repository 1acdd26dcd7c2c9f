"""arrivals, which take the place of request_ids; indexes that retention deletes by.

Compatibility: collectors of the release before this one still write while it runs. So add columns nullable or with a
default, never rename, and drop only what the last release no longer touches.

`request_ids` held every id under one random key: the older the store, the larger the index that each insert hit at
random. `arrivals` holds them by day. Until every collector is of this release, those of the last one claim ids in
`request_ids`; a trigger there enters them into `arrivals`, and shows them the ids that newer collectors claimed. A
later release drops `request_ids` with its trigger; nothing of this one touches it.

Ids that came before the trigger are copied in chunks, each committed for itself, with no lock that a writer waits for.
Interrupted, it goes on where it stood.
"""

import sqlalchemy as sa
from alembic import op

from monitor.store.indexes import build_concurrently

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHUNK = 20_000
INDEXES = {
    "ix_embedding_sketches_hour": ("embedding_sketches", "hour"),
    "ix_drift_results_tick": ("drift_results", "tick"),
    "ix_slo_evaluations_tick": ("slo_evaluations", "tick"),
    "ix_labels_ts": ("labels", "ts"),
    "ix_verdicts_ts": ("verdicts", "ts"),
}
MAKE_DAY = """
CREATE OR REPLACE FUNCTION make_arrivals_day(day timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'arrivals_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    PERFORM pg_advisory_xact_lock(5259602);  -- as monitor.store.partitions
    IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
    EXECUTE format('CREATE TABLE %I (LIKE arrivals INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (request_id)', name);
    EXECUTE format('ALTER TABLE arrivals ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   name, day, day + interval '24 hours');
END $$
"""
ENTER = """
CREATE OR REPLACE FUNCTION enter_arrival() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    given request_ids%ROWTYPE;
    known request_ids%ROWTYPE;
    day timestamptz;
BEGIN
    IF pg_trigger_depth() > 1 THEN RETURN NEW; END IF;  -- our own insert below
    SELECT * INTO given FROM request_ids WHERE request_id = NEW.request_id;
    IF NOT FOUND THEN given := NEW; END IF;
    day := date_trunc('day', given.ts, 'UTC');
    FOR attempt IN 1..2 LOOP
        SELECT a.request_id, a.content_hash, a.ts INTO known FROM arrivals AS a
        WHERE a.request_id = given.request_id
          AND a.ts >= day - interval '24 hours' AND a.ts < day + interval '48 hours'
        ORDER BY date_trunc('day', a.ts, 'UTC') = day DESC LIMIT 1;
        IF FOUND THEN
            INSERT INTO request_ids VALUES (known.*) ON CONFLICT DO NOTHING;
            RETURN NULL;
        END IF;
        PERFORM make_arrivals_day(day);
        INSERT INTO arrivals (request_id, content_hash, ts) VALUES (given.request_id, given.content_hash, given.ts)
        ON CONFLICT DO NOTHING;
        IF FOUND THEN RETURN NEW; END IF;
    END LOOP;  -- somebody else entered it while we waited for him: now he is found
    RAISE EXCEPTION 'arrival % is neither new nor known', given.request_id;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "arrivals",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("ts", sa.DateTime(timezone=True), nullable=False),
        postgresql_partition_by="RANGE (ts)",
        if_not_exists=True,
    )
    op.create_table("arrivals_copied", sa.Column("up_to", sa.Text(), nullable=False), if_not_exists=True)
    op.execute(MAKE_DAY)
    op.execute(ENTER)
    op.execute("""
        SELECT make_arrivals_day(to_timestamp(split_part(child.relname, '_', 2) || '+00', 'YYYYMMDDTZH'))
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid WHERE inhparent = 'predictions'::regclass
    """)
    # Waits for the writers of this moment; whoever comes after it finds the trigger, all before it can be copied.
    op.execute(
        "CREATE OR REPLACE TRIGGER enter_arrival BEFORE INSERT ON request_ids "
        "FOR EACH ROW EXECUTE FUNCTION enter_arrival()"
    )
    with op.get_context().autocommit_block():
        _copy_ids()
        op.execute("DROP TABLE arrivals_copied")
        for name, (table, column) in INDEXES.items():
            build_concurrently(op.get_bind(), name, f"{table} ({column})")
        _index_replayed()
        _key_tasks_by_time()


def _copy_ids() -> None:
    connection = op.get_bind()
    up_to = connection.scalar(sa.text("SELECT max(up_to) FROM arrivals_copied")) or ""
    while True:
        chunk = connection.execute(
            sa.text("""
                SELECT max(request_id) AS last, array_agg(DISTINCT date_trunc('day', ts, 'UTC')) AS days
                FROM (SELECT request_id, ts FROM request_ids WHERE request_id > :up_to
                      ORDER BY request_id LIMIT :chunk) AS next
            """),
            {"up_to": up_to, "chunk": CHUNK},
        ).one()
        if chunk.last is None:
            return
        for day in chunk.days:
            connection.execute(sa.text("SELECT make_arrivals_day(:day)"), {"day": day})
        connection.execute(
            sa.text("""
                INSERT INTO arrivals (request_id, content_hash, ts) SELECT request_id, content_hash, ts
                FROM request_ids WHERE request_id > :up_to AND request_id <= :last
                ORDER BY request_id COLLATE "C"  -- as collectors do: so none of us deadlocks
                ON CONFLICT DO NOTHING
            """),
            {"up_to": up_to, "last": chunk.last},
        )
        connection.execute(sa.text("INSERT INTO arrivals_copied VALUES (:last)"), {"last": chunk.last})
        up_to = chunk.last


def _index_replayed() -> None:
    """First on the parent alone, which reads no row: partitions that are made from then on come with theirs."""
    index = "ix_predictions_replayed"
    op.execute(f"CREATE INDEX IF NOT EXISTS {index} ON ONLY predictions (ts) WHERE replay IS NOT NULL")
    indexed = sa.text(
        "SELECT relname FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid JOIN pg_class c ON c.oid = indrelid "
        "WHERE inhparent = CAST(:index AS regclass)"
    )
    done = set(op.get_bind().scalars(indexed, {"index": index}))
    for partition in _partitions("predictions"):
        if partition not in done:
            build_concurrently(op.get_bind(), f"{partition}_replayed", f"{partition} (ts) WHERE replay IS NOT NULL")
            op.execute(f"ALTER INDEX {index} ATTACH PARTITION {partition}_replayed")


def _key_tasks_by_time() -> None:
    """A key over ids alone was the other one that each insert hit at random, in an index that grew with history."""
    key = sa.text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'pk_label_tasks'")
    if op.get_bind().scalar(key) == "PRIMARY KEY (request_id)":
        build_concurrently(op.get_bind(), "label_tasks_by_time", "label_tasks (ts, request_id)", unique=True)
        op.execute(
            "ALTER TABLE label_tasks DROP CONSTRAINT pk_label_tasks, "
            "ADD CONSTRAINT pk_label_tasks PRIMARY KEY USING INDEX label_tasks_by_time"
        )
    op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_label_tasks_ts")


def _partitions(table: str) -> list[str]:
    children = sa.text(
        "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
        "WHERE inhparent = CAST(:table AS regclass) ORDER BY 1"
    )
    return list(op.get_bind().scalars(children, {"table": table}))


def downgrade() -> None:
    for name in (*INDEXES, "ix_predictions_replayed"):
        op.drop_index(name)
    op.create_index("ix_label_tasks_ts", "label_tasks", ["ts"])
    op.execute("ALTER TABLE label_tasks DROP CONSTRAINT pk_label_tasks")
    op.execute("DELETE FROM label_tasks a USING label_tasks b WHERE a.request_id = b.request_id AND a.ts > b.ts")
    op.execute("ALTER TABLE label_tasks ADD CONSTRAINT pk_label_tasks PRIMARY KEY (request_id)")
    op.execute("DROP TRIGGER enter_arrival ON request_ids")
    op.execute(
        "INSERT INTO request_ids SELECT request_id, content_hash, ts FROM arrivals ORDER BY ts ON CONFLICT DO NOTHING"
    )
    op.drop_table("arrivals")
    op.execute("DROP TABLE IF EXISTS arrivals_copied")
    op.execute("DROP FUNCTION enter_arrival")
    op.execute("DROP FUNCTION make_arrivals_day")
