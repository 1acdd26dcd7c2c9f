"""What `snellen up` says of its settings before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import SettingsError
from monitor.settings import Embedder, Ingest, Settings, Topic
from monitor.settings.alerts import Alerts, Webhook
from monitor.settings.drift import Explain
from monitor.store.engine import ROOT
from monitor.up import check


def test_faults_of_everything_that_its_processes_read_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("kind: Nothing")
    absent = tmp_path / "absent"
    wrong = Settings(
        ingest=Ingest(topics={"t": Topic(format="mapping", mapping=absent)}),
        embedder=Embedder(image_roots=(absent,)),
        explain=Explain(concepts=absent),
        alerts=Alerts(slo_dir=tmp_path, webhook=Webhook(url="ftp://x")),
    )
    with pytest.raises(SettingsError) as caught:
        check(wrong)
    said = "\n".join(caught.value.faults)
    for of in ('ingest.topics."t"', "embedder.image_roots", "explain.concepts", "slo.yaml", "alerts.webhook.url"):
        assert of in said


def test_settings_that_are_right_pass() -> None:
    check(Settings(alerts=Alerts(slo_dir=ROOT / "slos", webhook=Webhook(url="https://hooks.example.com/"))))
