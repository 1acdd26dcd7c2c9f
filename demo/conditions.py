"""What is in force at a moment: in the world that sends requests, and in the service as its operators deployed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from demo.cameras import CAMERAS, FACTORY, Firmware
from demo.service import Serving


@dataclass(frozen=True, slots=True)
class Conditions:
    """By default everything is as it should be."""

    firmware: Mapping[str, Firmware] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(CAMERAS, FACTORY)))
    """Of each camera."""
    campaign_share: float = 0.0
    """Of the requests, those that come from a marketing campaign with questions of its own."""
    serving: Serving = field(default_factory=Serving)
