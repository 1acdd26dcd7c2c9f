"""Every channel of the table, held to the same promises."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import get_type_hints

import pytest

from monitor.bootstrap import channels
from monitor.notify import CHANNELS, NEEDED, AlertMessage, Channel
from monitor.settings import Settings
from monitor.store.engine import ROOT

MESSAGE = AlertMessage(
    alert_id=1,
    dedup_key="slo/page/20261121T0412Z/1",
    slo="slo",
    severity="page",
    transition="opened",
    reason="first_breach",
    summary="summary",
    details="details",
    started_at=datetime(2026, 11, 21, 4, 12, tzinfo=UTC),
)


@pytest.mark.parametrize("name", CHANNELS)
def test_its_name_can_stand_in_an_openslo_target(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)


@pytest.mark.parametrize("name", CHANNELS)
def test_it_is_configured_by_default_or_says_by_which_setting(name: str) -> None:
    assert (name in channels(Settings())) is (name not in NEEDED)
    if name in NEEDED:
        setting, variable = re.fullmatch(r"(\S+) \(or (\S+)\)", NEEDED[name]).groups()  # type: ignore[union-attr]
        assert variable == f"SNELLEN_{setting.upper().replace('.', '__')}"
        assert f"| `{setting}` |" in (ROOT / "docs" / "settings.md").read_text()


@pytest.mark.parametrize("kind", CHANNELS.values(), ids=CHANNELS)
def test_it_takes_a_message_and_gives_nothing_back(kind: type[Channel]) -> None:
    signature = inspect.signature(kind.notify)
    assert list(signature.parameters) == ["self", "message"]
    assert get_type_hints(kind.notify) == {"message": AlertMessage, "return": type(None)}


@pytest.mark.parametrize("kind", CHANNELS.values(), ids=CHANNELS)
def test_it_says_what_it_does(kind: type[Channel]) -> None:
    assert kind.__doc__
    assert inspect.getmodule(kind).__doc__


def test_a_message_is_plain_json_under_documented_names() -> None:
    plain = MESSAGE.as_json()
    assert json.loads(json.dumps(plain)) == plain
    assert isinstance(plain["evidence"], Mapping)
    assert set(plain) == {
        "schema",
        "alert_id",
        "dedup_key",
        "slo",
        "severity",
        "transition",
        "reason",
        "summary",
        "details",
        "started_at",
        "link",
        "evidence",
    }
