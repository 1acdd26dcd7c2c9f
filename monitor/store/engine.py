"""The only maker of engines, and the only runner of migrations."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from monitor.errors import SettingsError, StoreError, StoreTooSlow, StoreUnavailable, UnstorableValue

ROOT = Path(__file__).resolve().parents[2]
_LIMIT_EXCEEDED = "54"
"""Class of SQLSTATE: a value is too large for an index, a statement too complex; psycopg has them among the passing."""
_READ_ONLY = "25006"
_WILL_PASS = frozenset({_READ_ONLY, "25P03", "25P04"})
"""The server takes no writes (its disk is nearly full, or another one takes over), or it ended the session, whose
transaction was idle or open too long. psycopg has them among other faults."""
_BROKEN_OFF = "57014"
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError)
_REFUSED = re.compile(
    r"authentication failed|no pg_hba\.conf entry|no password supplied|(role|database) \".*\" does not exist|"
    r"permission denied for database|not permitted to log in|certificate verify failed|does not support SSL|"
    r"root certificate file .* does not exist|connection requires a valid client certificate|does not match host name|"
    r"alert (unknown ca|bad certificate|certificate \w+|handshake failure|protocol version)|"
    r"could not (read|load) (root )?(certificate|private key) file|private key file \".*\""
)
"""What servers and libpq say of a connection that will fail again. Refused connections carry no SQLSTATE, only text;
where a server says it in another language, it is tried again."""
_SESSION = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": "120s",  # longer than a job computes between two statements
    "lock_timeout": "60s",
    "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3",
}  # fmt: skip
"""What holds in each session: who froze with a lock loses it, and who waits for one says so and tries again."""
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
"""A server that is gone without a word is noticed within a minute; a socket of this machine heeds none of these."""
LOCK_ATTEMPTS, LOCK_PAUSE_S = 30, 1.0
MIGRATION_LOCK = 0x534E454C  # "SNEL": one migration at a time, whoever starts it


def make_engine(url: str, *, pool_size: int = 4, application: str = "snellen") -> Engine:
    """An engine in UTC that notices dead connections before it hands them out, and quotes no values in its errors.

    Raises:
        SettingsError: the URL is none of a PostgreSQL under psycopg.
    """
    return create_engine(
        _parse(url),
        pool_size=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "application_name": application,
            "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
            **_KEEPALIVES,
            "connect_timeout": 10,
            "client_encoding": "utf8",  # rows are written as bytes before a connection is at hand
        },
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; commits on the way out, rolls back on any error.

    Raises:
        StoreUnavailable: no answer, no space, no writes, a broken deadlock: the whole transaction may be tried again.
        UnstorableValue: a value that no column or index can hold.
        StoreError: anything else that PostgreSQL refused.
    """
    with translated():
        try:
            with engine.begin() as connection:
                yield connection
        except (DBAPIError, psycopg.Error) as error:
            if _state(_cause(error)) == _READ_ONLY:
                engine.dispose()  # sessions may keep it as long as they live
            raise


@contextmanager
def trial(engine: Engine) -> Iterator[Connection]:
    """A transaction that is always rolled back: to see whether PostgreSQL would take something.

    Raises:
        StoreError: as `transaction`.
    """
    with translated(), engine.connect() as connection:
        yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours at this door.

    Raises:
        StoreError: as `transaction`.
    """
    try:
        yield
    except PoolExhausted as error:
        raise StoreUnavailable(f"all connections to PostgreSQL are in use: {error}") from error
    except (DBAPIError, psycopg.Error) as error:
        raise _translated(error) from None  # its message quotes the row, and tracebacks are logged


def _translated(error: DBAPIError | psycopg.Error) -> StoreError:
    cause = _cause(error)
    state = _state(cause)
    kind: type[StoreError] = StoreError
    if isinstance(cause, psycopg.DataError) or state.startswith(_LIMIT_EXCEEDED):
        kind = UnstorableValue
    elif state == "" and isinstance(cause, psycopg.OperationalError) and _REFUSED.search(str(cause)):
        return StoreError(f"PostgreSQL refuses us: {cause}; check user, password, database and sslmode in database_url")
    elif state == _BROKEN_OFF:
        kind = StoreTooSlow
    elif isinstance(cause, _PASSING) or state in _WILL_PASS or _lacks_partition(cause):
        kind = StoreUnavailable
    return kind(f"PostgreSQL: {type(cause).__name__}: {_said(cause)}")


def _cause(error: DBAPIError | psycopg.Error) -> BaseException | None:
    """The driver's own error, which SQLAlchemy wraps."""
    return error.orig if isinstance(error, DBAPIError) else error


