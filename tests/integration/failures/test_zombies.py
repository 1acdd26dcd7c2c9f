"""A collector that does not know yet that others have its partitions writes all the same: the offset fences it.

Its batch is on its way to PostgreSQL, inside of a transaction, while it is suspended until another collector has taken
over and stored the same records. So each run has a write to fence; at random moments (`test_chaos.py`) it is seldom.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.failures.fleet import GRACE_S, Fleet, Servers
from tests.integration.failures.proxy import Proxy
from tests.integration.failures.test_process_faults import assert_each_once, event, produce, stored
from tests.pace import wait_for

pytestmark = pytest.mark.integration
FIRST, TAKEN_OVER, LAST = 100, 400, 450
MOVES_THE_OFFSET = b"set_config('idle_in_transaction_session_timeout'"
"""In the first statement of a transaction that stores a batch."""


@pytest.fixture
def proxy(servers: Servers, tmp_path: Path) -> Iterator[Proxy]:
    folder = parse_qs(urlsplit(servers.postgres.url).query)["host"][0]
    with closing(Proxy(Path(folder), tmp_path)) as made:
        yield made


def test_a_zombie_s_write_that_was_on_its_way_is_fenced(servers: Servers, proxy: Proxy, tmp_path: Path) -> None:
    address = urlsplit(servers.postgres.url)._replace(query=f"host={proxy.folder}&port=5432").geturl()
    logs = {name: tmp_path / name for name in ("sleeper", "successor")}
    for folder in logs.values():
        folder.mkdir()
    sleepers = Fleet(servers, logs["sleeper"], {"SNELLEN_DATABASE_URL": address})
    successors = Fleet(servers, logs["successor"])
    try:
        sleeper = sleepers.start("ingest")
        produce(servers, [event(index) for index in range(FIRST)])
        wait_for(lambda: stored(servers) == FIRST, 30, "it reads")
        proxy.hold_at(MOVES_THE_OFFSET)
        produce(servers, [event(index) for index in range(FIRST, TAKEN_OVER)])
        wait_for(proxy.holding.is_set, 10, "it holds")
        sleeper.pause()
        successors.start("ingest")
        wait_for(lambda: stored(servers) == TAKEN_OVER, 30, "another has taken over")
        sleeper.wake()
        proxy.release()
        wait_for(lambda: "its partition has another owner" in _text(logs["sleeper"]), GRACE_S, "it is fenced")
        produce(servers, [event(index) for index in range(TAKEN_OVER, LAST)])
        wait_for(lambda: stored(servers) == LAST, 30, "both go on")
        assert_each_once(servers, LAST)
        assert servers.rows("SELECT outcome, sum(records)::int FROM ingest_counters GROUP BY 1") == [("accepted", LAST)]
        sleepers.leave(sleeper)
        assert [*sleepers.crashes(), *successors.crashes()] == []
    finally:
        proxy.release()
        sleepers.end()
        successors.end()


def _text(logs: Path) -> str:
    return "".join(file.read_text() for file in logs.glob("*.log"))
