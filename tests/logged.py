"""What Snellen itself logged: Kafka's clients of other tests, whose brokers are gone, go on complaining for a while."""

from __future__ import annotations

import logging

import pytest


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name.startswith(("monitor.", "collectors."))]
