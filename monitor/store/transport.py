"""How a connection to PostgreSQL is secured, as its URL says."""

from __future__ import annotations

from sqlalchemy import URL

from monitor.hosts import is_local

SAFE = "verify-full"
DEFAULT = "prefer"  # of libpq: encrypted where the server offers it, with whatever certificate


def weakness(url: URL) -> str | None:
    """What somebody between us and a remote server could do; None where the server is local or its name is verified.

    libpq's documentation, "SSL Support", table "SSL Mode Descriptions": only `verify-full` keeps off both
    eavesdroppers and impostors.
    """
    mode = _last(url, "sslmode") or DEFAULT
    remote = [host for host in _hosts(url) if not is_local(host)]
    if not remote or mode == SAFE:
        return None
    return (
        f"the connection to PostgreSQL at {', '.join(remote)} has sslmode {mode}: who sits in between can pose as the "
        f"server and read everything; write ?sslmode={SAFE}&sslrootcert=FILE behind the address"
    )


def _hosts(url: URL) -> list[str]:
    named = url.query.get("host", ()) if url.host is None else url.host
    several = [named] if isinstance(named, str) else named
    return [host for one in several for host in one.split(",")]


def _last(url: URL, name: str) -> str | None:
    found = url.query.get(name)
    return found[-1] if isinstance(found, tuple) else found