def _state(cause: BaseException | None) -> str:
    """SQLSTATE, or nothing where the server did not answer."""
    return getattr(cause, "sqlstate", None) or ""


def _said(cause: BaseException | None) -> str:
    """What PostgreSQL complains of, without its DETAIL and CONTEXT: those quote whole rows, and errors are logged."""
    if not isinstance(cause, psycopg.Error) or cause.diag.message_primary is None:
        return str(cause)  # the driver's own
    hint = f" ({cause.diag.message_hint})" if cause.diag.message_hint else ""
    return cause.diag.message_primary + hint


def _lacks_partition(cause: BaseException | None) -> bool:
    """Was the row's day retired after its partition was ensured? The next try makes it anew."""
    return isinstance(cause, psycopg.errors.CheckViolation) and cause.diag.constraint_name is None


def _parse(url: str) -> URL:
    parsed = None
    with suppress(ArgumentError, ValueError):
        parsed = make_url(url)
    if parsed is None or parsed.drivername != "postgresql+psycopg":
        raise SettingsError("database_url must be written postgresql+psycopg://user:password@host:port/database")
    return parsed


def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the schema to `revision`.

    Raises:
        StoreError: PostgreSQL is unreachable, lacks the vector extension, or refused a step.
    """
    _run(url, lambda config: command.upgrade(config, revision))


def downgrade(url: str, revision: str = "base") -> None:
    """Undo migrations down to `revision`; data of dropped tables is lost.

    Raises:
        StoreError: as `migrate`.
    """
    _run(url, lambda config: command.downgrade(config, revision))


def require_migrated(engine: Engine) -> None:
    """Refuse to work on a schema that this code was not written for.

    Raises:
        StoreError: PostgreSQL is unreachable, or its schema is older or newer than this code.
    """
    scripts = ScriptDirectory.from_config(alembic_config())
    head = scripts.get_current_head()
    try:
        with translated(), engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except StoreUnavailable as error:
        url = engine.url  # its query may hold a password
        where = f"{url.host or url.query.get('host', 'the local socket')}, database {url.database}"
        raise StoreUnavailable(f"PostgreSQL does not answer at {where}: {error}") from error
    if current is not None and current not in {one.revision for one in scripts.walk_revisions()}:
        raise StoreError(f"the schema is at {current}, which this code does not know: run a newer version of Snellen")
    if current != head:
        raise StoreError(f"the schema is at {current or 'nothing'}, this code needs {head}: run `snellen migrate`")


def alembic_config() -> Config:
    config = Config(toml_file=str(ROOT / "pyproject.toml"))
    config.set_main_option("script_location", str(ROOT / "alembic"))
    return config


def _run(url: str, step: Callable[[Config], None]) -> None:
    engine = make_engine(url, application="snellen-migrate")
    try:
        with engine.connect() as connection:
            _upgrade_locked(connection, step)
    except (SQLAlchemyError, psycopg.Error) as error:
        told = _translated(_first_fault(error))
        raise type(told)(f"the migration failed: {told}") from None
    finally:
        engine.dispose()


def _first_fault(error: BaseException) -> DBAPIError | psycopg.Error:
    """The one that began it: what cleans up behind it may fail for it, in words of its own."""
    known = [error]
    while (before := known[-1].__context__) is not None:
        known.append(before)
    faults = [one for one in known if isinstance(one, DBAPIError | psycopg.Error)]
    if not faults:
        raise error
    return faults[-1]


def _upgrade_locked(connection: Connection, step: Callable[[Config], None]) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    # Another's migration may take long, and so may what ours computes; `alembic/env.py` says how patient its steps are.
    for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET {limit} = 0"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.commit()
    try:
        _patiently(connection, lambda: step(config))
        connection.commit()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": MIGRATION_LOCK})
        connection.commit()


def _patiently(connection: Connection, step: Callable[[], None]) -> None:
    """Migrations wait for locks only briefly, so that collectors never wait long behind them; here they come again."""
    for _ in range(LOCK_ATTEMPTS - 1):
        try:
            return step()
        except OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                raise
            connection.rollback()
            time.sleep(LOCK_PAUSE_S)
    return step()
