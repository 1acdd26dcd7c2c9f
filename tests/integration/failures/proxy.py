"""A Unix socket between clients and PostgreSQL that can break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NAME = ".s.PGSQL.5432"


class Proxy:
    """Forwards every connection to the server's socket until told to break; then all end, and new ones are refused."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self.forwarded = 0
        """Bytes that clients sent."""
        self._server = str(server / NAME)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / NAME))
        self._listener.listen()
        self._ends: list[socket.socket] = [self._listener]
        self._left: int | None = None
        self._words: list[bytes] = []
        self._broken = False
        self._held_word: bytes | None = None
        self.holding = threading.Event()
        """A client waits for what it has sent to arrive."""
        self._released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, size: int) -> None:
        """Break when clients have sent so many bytes more; those still go through."""
        self._left = size

    def cut_at(self, *words: bytes) -> None:
        """Break once clients sent all these words, in this order: the server acts on them, unheard."""
        self._words = list(words)

    def hold_at(self, word: bytes) -> None:
        """From the first statement on that has this word, what its client sends is on its way until `release`."""
        self._held_word = word

    def release(self) -> None:
        self._released.set()

    def heal(self) -> None:
        self._left, self._words, self._broken = None, [], False

    def close(self) -> None:
        self.release()
        for one in self._ends:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._ends += [client, server]
                for forward, start, end in ((self._to_server, client, server), (self._to_client, server, client)):
                    threading.Thread(target=self._run, args=(forward, start, end), daemon=True).start()

    def _run(self, forward: Callable[[socket.socket, bytes], None], start: socket.socket, end: socket.socket) -> None:
        with suppress(OSError):
            while not self._broken and (data := start.recv(4096)):
                forward(end, data)
        for one in (start, end):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _to_server(self, server: socket.socket, data: bytes) -> None:
        if self._held_word and self._held_word in data:
            self._held_word = None
            self.holding.set()
            self._released.wait()
        if self._words and self._words[0] in data:
            del self._words[0]
            self._broken = not self._words  # before the server can answer
        if self._left is not None and len(data) >= self._left:
            self._broken, data = True, data[: self._left]
        elif self._left is not None:
            self._left -= len(data)
        self.forwarded += len(data)
        server.sendall(data)

    def _to_client(self, client: socket.socket, data: bytes) -> None:
        if not self._broken:
            client.sendall(data)
