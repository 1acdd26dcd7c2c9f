"""Pictures over HTTP, from hosts that are allowed and addresses that were checked.

What protects against requests on behalf of strangers (server-side request forgery, OWASP SSRF Prevention Cheat Sheet):
the URL is read by one strict grammar, its origin must be on the allow-list, the name is resolved here and all of its
addresses are checked, the connection goes to one of these very addresses (so that a second answer of the name server
changes nothing) while TLS verifies the name, and every redirect goes the same way from the start.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from threading import BoundedSemaphore
from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError

from monitor import __version__
from monitor.deadline import Deadline
from monitor.embedding.addresses import Address
from monitor.embedding.connections import Connections, Endpoint
from monitor.embedding.places import Place, Places
from monitor.embedding.refusals import Refusal, shortened
from monitor.embedding.urls import Origin, Url
from monitor.errors import ImageRefused

MAX_REDIRECTS = 3
ATTEMPTS = 2
PAUSE_S = 0.1
"""Before the second attempt."""
CHUNK = 64 * 1024
MAX_ADDRESSES = 4
"""Tried of one host."""
RESOLVERS = 4
"""Names that are looked up at once: the system's resolver knows no time-out, so it runs apart."""

_REDIRECTS = {301, 302, 303, 307, 308}
_ABSENT = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_PASSING = {429, 500, 502, 503, 504}
_HEADERS = {
    "Accept": "image/*",
    "Accept-Encoding": "identity",  # pictures are compressed already; a second layer would be a place to hide a bomb
    "User-Agent": f"snellen/{__version__}",
}

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host name, in the order to try them. Raises OSError where there are none."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Bounds of one picture; seconds are wall time."""

    max_bytes: int
    total_s: float = 10.0
    """For all of it: name, redirects, attempts, and waiting for others to finish."""
    connect_s: float = 3.0
    silence_s: float = 5.0
    """Between two bytes."""
    at_once: int = 8
    """Requests per entry of the allow-list."""


class _Again(Exception):
    """A fault that may be gone in a moment."""

    def __init__(self, refusal: ImageRefused) -> None:
        self.refusal = refusal


