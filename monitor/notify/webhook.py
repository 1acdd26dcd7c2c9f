"""POST of the message as JSON to an address of one's own: the way to anything that has no channel here.

Headers: `Idempotency-Key` is the dedup key, the same at every attempt. `X-Snellen-Signature-256: sha256=HEX`, where a
secret is set, is the HMAC-SHA256 of the body (RFC 2104), by which the receiver knows the sender.
Answers: 2xx is delivered. Those that refuse this very message are final; all else is tried again, as are faults of the
network: a route that is missing for a minute, or a token that was changed, must not cost a page.
Redirects are not followed: they would carry the message to an address that nobody configured.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import ssl
from contextlib import closing, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import SplitResult, quote, urlsplit

from monitor import __version__
from monitor.errors import NotificationError, SettingsError
from monitor.hosts import DEFAULT_PORTS
from monitor.notify.connection import connected
from monitor.notify.message import AlertMessage

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 1024
"""Read of a refusal, for people; the rest of an answer, and the body of a success, stay unread."""

_FINAL = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
)
"""Said of the message, which is the same at the next attempt (RFC 9110 section 15.5, RFC 6585 section 5)."""
_PLAIN = re.compile(r"[!-~]+")  # visible ASCII


class Webhook:
    """Posts to one address.

    Args:
        url: http or https, without user and password. It may hold a token, so messages never show more than its host.
        secret: signs the body; None sends it unsigned.
        timeout: seconds for a whole attempt, above 0.

    Raises:
        SettingsError: the address is none.
    """

    def __init__(self, url: str, secret: str | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self._url = _parse(url)
        self._secret = secret
        self._timeout = timeout

    @property
    def host(self) -> str:
        """Scheme, host and port: what may be shown of the address."""
        return f"{self._url.scheme}://{self._url.netloc}"

    def notify(self, message: AlertMessage) -> None:
        """See `Channel`."""
        body = json.dumps(message.as_json(), ensure_ascii=False).encode()
        try:
            status, answer = self._post(body, self._headers(message, body))
        except (OSError, HTTPException) as error:
            raise NotificationError(f"{self.host} did not answer: {str(error) or type(error).__name__}") from error
        if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return
        hint = "; redirects are not followed, set the final address" if status < HTTPStatus.BAD_REQUEST else ""
        said = f"{self.host} answered {status}{hint} {answer}".rstrip()
        raise NotificationError(said, permanent=status in _FINAL)

    def _headers(self, message: AlertMessage, body: bytes) -> dict[str, str]:
        headers = {
            "Host": self._url.netloc,
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"snellen/{__version__}",
            "Idempotency-Key": quote(message.dedup_key, safe="/:~-._"),
        }
        if self._secret:
            digest = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Snellen-Signature-256"] = f"sha256={digest}"
        return headers

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """Status, and the beginning of the body of a refusal."""
        host, port = self._url.hostname or "", self._url.port or DEFAULT_PORTS[self._url.scheme]
        tls = ssl.create_default_context() if self._url.scheme == "https" else None
        path = self._url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        with (
            closing(HTTPConnection(host, port)) as connection,
            connected(host, port, tls, self._timeout) as connection.sock,
        ):
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            return response.status, "" if response.status < HTTPStatus.MULTIPLE_CHOICES else _excerpt(response)


def _excerpt(response: HTTPResponse) -> str:
    with suppress(OSError, HTTPException):  # the status says enough
        return " ".join(response.read(MAX_ANSWER_BYTES).decode("utf-8", "replace").split())[:200]
    return ""


def _parse(url: str) -> SplitResult:
    hint = "alerts.webhook.url must be a plain http or https address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"{hint}: {error}") from None
    if not _PLAIN.fullmatch(url) or parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0:
        raise SettingsError(f"{hint}, such as https://hooks.example.com/snellen")
    if parts.username is not None or parts.password is not None:
        raise SettingsError(f"{hint} without user and password; have the receiver check the signature instead")
    return parts
