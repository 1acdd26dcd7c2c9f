"""Which topics are read, how, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor import bootstrap
from monitor.domain.records import Partition, Record
from monitor.errors import InvalidEvent, SettingsError
from monitor.settings import Ingest, Settings, Topic

OURS = ("snellen.predictions", "snellen.labels", "snellen.deployments")


def settings(**topics: Topic) -> Settings:
    return Settings(ingest=Ingest(topics={name.replace("_", "-"): one for name, one in topics.items()}))


def test_further_topics_are_read_beside_ours_and_only_ours_are_made() -> None:
    found = settings(kserve_logs=Topic(format="kserve"))
    assert bootstrap.topics(found) == (*OURS, "kserve-logs")
    assert bootstrap.own_topics(found) == OURS


def test_the_embed_group_reads_what_may_hold_predictions() -> None:
    assert bootstrap.embed_topics(settings(kserve_logs=Topic())) == ("snellen.predictions", "kserve-logs")


def test_naming_one_of_our_topics_only_says_how_it_is_read() -> None:
    found = Settings(ingest=Ingest(topics={"snellen.predictions": Topic(format="native")}))
    assert bootstrap.topics(found) == OURS
    record = Record(Partition("c", "snellen.predictions", "i", 0), 0, -1, b"{}")
    with pytest.raises(InvalidEvent) as native:
        bootstrap.decoders(found)["snellen.predictions"](record)
    with pytest.raises(InvalidEvent, match="no format recognises this record"):
        bootstrap.decoders(found)["snellen.labels"](record)
    assert "no format" not in str(native.value)


def test_all_faults_of_all_mapping_files_are_told_with_their_topic(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("prediction: {task: vqa, status: {transform: shout, of: 1}}")
    found = settings(
        first=Topic(format="mapping", mapping=tmp_path / "a.yaml"),
        second=Topic(format="mapping", mapping=tmp_path / "absent.yaml"),
    )
    with pytest.raises(SettingsError) as caught:
        bootstrap.decoders(found)
    assert all(
        fault.startswith(('ingest.topics."first": a.yaml: ', 'ingest.topics."second": '))
        for fault in caught.value.faults
    )
    assert len(caught.value.faults) == 5
    assert "transform 'shout' is unknown" in str(caught.value)
