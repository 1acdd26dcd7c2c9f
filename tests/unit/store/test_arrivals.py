"""Who was first: on the own day, around midnight also on the day beside it, and nowhere else."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from monitor.domain.events import Model, Prediction
from monitor.store.engine import transaction
from monitor.store.partitions import DayPartitions
from monitor.store.predictions import Arrival, Known, claim, find, known_hashes

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ONCE = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def engine(engine: Engine) -> Engine:
    DayPartitions(engine).ensure(NOON + day * DAY for day in range(-3, 4))
    return engine


def arrival(request_id: str, ts: datetime, content: bytes = b"x") -> Arrival:
    event = Prediction(request_id=request_id, ts=ts, model=Model(name="m"), task="vqa", status="ok")
    return Arrival(event, content, None)


def enter(connection: Connection, *arrivals: Arrival) -> set[str]:
    return claim(connection, arrivals)


def test_the_first_of_an_id_is_new_and_the_second_known(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert enter(connection, arrival("a", NOON), arrival("b", NOON)) == {"a", "b"}
        assert enter(connection, arrival("a", NOON, b"y"), arrival("c", NOON)) == {"c"}
        assert known_hashes(connection, {"a": NOON, "z": NOON}) == {"a": b"x"}


@given(
    shift=st.integers(min_value=-3, max_value=3),
    hour=st.integers(min_value=0, max_value=23),
    other=st.integers(min_value=0, max_value=23),
)
@ONCE
def test_an_id_is_known_on_its_day_and_across_midnight_and_new_elsewhere(
    engine: Engine, shift: int, hour: int, other: int
) -> None:
    first = NOON.replace(hour=hour)
    second = NOON.replace(hour=other) + shift * DAY
    with engine.connect() as connection:  # rolled back
        enter(connection, arrival("a", first))
        known = shift == 0 or (shift == 1 and other < 2) or (shift == -1 and other >= 22)
        assert enter(connection, arrival("a", second, b"y")) == (set() if known else {"a"})
        assert known_hashes(connection, {"a": second}) == {"a": b"x" if known else b"y"}


def test_what_is_known_on_the_own_day_goes_before_what_is_known_beside_it(engine: Engine) -> None:
    with transaction(engine) as connection:
        enter(connection, arrival("a", NOON - DAY, b"before"))
        enter(connection, arrival("a", NOON + DAY, b"after"))
        assert known_hashes(connection, {"a": NOON - DAY}) == {"a": b"before"}
        assert known_hashes(connection, {"a": NOON + DAY}) == {"a": b"after"}
        assert [one.ts for one in find(connection, ["a", "b"])] == [NOON - DAY, NOON + DAY]


def test_an_id_is_found_on_any_day(engine: Engine) -> None:
    with transaction(engine) as connection:
        enter(connection, arrival("a", NOON - 3 * DAY), arrival("b", NOON))
        assert find(connection, ["a"]) == [Known("a", NOON - 3 * DAY, b"x")]


def test_two_writers_of_the_same_ids_wait_and_one_of_them_is_first(engine: Engine) -> None:
    names = [f"r{number}" for number in range(200)]
    found: list[set[str]] = []
    barrier = threading.Barrier(2)

    def work(order: int) -> None:
        barrier.wait(5)
        with transaction(engine) as connection:
            found.append(enter(connection, *(arrival(one, NOON) for one in names[::order])))

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found[0] | found[1]) == sorted(names)
    assert not found[0] & found[1]


def test_a_claim_touches_only_the_partitions_around_its_day(engine: Engine) -> None:
    with transaction(engine) as connection:
        enter(connection, arrival("a", NOON))
        locked = connection.execute(
            text("""
                SELECT DISTINCT relname FROM pg_locks JOIN pg_class ON pg_class.oid = relation
                WHERE pid = pg_backend_pid() AND relname ~ '^arrivals_[0-9]+$' ORDER BY relname
            """)
        )
        assert locked.scalars().all() == ["arrivals_20261119", "arrivals_20261120", "arrivals_20261121"]
