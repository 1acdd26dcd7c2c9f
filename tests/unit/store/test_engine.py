"""The database's door: every fault is one of ours, says whether another try may help, and shows no secret."""

from __future__ import annotations

import random
import threading
import traceback

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from monitor.errors import SettingsError, SnellenError, StoreError, StoreTooSlow, StoreUnavailable, UnstorableValue
from monitor.store import engine as store
from monitor.store import locks
from monitor.store.copy import raw
from monitor.store.engine import make_engine, migrate, require_migrated, transaction, translated, trial

SECRET = "hunter2"  # noqa: S105 (of nobody)
AWAY = f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/db"
URLS = [
    AWAY,
    f"postgresql+psycopg://127.0.0.1:1/db?user=u&password={SECRET}",
    f"postgresql+psycopg://user:{SECRET}@127.0.0.1:99999/db",
    f"postgresql+psycopg://user:{SECRET}@127.0.0.1:port/db",
    f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/db?bogus={SECRET}",
    f"postgresql+psycopg://user:{SECRET}@[127.0.0.1/db",
    f"postgres://user:{SECRET}@127.0.0.1:1/db",
    f"just {SECRET}",
]
INSERT = text("INSERT INTO slice_values VALUES ('device', :id)")


def everything_said(error: BaseException | None) -> str:
    """The message and those of its causes, which a traceback would show."""
    return "" if error is None else f"{error} {everything_said(error.__cause__ or error.__context__)}"


@pytest.mark.parametrize("url", URLS)
def test_a_database_that_cannot_be_reached_is_told_without_its_password(url: str) -> None:
    for use in (require_migrated, _use, _hold):
        with pytest.raises(SnellenError) as raised:
            use(make_engine(url))
        assert SECRET not in everything_said(raised.value)
    with pytest.raises(SnellenError) as raised:
        migrate(url)
    assert SECRET not in everything_said(raised.value)


def _use(engine: Engine) -> None:
    with transaction(engine):
        pass


def _hold(engine: Engine) -> None:
    with locks.hold(engine, 1):
        pass


@pytest.mark.parametrize("url", ["nonsense", "sqlite:///x", "postgresql+psycopg://u@h:port/db"])
def test_a_url_that_is_none_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="database_url"):
        make_engine(url)


def test_where_no_server_answers_another_try_may_help() -> None:
    engine = make_engine(AWAY)
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1"):
        require_migrated(engine)
    with pytest.raises(StoreUnavailable), transaction(engine):
        pass
    with pytest.raises(StoreUnavailable), trial(engine):
        pass


@pytest.mark.parametrize(
    "value", ["nul \x00", "".join(map(chr, random.Random(1).choices(range(0x4E00, 0x9000), k=9999)))]
)
def test_a_value_that_no_column_or_index_can_hold_is_told_apart(engine: Engine, value: str) -> None:
    with pytest.raises(UnstorableValue), transaction(engine) as connection:
        connection.execute(INSERT, {"id": value})


def test_a_statement_that_is_refused_is_neither(engine: Engine) -> None:
    for statement in ("SELECT nothing", "INSERT INTO slice_values VALUES (NULL, NULL)"):
        with pytest.raises(StoreError) as raised, transaction(engine) as connection:
            connection.execute(text(statement))
        assert type(raised.value) is StoreError


def test_errors_do_not_quote_what_was_to_be_stored(engine: Engine) -> None:
    with pytest.raises(StoreError) as raised, transaction(engine) as connection:
        connection.execute(text("SELECT CAST(:prompt AS text), nothing"), {"prompt": "a customer's words"})
    assert "customer" not in everything_said(raised.value)


def test_a_trial_leaves_nothing(engine: Engine) -> None:
    with trial(engine) as connection:
        connection.execute(INSERT, {"id": "a"})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM slice_values")).scalar() == 0


