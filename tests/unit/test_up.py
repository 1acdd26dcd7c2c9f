"""What `snellen up` says of its settings before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.embedded.state import Addresses
from monitor.errors import SettingsError
from monitor.settings import Embedder, Ingest, Settings, Topic
from monitor.settings.alerts import Alerts, Webhook
from monitor.settings.drift import Explain
from monitor.store.engine import ROOT
from monitor.up import check, services


def test_faults_of_everything_that_its_processes_read_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("kind: Nothing")
    absent = tmp_path / "absent"
    wrong = Settings(
        metrics_port=65534,
        ingest=Ingest(topics={"t": Topic(format="mapping", mapping=absent)}),
        embedder=Embedder(image_roots=(absent,)),
        explain=Explain(concepts=absent),
        alerts=Alerts(slo_dir=tmp_path, webhook=Webhook(url="ftp://x")),
    )
    with pytest.raises(SettingsError) as caught:
        check(wrong)
    said = "\n".join(caught.value.faults)
    for of in (
        "metrics_port",
        'ingest.topics."t"',
        "embedder.image_roots",
        "explain.concepts",
        "slo.yaml",
        "alerts.webhook.url",
    ):
        assert of in said


def test_settings_that_are_right_pass() -> None:
    check(Settings(alerts=Alerts(slo_dir=ROOT / "slos", webhook=Webhook(url="https://hooks.example.com/"))))


@pytest.mark.parametrize(
    ("first", "model", "ports"),
    [
        (9464, "ViT-B-32", {"ingest": "9464", "embed": "9465", "scheduler": "9466"}),
        (9464, None, {"ingest": "9464", "scheduler": "9466"}),
        (0, "ViT-B-32", {"ingest": "0", "embed": "0", "scheduler": "0"}),
    ],
)
def test_each_process_has_metrics_on_a_port_of_its_own_or_none_has(
    first: int, model: str | None, ports: dict[str, str]
) -> None:
    settings = Settings(metrics_port=first, embedder=Embedder(model=model))
    specs = services(settings, Addresses("postgresql+psycopg://u@h/d", "h:1"))
    assert {one.name: one.env["SNELLEN_METRICS_PORT"] for one in specs if one.name != "dashboard"} == ports
