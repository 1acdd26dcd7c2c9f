"""`snellen ingest check` on files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.main import app

SAMPLES = Path(__file__).parents[1] / "formats" / "samples"
MAPPING = Path(__file__).parents[3] / "examples" / "mappings" / "kafka_topic.yaml"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["ingest", "check", *map(str, arguments)])


def test_a_sample_is_told_and_its_fields_are_counted() -> None:
    done = run(SAMPLES / "otlp" / "openinference_image.json")
    assert done.exit_code == 0
    assert "1 records read as auto" in done.output
    assert "detected      1 otlp" in done.output
    assert "events        1 prediction/v1, 2 label/v1" in done.output
    row = next(line for line in done.output.splitlines() if "output.confidence" in line)
    assert row.split() == ["output.confidence", "1", "100%", "0.91"]


def test_a_mapping_is_tried_on_a_record() -> None:
    done = run(SAMPLES / "mapping" / "answer_with_its_record.json", "--mapping", MAPPING, "--json")
    assert done.exit_code == 0
    report = json.loads(done.output)
    assert report["events"] == {"prediction/v1": 1, "label/v1": 1, "deployment/v1": 0}
    assert report["refused"] == []


def test_when_nothing_is_read_the_fields_for_a_mapping_are_shown() -> None:
    done = run(SAMPLES / "mapping" / "answer_with_its_record.json")
    assert done.exit_code == 1
    assert "no format recognises this record" in done.output
    assert "for a mapping file" in done.output
    row = next(line for line in done.output.splitlines() if "$.messages[0].kind" in line)
    assert row.split() == ["$.messages[0].kind", "1", "100%", "image"]


def test_where_a_mapping_passes_all_over_its_where_is_named_and_what_it_could_ask_for(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"type": "heartbeat"}\n' * 20)
    done = run("log.jsonl", "--mapping", MAPPING)
    assert done.exit_code == 1
    assert "passed over   20" in done.output
    assert "`where` of the mapping file holds for none of them" in done.output
    assert next(line.split() for line in done.output.splitlines() if "$.type" in line) == [
        "$.type", "20", "100%", "heartbeat"
    ]  # fmt: skip


def test_a_file_that_was_cut_off_is_told_beside_what_stands_before(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f'{{"n": "{one**9}"}}\n' for one in range(20_000)).encode())
    (tmp_path / "log.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    done = run("log.jsonl.gz", "--limit", 100_000)
    assert "log.jsonl.gz: damaged or cut off behind line" in done.stderr
    assert "records read as auto" in done.stdout


def test_values_are_hidden_on_demand() -> None:
    done = run(SAMPLES / "otlp" / "openinference_image.json", "--hide-values")
    assert "What objects do you see" not in done.output
    assert "text of 38 characters" in done.output


def test_slices_and_settings_of_a_topic_are_used(tmp_path: Path) -> None:
    done = run(
        SAMPLES / "otlp" / "openinference_image.json",
        "--slice",
        "env=deployment.environment.name",
        "--task",
        "counting",
    )
    assert "slices.env" in done.output
    assert "counting" in done.output


def test_only_so_many_records_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}\n" * 50)
    assert "20 records read" in run("a.jsonl", "--limit", 20).output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.jsonl"], "there is no file absent.jsonl"),
        (["absent"], "there is no file absent; for a topic, set"),
        ([".", "--format", "otpl"], "there is no format 'otpl'"),
        ([".", "--format", "mapping"], "belong together"),
        ([".", "--slice", "env"], "'env': write what it is called"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.replace("│", "").split())


def test_no_text_of_a_log_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    esc = "\x1b[31m"
    event = {
        "schema": "prediction/v1", "request_id": "r", "ts": "2026-11-21T08:00:00Z", "task": "vqa", "status": "ok",
        "model": {"name": f"{esc}m"}, "slices": {f"{esc}d": f"{esc}v"}, "input": {"prompt": f"\u202e{esc}p"},
        "extra": {f"{esc}k": f"\x9b31m{esc}"},
    }  # fmt: skip
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(one) for one in (event, {**event, "schema": f"{esc}x"}, {esc: esc})))
    done = CliRunner().invoke(app, ["ingest", "check", str(log)], color=True)  # or click would strip some of it
    assert done.exit_code == 0
    assert r"\x1b[31mm" in done.output
    assert not [one for one in done.output if not one.isprintable() and one != "\n"]


def test_messages_that_are_logged_apart_are_looked_for_in_the_other_topic() -> None:
    logs = run(SAMPLES / "otlp_joined" / "messages.json")
    assert logs.exit_code == 1
    assert "check both with `--format otlp_joined`" in " ".join(logs.output.split())
    spans = run(SAMPLES / "otlp" / "chat_without_content.json", "--format", "otlp")
    assert spans.exit_code == 0
    assert "check both with `--format otlp_joined`" in " ".join(spans.output.split())
    whole = run(SAMPLES / "otlp" / "image_by_uri.json")
    assert "otlp_joined" not in whole.output


def test_calls_whose_halves_are_in_two_places_meet() -> None:
    done = run(SAMPLES / "otlp_joined" / "span.json", SAMPLES / "otlp_joined" / "event.json", "--format", "otlp_joined")
    assert done.exit_code == 0
    assert "span.json, " in done.output
    assert "1 requests, 1 responses; 1 pairs met" in done.output
