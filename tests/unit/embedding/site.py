"""A server of pictures on loopback that behaves as badly as a stranger's may."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from tests.pace import wait_for

PICTURE = b"\x89PNG" + bytes(range(256)) * 100
Say = Callable[[socket.socket, "Site"], None]


class Request(NamedTuple):
    target: str
    headers: dict[str, str]


class Site:
    """A server that answers each path by a function that holds the bare socket."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Say] = {"/picture": whole(PICTURE)}
        self.requests: list[Request] = []
        self.connections = 0
        self.busy = self.busiest = 0
        self.over = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._wires: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._spawn(self._accept)

    def close(self) -> None:
        self.over.set()
        for wire in [self._listener, *self._wires]:
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            wait_for(lambda of=thread: not of.is_alive(), 5, "its threads have ended")  # type: ignore[misc]

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                wire, _ = self._listener.accept()
                self.connections += 1
                self._spawn(self._serve, wire)

    def _serve(self, wire: socket.socket) -> None:
        with suppress(OSError, ValueError), wire:
            wire.settimeout(5)
            if self._tls is not None:
                wire = self._tls.wrap_socket(wire, server_side=True)
            self._wires.append(wire)
            with wire, wire.makefile("rb") as lines:
                while request := self._read(lines):
                    self.requests.append(request)
                    with self._lock:
                        self.busy += 1
                        self.busiest = max(self.busiest, self.busy)
                    try:
                        self.answers.get(request.target, whole(b"", "404 Not Found"))(wire, self)
                    finally:
                        with self._lock:
                            self.busy -= 1

    def _read(self, lines: object) -> Request | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = lines.readline()  # type: ignore[attr-defined]
            if not line:
                return None
            head += line
        first, *rest = head.decode().split("\r\n")
        return Request(first.split()[1], dict(line.split(": ", 1) for line in rest if line))


def whole(body: bytes, status: str = "200 OK", *headers: str) -> Say:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])
    return lambda wire, _: wire.sendall(head.encode() + body)


def redirect(to: str, *headers: str) -> Say:
    return whole(b"", "302 Found", f"Location: {to}", *headers)


def dripping(start: bytes, drop: bytes, pause: float = 0.05) -> Say:
    """Never silent for long, and never done."""

    def say(wire: socket.socket, site: Site) -> None:
        wire.sendall(start)
        while not site.over.wait(pause):
            wire.sendall(drop)

    return say


def silent(_: socket.socket, site: Site) -> None:
    site.over.wait(10)


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(tls)
    try:
        yield site
    finally:
        site.close()
