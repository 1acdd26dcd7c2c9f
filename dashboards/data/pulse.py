"""Whether PostgreSQL answers at all. One that hangs refuses nothing: who waits for it would wait without a word."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from math import inf
from threading import Lock, Thread
from time import monotonic
from typing import Final, TypeVar

from sqlalchemy import Engine, text

from monitor import bootstrap
from monitor.errors import StoreError, StoreUnavailable
from monitor.store.engine import transaction

R = TypeVar("R")

PATIENCE_S: Final = 2.0
"""A question that takes longer is waited for only while others are answered; also how long an answer proves life."""
LIMIT_S: Final = 3.0
"""In which a server that lives answers the shortest question, on a busy machine, too."""

IN_BACKGROUND: Final = "a question to PostgreSQL"


class Pulse:
    """Asks the shortest of questions, one at a time, on a connection of its own: slow pages do not keep it waiting."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._asking: Future[None] | None = None
        self._asked_at = -inf
        self._unanswered_since: datetime | None = None
        self._heard: datetime | None = None
        self._alive_until = -inf
        """By `monotonic`: a clock that is set proves nothing."""

    def close(self) -> None:
        """Give the connection back, unless it still waits for its answer."""
        self._engine.dispose()

    def heard(self) -> None:
        """The server answered somebody just now."""
        self._heard, self._unanswered_since = bootstrap.now(), None
        self._alive_until = monotonic() + PATIENCE_S

    def require(self) -> None:
        """Return when the server answers, within `LIMIT_S`; at once where somebody has waited for so long already.

        Raises:
            StoreUnavailable: it does not; says where it is, since when, and how long before it did.
            StoreError: it refuses us.
        """
        if monotonic() < self._alive_until:
            return
        try:
            asking = self._question()
            asking.result(max(0.0, self._asked_at + LIMIT_S - monotonic()))
        except TimeoutError:
            raise StoreUnavailable(self._silence()) from None
        except StoreUnavailable as error:
            raise StoreUnavailable(f"{self._silence()} {error}") from None
        self.heard()

    def _question(self) -> Future[None]:
        """The one that is still open, else a new one: however many wait, the server is asked once."""
        with self._lock:
            if self._asking is None or self._asking.done():
                self._unanswered_since = self._unanswered_since or bootstrap.now()
                self._asked_at = monotonic()
                self._asking = in_background(self._ask)
            return self._asking

    def _ask(self) -> None:
        with transaction(self._engine) as connection:
            connection.execute(text("SELECT 1"))

    def _silence(self) -> str:
        url = self._engine.url  # its query may hold a password
        where = f"{url.host or url.query.get('host', 'the local socket')}, database {url.database}"
        since = self._unanswered_since or bootstrap.now()
        before = "" if self._heard is None else f"; its last answer came at {self._heard:%Y-%m-%d %H:%M:%S} UTC"
        return f"PostgreSQL does not answer at {where}, since {since:%Y-%m-%d %H:%M:%S} UTC{before}."


def patiently(pulse: Pulse, work: Callable[[], R]) -> R:
    """What the work returns, however long that takes, as long as the server answers others meanwhile.

    The work goes on by itself where it is given up: let it only read.

    Raises:
        StoreUnavailable: the server fell silent.
    """
    pulse.require()
    answer = in_background(work)
    while True:
        try:
            found = answer.result(PATIENCE_S)
        except TimeoutError:
            if answer.done():  # the work's own
                raise
            pulse.require()
        else:
            pulse.heard()
            return found


def in_background(work: Callable[[], R]) -> Future[R]:
    """The work in a thread of its own, which a process that ends does not wait for."""
    answer: Future[R] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 (whoever asked hears of it)
            answer.set_exception(error)

    Thread(target=run, name=IN_BACKGROUND, daemon=True).start()
    return answer


def silence(pulse: Pulse) -> str | None:
    """What is wrong with the server, None where it answers."""
    try:
        pulse.require()
    except StoreError as error:
        return str(error)
    return None