def resolve(host: str, port: int) -> list[str]:
    """By the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches pictures. May be used by several threads.

    Args:
        places: what may be fetched from where.
        cafile: see `Connections`.
    """

    def __init__(
        self, places: Places, limits: FetchLimits, cafile: Path | None = None, resolve: Resolve = resolve
    ) -> None:
        self._places = places
        self._limits = limits
        self._resolve = resolve
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._connections = Connections(cafile, limits.connect_s, limits.silence_s)
        self._turns = {entry: BoundedSemaphore(limits.at_once) for entry in places.entries}

    def fetch(self, reference: str) -> bytes:
        """The bytes behind an `http:`, `https:` or `s3:` reference. Nothing is said of what they are.

        Raises:
            ImageRefused: they may not be fetched, or could not be.
        """
        deadline = Deadline(self._limits.total_s)
        place = self._places.locate(reference)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._with_a_second_attempt(place, deadline)
            if isinstance(answer, bytes):
                return answer
            place = self._places.locate(answer)
        raise ImageRefused(Refusal.REDIRECTED, f"{shortened(reference)}: over {MAX_REDIRECTS} redirects")

    def close(self) -> None:
        """Let go of idle connections and threads."""
        self._connections.close()
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def _with_a_second_attempt(self, place: Place, deadline: Deadline) -> bytes | str:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self._turn(place, deadline), _translated(place.url, deadline):
                    return self._ask(place.url, deadline)
            except _Again as fault:
                if attempt == ATTEMPTS or deadline.left <= PAUSE_S:
                    raise fault.refusal from None
            time.sleep(PAUSE_S)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _turn(self, place: Place, deadline: Deadline) -> Iterator[None]:
        turns = self._turns[place.allowed_by]
        if not turns.acquire(timeout=deadline.left):
            raise ImageRefused(Refusal.TIMED_OUT, f"{shortened(str(place.url))}: {place.allowed_by} is too busy")
        try:
            yield
        finally:
            turns.release()

    def _ask(self, url: Url, deadline: Deadline) -> bytes | str:
        """The body, or the address that it redirects to."""
        endpoint, connection = self._connect(url, deadline)
        whole = False
        try:
            with deadline.cutting(connection.sock):  # later it may be the answer's
                connection.request(
                    "GET", url.target, headers=_HEADERS | {"Host": url.origin.authority}, preload_content=False
                )
                answer = self._read(url, connection)
            if deadline.passed:  # to the reader, a cut connection may look like one that came to its end
                raise TimeoutError
            whole = isinstance(answer, bytes) and connection.sock is not None
            return answer
        finally:
            if whole:
                self._connections.keep(endpoint, connection)
            else:
                connection.close()

    def _connect(self, url: Url, deadline: Deadline) -> tuple[Endpoint, HTTPConnection]:
        """To the first address that answers."""
        fault: Exception | None = None
        for address in self._checked_addresses(url, deadline)[:MAX_ADDRESSES]:
            endpoint = (url.origin, address)
            try:
                return endpoint, self._connections.take(endpoint, deadline)
            except (HTTPError, OSError) as error:
                fault = error
        raise fault or OSError(f"{url.origin.host} has no address")

    def _checked_addresses(self, url: Url, deadline: Deadline) -> list[Address]:
        """All addresses of the host; one that may not be asked spoils the others, for who mixes them means harm."""
        literal = url.origin.address
        addresses = [literal] if literal is not None else self._addresses_of(url.origin, deadline)
        forbidden = [str(one) for one in addresses if not self._places.may_connect(url, one)]
        if forbidden:
            raise ImageRefused(
                Refusal.ADDRESS_NOT_ALLOWED,
                f"{shortened(str(url))}: {url.origin.host} is {', '.join(forbidden)}, which is neither public nor in "
                "embedder.image_networks",
            )
        return addresses

    def _addresses_of(self, origin: Origin, deadline: Deadline) -> list[Address]:
        looked_up = self._resolvers.submit(self._resolve, origin.host, origin.port)
        found = looked_up.result(timeout=min(self._limits.connect_s, deadline.left))
        return [ip_address(one) for one in found]

    def _read(self, url: Url, connection: HTTPConnection) -> bytes | str:
        with closing(connection.getresponse()) as response:  # it may own the connection by now
            return self._judge(url, response)

    def _judge(self, url: Url, response: BaseHTTPResponse) -> bytes | str:
        status = response.status
        if status in _REDIRECTS and "Location" in response.headers:
            return urljoin(str(url), response.headers["Location"])
        if status == HTTPStatus.OK:
            return self._body(url, response)
        refusal = ImageRefused(
            Refusal.MISSING if status in _ABSENT else Refusal.HTTP_ERROR,
            f"{shortened(str(url))}: answered {status} {shortened(response.reason or '')}".rstrip(),
        )
        raise _Again(refusal) if status in _PASSING else refusal

    def _body(self, url: Url, response: BaseHTTPResponse) -> bytes:
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.lower() != "identity":
            raise ImageRefused(
                Refusal.UNREADABLE, f"{shortened(str(url))}: answered in {shortened(coding)}, which was not asked for"
            )
        body = bytearray()
        self._demand_small(url, response.length_remaining or 0)
        while chunk := response.read(CHUNK, decode_content=False):
            body += chunk
            self._demand_small(url, len(body))
        return bytes(body)

    def _demand_small(self, url: Url, size: int) -> None:
        limit = self._limits.max_bytes
        if size > limit:
            raise ImageRefused(
                Refusal.TOO_LARGE, f"{shortened(str(url))}: over {limit} bytes (embedder.max_image_bytes)"
            )


@contextmanager
def _translated(url: Url, deadline: Deadline) -> Iterator[None]:
    """Turn the faults of the network into refusals at this door.

    Raises:
        ImageRefused: for good: a certificate that is not the host's.
        _Again: all others.
    """
    name = shortened(str(url))
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise ImageRefused(Refusal.UNTRUSTED, f"{name}: {error.verify_message}") from None
    except (HTTPError, HTTPException, OSError, ValueError) as error:
        if deadline.passed or _is_time_out(error):
            raise _Again(ImageRefused(Refusal.TIMED_OUT, f"{name}: no answer in time")) from None
        raise _Again(ImageRefused(Refusal.UNREACHABLE, f"{name}: {shortened(str(error))}")) from None


def _is_time_out(error: Exception) -> bool:
    """In urllib3 a refused connection is a kind of time-out, too."""
    kinds = (TimeoutError, ConnectTimeoutError, ReadTimeoutError)
    return isinstance(error, kinds) and not isinstance(error, NewConnectionError)
