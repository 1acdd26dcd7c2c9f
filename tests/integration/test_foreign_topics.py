"""Topics of serving systems beside ours: a collector process reads each in its format, into the same tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Producer
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Engine, text

from monitor.broker import ClientConfig, ensure_topics
from monitor.store.engine import make_engine
from tests.pace import wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "llava"}
MAPPING = """
where: {equals: [$.type, answer]}
prediction:
  request_id: $.id
  ts: $timestamp
  model: {name: $.model}
  task: vqa
  status: ok
  output: {answer: $.answer}
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings_file(tmp_path: Path, topic: str, broker: str, database_url: str) -> Path:
    (tmp_path / "map.yaml").write_text(MAPPING)
    kinds = {"spans": "otlp", "bare": "otlp_joined", "events": "otlp_joined"}
    tables = "".join(f'[ingest.topics."{topic}.{name}"]\nformat = "{form}"\n' for name, form in kinds.items())
    file = tmp_path / "snellen.toml"
    file.write_text(
        f"""
database_url = "{database_url}"
[kafka]
bootstrap_servers = "{broker}"
group = "{topic}"
session_timeout_ms = 1500
predictions_topic = "{topic}.predictions"
labels_topic = "{topic}.labels"
deployments_topic = "{topic}.deployments"
{tables}
[ingest.topics."{topic}.answers"]
format = "mapping"
mapping = "{tmp_path / "map.yaml"}"
"""
    )
    names = ("predictions", "labels", "deployments", *kinds, "answers")
    ensure_topics(ClientConfig(broker), [f"{topic}.{name}" for name in names], 1)
    return file


@pytest.fixture
def collector(settings_file: Path) -> Iterator[psutil.Popen]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("SNELLEN_")}
    process = psutil.Popen(
        [sys.executable, "-m", "collectors", "ingest"],
        env=env | {"SNELLEN_CONFIG": str(settings_file)},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def traced(number: int) -> list[ReadableSpan]:
    """Calls in web requests, as OpenTelemetry's SDK records them."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for index in range(number):
        with tracer.start_as_current_span("POST /ask"), tracer.start_as_current_span("chat", attributes=CHAT) as span:
            span.set_attribute("gen_ai.usage.output_tokens", index)
            evaluation = {"gen_ai.evaluation.name": "correctness", "gen_ai.evaluation.score.label": "correct"}
            span.add_event("gen_ai.evaluation.result", evaluation)
    return list(exporter.get_finished_spans())


def event_of(span: ReadableSpan, answer: str) -> bytes:
    """What was answered, as a log record in the context of the span."""
    assert span.context is not None
    data = LogsData()
    record = (
        data.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            time_unix_nano=time.time_ns(),
            event_name="gen_ai.client.inference.operation.details",
            trace_id=span.context.trace_id.to_bytes(16, "big"),
            span_id=span.context.span_id.to_bytes(8, "big"),
        )
    )
    messages = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": answer}]}])
    for name, value in (CHAT | {"gen_ai.output.messages": messages}).items():
        record.attributes.add(key=name).value.string_value = value
    return data.SerializeToString()


def rows(engine: Engine, statement: str) -> list[Any]:
    with engine.begin() as connection:
        return list(connection.execute(text(statement)))


def wait_for_rows(engine: Engine, statement: str, expected: object) -> None:
    wait_for(lambda: rows(engine, statement) == expected, 40, lambda: rows(engine, statement))


def test_each_topic_is_read_in_its_format(collector: psutil.Popen, broker: str, topic: str, engine: Engine) -> None:
    spans, bare = traced(3), traced(1)[:1]
    producer = Producer({"bootstrap.servers": broker, "compression.codec": "zstd", "log_level": 0})
    whole = encode_spans(spans).SerializeToString()
    for _ in range(2):  # exporters try again
        producer.produce(f"{topic}.spans", whole)
    producer.produce(f"{topic}.events", event_of(bare[0], "a mug"))
    producer.produce(f"{topic}.bare", encode_spans(bare).SerializeToString())
    for row in (
        {"type": "heartbeat"},
        {"type": "answer", "id": "a-1", "model": "own", "answer": "red"},
        {"type": "answer"},
    ):
        producer.produce(f"{topic}.answers", json.dumps(row))
    producer.produce(f"{topic}.predictions", _native())
    assert producer.flush(30) == 0
    assert collector.is_running()

    by_model = "SELECT model, count(*) FROM predictions GROUP BY 1 ORDER BY 1"
    wait_for_rows(engine, by_model, [("llava", 4), ("native", 1), ("own", 1)])
    wait_for_rows(engine, "SELECT reason, count(*) FROM dead_letters GROUP BY 1", [("invalid", 1)])
    wait_for_rows(engine, "SELECT count(*) FROM labels", [(4,)])
    joined = rows(engine, "SELECT answer, latency_ms IS NOT NULL FROM predictions WHERE answer = 'a mug'")
    assert joined == [("a mug", True)]


def _native() -> bytes:
    model = {"name": "native"}
    ts = datetime.now(UTC).isoformat()
    return json.dumps(
        {"schema": "prediction/v1", "request_id": "n", "ts": ts, "model": model, "task": "vqa", "status": "ok"}
    ).encode()
