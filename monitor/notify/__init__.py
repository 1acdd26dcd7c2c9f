"""One file per notification channel. A new one is one file, one line in `CHANNELS`, and its row in docs/channels.md."""

from __future__ import annotations

from monitor.notify.log import Log
from monitor.notify.message import AlertMessage, Channel
from monitor.notify.webhook import Webhook

CHANNELS: dict[str, type[Channel]] = {
    "log": Log,
    "webhook": Webhook,
}
"""Names that an OpenSLO AlertNotificationTarget may have as its target."""
NEEDED = {"webhook": "alerts.webhook.url (or SNELLEN_ALERTS__WEBHOOK__URL)"}
"""Channel -> the setting without which it is not configured; one that is not here always is."""

__all__ = ["CHANNELS", "NEEDED", "AlertMessage", "Channel", "Log", "Webhook"]
