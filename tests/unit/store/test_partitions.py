"""Day partitions come on demand, and nobody waits for them who does not need them."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from monitor.errors import StoreUnavailable
from monitor.store.engine import transaction
from monitor.store.models import PARTITIONED_BY_DAY
from monitor.store.partitions import DayPartitions, ensure_days, existing_days
from tests.pace import wait_for

DAY = date(2026, 11, 20)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ARRIVE = text("INSERT INTO arrivals VALUES (:id, '\\x00', :ts)")


def test_a_day_has_a_partition_of_every_table_from_midnight_to_midnight(engine: Engine) -> None:
    eve = datetime(2026, 11, 20, 23, 30, tzinfo=UTC).astimezone(tz=None)
    DayPartitions(engine).ensure([eve])
    with transaction(engine) as connection:
        assert existing_days(connection) == {DAY}
        for table in PARTITIONED_BY_DAY:
            bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = :name"
            found = connection.execute(text(bounds), {"name": f"{table}_20261120"}).scalar_one()
            assert found == "FOR VALUES FROM ('2026-11-20 00:00:00+00') TO ('2026-11-21 00:00:00+00')"


def test_partitions_of_arrivals_have_a_key_of_their_own(engine: Engine) -> None:
    DayPartitions(engine).ensure([NOON])
    twice = [{"id": "a", "ts": NOON + timedelta(minutes=minute)} for minute in (1, 2)]
    with pytest.raises(IntegrityError, match="arrivals_20261120_pkey"), engine.begin() as connection:
        connection.execute(ARRIVE, twice)


def test_a_new_day_waits_for_no_reader_and_no_writer(engine: Engine) -> None:
    days = DayPartitions(engine)
    days.ensure([NOON])
    with engine.connect() as reader, engine.connect() as writer:
        reader.execute(text("SELECT count(*) FROM predictions"))
        writer.execute(ARRIVE, {"id": "a", "ts": NOON})
        with transaction(engine) as connection:
            connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            ensure_days(connection, [DAY + timedelta(days=1)])
        writer.execute(ARRIVE, {"id": "b", "ts": NOON + timedelta(days=1)})
        writer.commit()


def test_two_that_need_the_same_day_at_once_both_get_it(engine: Engine) -> None:
    """The second looks before the first has committed, waits, and looks again: what it knew is out of date."""
    faults: list[Exception] = []

    def second() -> None:
        try:
            DayPartitions(engine).ensure([NOON])
        except Exception as error:  # noqa: BLE001 (told below)
            faults.append(error)

    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with transaction(engine) as connection:
        for _ in range(8):  # a connection in use has its statements prepared
            DayPartitions(engine).ensure([NOON - timedelta(days=1)])
        ensure_days(connection, [DAY])
        other = threading.Thread(target=second)
        other.start()
        wait_for(lambda: connection.execute(waits).scalar_one(), 10, "the second comes")
    wait_for(lambda: not other.is_alive(), 10, "the second has its day")
    assert not faults
    with transaction(engine) as connection:
        assert existing_days(connection) == {DAY - timedelta(days=1), DAY}


def test_a_partition_that_was_taken_off_comes_back_with_its_rows(engine: Engine) -> None:
    days = DayPartitions(engine)
    days.ensure([NOON])
    with transaction(engine) as connection:
        connection.execute(ARRIVE, {"id": "a", "ts": NOON})
        connection.execute(text("ALTER TABLE arrivals DETACH PARTITION arrivals_20261120"))
    days.ensure([NOON])
    with transaction(engine) as connection:
        assert connection.execute(text("SELECT request_id FROM arrivals")).scalars().all() == ["a"]


def test_a_row_whose_day_was_retired_meanwhile_may_be_tried_again(engine: Engine) -> None:
    with pytest.raises(StoreUnavailable, match="no partition"), transaction(engine) as connection:
        connection.execute(ARRIVE, {"id": "a", "ts": NOON})


def test_a_day_that_is_being_detached_is_told_as_passing(engine: Engine) -> None:
    days = DayPartitions(engine)
    days.ensure([NOON])
    with engine.connect() as reader, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as retention:
        reader.execute(text("SELECT count(*) FROM arrivals"))
        retention.execute(text("SET lock_timeout = '100ms'"))
        with pytest.raises(Exception, match="lock timeout"):
            retention.execute(text("ALTER TABLE arrivals DETACH PARTITION arrivals_20261120 CONCURRENTLY"))
        with pytest.raises(StoreUnavailable, match="arrivals_20261120"):
            days.ensure([NOON])
