"""Runs migrations online only: on the connection that `monitor.store.engine` hands over, or on the settings' one."""

from alembic import context
from sqlalchemy import Connection, text

from monitor.store.models import Base


def is_ours(_object: object, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
    """Partitions are made by the service, not by migrations: autogenerate must not see them."""
    return not (kind == "table" and reflected and name not in Base.metadata.tables)


def run(connection: Connection) -> None:
    # Whoever waits for a lock holds up all that come after: rather fail soon, and `monitor.store.engine` tries again.
    connection.execute(text("SET lock_timeout = '2s'"))
    connection.execute(text("SET statement_timeout = '10min'"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        include_object=is_ours,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("offline SQL is not supported: partitions and extensions need a live server")
handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    from monitor.bootstrap import open_store

    with open_store().connect() as connection:
        run(connection)
