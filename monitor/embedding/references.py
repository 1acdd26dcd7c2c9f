"""The bytes behind an image reference. References come from outside, so nothing about them is trusted."""

from __future__ import annotations

import base64
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from monitor.embedding.fetching import Fetcher, FetchLimits
from monitor.embedding.places import Places
from monitor.embedding.refusals import Refusal, shortened
from monitor.errors import ImageRefused, SettingsError

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_INLINE = re.compile(r"data:image/[A-Za-z0-9.+-]+(?:;[^;,]+)*;base64,", re.IGNORECASE)


class References:
    """Reads files below the allowed folders, inline pictures, and what may be fetched. May be used by several threads.

    Args:
        roots: folders below which files may be read; none: no file is.
        max_bytes: of one picture.
        fetcher: of what lies elsewhere; None: nothing is fetched.

    Raises:
        SettingsError: a root is not a folder.
    """

    def __init__(self, roots: Iterable[Path], max_bytes: int, fetcher: Fetcher | None = None) -> None:
        given = list(roots)
        faults = [
            f"embedder.image_roots: {root} is not a folder; make it or leave it out"
            for root in given
            if not root.is_dir()
        ]
        if faults:
            raise SettingsError(faults)
        self._roots = [root.resolve() for root in given]
        self._max_bytes = max_bytes
        self._fetcher = fetcher or Fetcher(Places(), FetchLimits(max_bytes))

    def read(self, reference: str) -> bytes:
        """The bytes that a path, or a URL (`file:`, `data:`, `http:`, `https:`, `s3:`) names.

        Raises:
            ImageRefused: it may not be read, or cannot.
        """
        scheme = _SCHEME.match(reference)
        match scheme[1].lower() if scheme else None:
            case None:
                return self._read_file(reference)
            case "file":
                return self._read_file(_path_of(reference))
            case "data":
                return self._read_inline(reference)
            case "http" | "https" | "s3":
                return self._fetcher.fetch(reference)
        raise ImageRefused(
            Refusal.UNSUPPORTED_SCHEME,
            f"{shortened(reference)}: give a path below embedder.image_roots, data:image/...;base64,..., "
            "or an https: or s3: address that embedder.image_hosts or embedder.image_buckets allow",
        )

    def _read_inline(self, reference: str) -> bytes:
        head = _INLINE.match(reference)
        if head is None:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)} is not data:image/...;base64,...")
        body = reference[head.end() :]
        self._check_size(len(body) // 4 * 3, reference)
        try:
            return base64.b64decode(body, validate=True)
        except ValueError as error:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(reference)}: {error}") from None

    def _read_file(self, path: str) -> bytes:
        try:
            with open(self._locate(path), "rb", opener=_open_plainly) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise ImageRefused(Refusal.UNREADABLE, f"{shortened(path)} is not a regular file")
                self._check_size(status.st_size, path)
                return file.read(self._max_bytes)
        except FileNotFoundError:
            raise ImageRefused(Refusal.MISSING, f"{shortened(path)} does not exist (or not here)") from None
        except OSError as error:
            raise ImageRefused(Refusal.UNREADABLE, f"{shortened(path)}: {error.strerror}") from None

    def _locate(self, text: str) -> Path:
        """The real path of a reference; a relative one is looked for below each root in turn."""
        path = Path(text)
        if not text or "\0" in text or ".." in path.parts:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(text)!r}: a path without '..' is needed")
        try:
            found = [(root / path).resolve() for root in self._roots]  # an absolute path takes the place of the root
        except RuntimeError as error:  # symlinks in a circle
            raise ImageRefused(Refusal.UNREADABLE, f"{shortened(text)}: {error}") from None
        except UnicodeEncodeError as error:
            raise ImageRefused(Refusal.MALFORMED, f"{shortened(text)}: {error}") from None
        allowed = [one for one in found if any(one.is_relative_to(root) for root in self._roots)]
        if not allowed:
            raise ImageRefused(Refusal.OUTSIDE_ROOTS, f"{shortened(text)} lies outside embedder.image_roots")
        return next((one for one in allowed if one.exists()), allowed[0])

    def _check_size(self, size: int, reference: str) -> None:
        if size > self._max_bytes:
            raise ImageRefused(
                Refusal.TOO_LARGE,
                f"{shortened(reference)}: {size} bytes, embedder.max_image_bytes is {self._max_bytes}",
            )


def _path_of(url: str) -> str:
    """The path of a `file:` URL (RFC 8089) on this host."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ImageRefused(Refusal.MALFORMED, f"{shortened(url)}: {error}") from None
    if parts.netloc not in ("", "localhost"):
        raise ImageRefused(Refusal.MALFORMED, f"{shortened(url)} names a host; file:///absolute/path is needed")
    return unquote(parts.path)


def _open_plainly(path: str, flags: int) -> int:
    """Follow no symlink that came since the path was resolved, and do not wait at a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
