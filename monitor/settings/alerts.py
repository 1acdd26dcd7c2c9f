"""Where people hear of alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from monitor.settings.section import Strict


def _address(link: str | None) -> str | None:
    """Without the slash behind it, which the paths of pages bring."""
    if not link:
        return None
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address such as https://snellen.example.org")
    if parts.query or parts.fragment:
        raise ValueError("must be the address alone, with nothing behind ? or #")
    return link.rstrip("/")


class Webhook(Strict, frozen=True):
    url: str | None = None
    """Where the webhook channel posts; none: it is not configured."""
    secret: SecretStr | None = None
    """Signs the body (HMAC-SHA256) so that the receiver can check the sender."""


class Alerts(Strict, frozen=True):
    slo_dir: Path = Path("slos")
    """Folder of OpenSLO documents."""
    webhook: Webhook = Webhook()
    link_base: Annotated[str | None, AfterValidator(_address)] = None
    """Address of the dashboard as people reach it, put into messages; empty: the one `snellen up` printed."""


class Dashboard(Strict, frozen=True):
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    """Preferred; the next free one is taken when it is in use. Always bound to 127.0.0.1."""