def test_a_broken_deadlock_may_be_tried_again(engine: Engine) -> None:
    with engine.begin() as connection:
        for name in "ab":
            connection.execute(INSERT, {"id": name})
    barrier = threading.Barrier(2)
    raised: list[BaseException] = []

    def work(first: str, second: str) -> None:
        update = text("UPDATE slice_values SET dimension = 'site' WHERE value = :id")
        try:
            with transaction(engine) as connection:
                connection.execute(update, {"id": first})
                barrier.wait(5)
                connection.execute(update, {"id": second})
        except StoreUnavailable as error:
            raised.append(error)

    threads = [threading.Thread(target=work, args=pair) for pair in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(raised) == 1


def test_a_lock_is_held_by_one_and_seen_by_all(engine: Engine) -> None:
    with locks.hold(engine, locks.BACKFILL), transaction(engine) as connection:
        assert locks.is_held(connection, locks.BACKFILL)
    with transaction(engine) as connection:
        assert not locks.is_held(connection, locks.BACKFILL)


def test_a_lock_that_several_hold_together_is_seen_until_the_last_lets_go(engine: Engine) -> None:
    with locks.hold(engine, locks.BACKFILL), transaction(engine) as connection:
        with locks.hold(engine, locks.BACKFILL):
            assert locks.is_held(connection, locks.BACKFILL)
            with locks.try_hold(engine, locks.BACKFILL) as alone:
                assert alone is None
        assert locks.is_held(connection, locks.BACKFILL)
        assert not locks.is_held(connection, locks.RETENTION)


def test_who_looks_for_a_lock_is_not_taken_for_its_holder(engine: Engine) -> None:
    with transaction(engine) as one, transaction(engine) as other:
        assert not locks.is_held(one, locks.BACKFILL)
        assert not locks.is_held(other, locks.BACKFILL)
    with locks.try_hold(engine, locks.BACKFILL), transaction(engine) as connection:
        assert locks.is_held(connection, locks.BACKFILL)


def test_a_statement_that_is_broken_off_may_succeed_with_less(engine: Engine) -> None:
    with pytest.raises(StoreTooSlow):
        _oversleep(engine)


def _oversleep(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(text("SET LOCAL statement_timeout = '20ms'"))
        connection.execute(text("SELECT pg_sleep(60)"))


def test_who_freezes_with_a_lock_loses_it_and_who_waits_for_one_is_told(engine: Engine) -> None:
    with transaction(engine) as connection:
        for limit, value in (("idle_in_transaction_session_timeout", "2min"), ("lock_timeout", "1min")):
            assert connection.execute(text(f"SHOW {limit}")).scalar() == value


def test_a_lock_that_is_not_given_in_time_is_a_fault_that_passes(engine: Engine, database_url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(store._SESSION, "lock_timeout", "100ms")
        impatient = make_engine(database_url)
    with transaction(engine) as holder:
        holder.execute(text("SELECT pg_advisory_xact_lock(7)"))
        with pytest.raises(StoreUnavailable, match="lock timeout"), transaction(impatient) as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
    impatient.dispose()


def test_a_session_that_freezes_with_a_lock_is_ended(engine: Engine, database_url: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(store._SESSION, "idle_in_transaction_session_timeout", "100ms")
        frozen = make_engine(database_url)
    with frozen.connect() as sleeper:
        sleeper.execute(text("SELECT pg_advisory_xact_lock(7)"))
        with transaction(engine) as successor:
            successor.execute(text("SELECT pg_advisory_xact_lock(7)"))
        with pytest.raises(StoreUnavailable), translated():
            sleeper.execute(text("SELECT 1"))
    frozen.dispose()


def test_a_server_that_is_gone_without_a_word_is_noticed(engine: Engine) -> None:
    with transaction(engine) as connection:
        ours = raw(connection).info.get_parameters()
        theirs = connection.execute(
            text("SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp_keepalives%' ORDER BY name")
        ).all()
    kept = {name: ours[name] for name in ours if name.startswith(("keepalives", "tcp_user"))}
    assert kept == {
        "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "60000",
    }  # fmt: skip
    assert [tuple(one) for one in theirs] == [
        ("tcp_keepalives_count", "3"), ("tcp_keepalives_idle", "30"), ("tcp_keepalives_interval", "10"),
    ]  # fmt: skip


def test_times_are_utc_whatever_the_server_says(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert connection.execute(text("SHOW timezone")).scalar() == "UTC"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO slice_values (dimension) VALUES ('jane@example.com')",
        "INSERT INTO slice_values VALUES ('jane@example.com', 'b'), ('jane@example.com', 'b')",
    ],
    ids=["a row that lacks a value", "a row that is there twice"],
)
def test_a_row_that_is_refused_is_not_quoted(engine: Engine, statement: str) -> None:
    with pytest.raises(StoreError, match="constraint") as raised, transaction(engine) as connection:
        connection.execute(text(statement))
    assert "jane@example.com" not in printed(raised.value)


def test_a_migration_that_fails_quotes_no_row_and_says_what_to_do(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(config: Config, revision: str) -> None:
        connection = config.attributes["connection"]
        connection.execute(text("INSERT INTO slice_values (dimension) VALUES ('jane@example.com')"))

    with pytest.raises(StoreUnavailable, match=r"the migration failed: .*127\.0\.0\.1"):
        migrate(AWAY)
    monkeypatch.setattr(command, "upgrade", refused)
    with pytest.raises(StoreError, match=r"the migration failed: .*constraint") as raised:
        migrate(database_url)
    assert "jane@example.com" not in printed(raised.value)
    assert "sqlalche.me" not in printed(raised.value)


def test_a_migration_whose_connection_ends_says_so_though_cleaning_up_fails_too(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(config: Config, revision: str) -> None:
        connection = config.attributes["connection"]
        try:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        finally:
            connection.execute(text("SELECT 1"))

    monkeypatch.setattr(command, "upgrade", ended)
    with pytest.raises(StoreUnavailable, match=r"the migration failed: .*terminating connection"):
        migrate(database_url)


def test_a_value_that_cannot_be_copied_is_not_quoted_with_its_line(engine: Engine) -> None:
    with pytest.raises(UnstorableValue, match="out of range") as raised:
        _copy(engine, (99999, "jane@example.com"))
    assert "COPY" not in printed(raised.value).rpartition("UnstorableValue")[2]


def _copy(engine: Engine, row: tuple[object, ...]) -> None:
    with transaction(engine) as connection:
        raw(connection).execute("CREATE TEMP TABLE given (at int2, who text)")
        with raw(connection).cursor().copy("COPY given FROM STDIN") as copy:
            copy.write_row(row)


def printed(error: BaseException) -> str:
    """As a log would have it."""
    return "".join(traceback.format_exception(error))
