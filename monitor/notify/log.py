"""The log of the process that delivers: always there, and where one looks when nothing else arrives."""

from __future__ import annotations

import logging

from monitor.notify.message import AlertMessage

log = logging.getLogger(__name__)

_LEVELS = {"page": logging.ERROR, "ticket": logging.WARNING}


class Log:
    """One log record per message: the summary as its text, everything else as fields (`extra`).

    Pages are errors and tickets warnings, so that a log collector can alert on them too; a closed incident is info.
    """

    def notify(self, message: AlertMessage) -> None:
        """Never fails: logging handlers swallow their own faults."""
        level = logging.INFO if message.transition == "closed" else _LEVELS.get(message.severity, logging.WARNING)
        log.log(level, "%s", message.summary, extra={"alert": message.as_json()})
