"""What is said of a call ahead of its response, in records of its own, is part of the call however it comes."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData, ResourceLogs, ScopeLogs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from monitor.domain.halves import Half, prelude
from monitor.domain.records import Batch, Partition, Record
from monitor.formats import FormatOptions, otlp_joined
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.check_format import check_format
from monitor.services.draw_labels import LabelDesign
from monitor.services.expire_halves import ExpiryOptions, expire_halves
from monitor.services.ingest import IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.services.samples import Sample
from monitor.store.engine import transaction
from monitor.store.queries.calls import waiting_sides
from tests.integration.conftest import PARTITION, PRIVACY, make_eraser, make_service, write_at_once
from tests.integration.plain_embedding import embed_service
from tests.integration.test_embed_pairs import vector_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SENT = datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC)
AT = datetime(2025, 11, 21, 10, 0, 5, tzinfo=UTC)
"""Of the samples."""
PATIENCE, KEEP = timedelta(minutes=5), timedelta(hours=1)
EXPIRY = ExpiryOptions("g", "e", KEEP, 1000, PRIVACY)
OTHER = Partition(PARTITION.cluster_id, PARTITION.topic, PARTITION.topic_id, 1)
LIMITS = Limits(max_record_bytes=1024 * 1024, max_future=timedelta(minutes=5), max_age=timedelta(days=30))
CALL = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "m"}
MAIL = "jane@example.com"
PROMPT, CONTEXT, ANSWER = f"What would {MAIL} say?", "Be brief.", "A mug."
Rows = Callable[..., list[Any]]
Send = Callable[..., Batch]
Json = dict[str, Any]


def decode(record: Record) -> Sequence[Half]:
    """A format of its own for these tests: the half as JSON, or a list of them."""
    said = msgspec.json.decode(record.value)
    return [_half(one) for one in (said if isinstance(said, list) else [said])]


def _half(said: Json) -> Half:
    ts = SENT + timedelta(milliseconds=said["after_ms"])
    if said["side"] == "prelude":
        return prelude(said["id"], ts, said["fields"])
    return Half(said["id"], said["side"], ts, said["fields"], may_have_prelude=said.get("looks", True))


def span(call: str = "a") -> Json:
    return {"id": call, "side": "request", "after_ms": 0, "fields": {"model": {"name": "m"}, "task": "vqa"}}


def system(call: str = "a") -> Json:
    return {"id": call, "side": "prelude", "after_ms": 1, "fields": {"input": {"context": CONTEXT, "prompt": "?"}}}


def user(call: str = "a", prompt: str = PROMPT) -> Json:
    return {"id": call, "side": "prelude", "after_ms": 2, "fields": {"input": {"prompt": prompt}}}


def choice(call: str = "a", answer: Any = ANSWER) -> Json:
    fields = {"status": "ok", "output": {"answer": answer}}
    return {"id": call, "side": "response", "after_ms": 80, "fields": fields}


def make(engine: Engine, **privacy: Any) -> IngestService:
    return make_service(
        engine,
        decoders={"t": decode},
        slice_dimensions=(),
        labels=LabelDesign(),
        pair_patience=PATIENCE,
        privacy=Privacy(Redactor(PrivacyOptions(**privacy)), Subjects(())),
    )


STORED = "SELECT prompt, detail ->> 'context', answer FROM predictions"
WAITING = "SELECT pair_id, side FROM waiting_halves ORDER BY 1"
COUNTS = "SELECT sum(joined)::int, sum(lost)::int FROM pair_counts"
REDACTED = PROMPT.replace(MAIL, "[email removed]")
ORDERS = list(itertools.permutations(["span", "system", "user", "choice"]))
MADE = {"span": span, "system": system, "user": user, "choice": choice}


def is_met(name: str, order: Sequence[str]) -> bool:
    """What comes after both sides finds the call stored."""
    return order.index(name) < max(order.index("span"), order.index("choice"))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_in_any_order_over_batches_and_restarts_the_call_says_all_that_came_before_it_was_whole(
    engine: Engine, send: Send, rows: Rows, order: Sequence[str]
) -> None:
    for name in order:
        make(engine).write(send(MADE[name]()), NOW)  # a new service each time: nothing is kept in memory
        assert MAIL.encode() not in b"".join(bytes(one) for one in rows("SELECT fields FROM waiting_halves"))
    context = CONTEXT if is_met("system", order) else None
    prompt = REDACTED if is_met("user", order) else "?" if context else None
    assert rows(STORED) == [(prompt, context, ANSWER)]
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 0)]
    assert rows("SELECT count(*) FROM dead_letters") == [0]


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
@pytest.mark.parametrize("last", ["span", "choice"])
def test_within_a_batch_the_order_does_not_matter(engine: Engine, send: Send, rows: Rows, last: str, cut: int) -> None:
    order = [name for name in ("user", "choice", "system", "span") if name != last]
    order.insert(cut, last)  # in the batch with which the call is whole, at its beginning
    for part in (order[:cut], order[cut:]):
        outcomes = make(engine).write(send(*(MADE[name]() for name in part)), NOW) if part else None
    assert rows(STORED) == [(REDACTED, CONTEXT, ANSWER)]
    assert rows(WAITING) == []
    if not cut:
        assert outcomes == {("t", "accepted"): 1, ("t", "half"): 3}


def piece(after_ms: int, answer: str) -> Json:
    return {"id": "a", "side": "prelude", "after_ms": after_ms, "fields": {"output": {"answer": answer}}}


PIECES: dict[str, Callable[[], Json]] = {
    "span": span,
    "choice": choice,
    "second": lambda: piece(90, f" Ask {MAIL}"),
    "third": lambda: piece(95, " again."),
}
WHOLE = f"{ANSWER} Ask {MAIL} again."


@pytest.mark.parametrize("last", ["span", "choice"])
@pytest.mark.parametrize("first", [*itertools.permutations(["user", "second", "third"])], ids="-".join)
def test_pieces_of_a_stream_that_came_in_records_of_their_own_are_the_answer(
    engine: Engine, send: Send, rows: Rows, first: Sequence[str], last: str
) -> None:
    """Later ones behind earlier ones, as a partition has them; what comes again is no more of the answer."""
    made = MADE | PIECES
    order = [name for name in ("span", "choice") if name != last] + [*first, "second", "third", last]
    for batch in [[name] for name in order] if first.index("second") < first.index("third") else [order]:
        make(engine).write(send(*(made[name]() for name in batch)), NOW)
    assert rows(STORED) == [(REDACTED, None, WHOLE.replace(MAIL, "[email removed]"))]
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 0)]


def test_what_is_embedded_of_an_answer_in_pieces_is_all_of_it(engine: Engine, send: Send, rows: Rows) -> None:
    for one in (choice(), piece(90, " Really."), span()):
        embed_service(engine, decode).write(send(one), NOW)
    ((kind, found),) = rows("SELECT kind, CAST(vector AS text) FROM embeddings")
    vector = np.array(found.strip("[]").split(","), dtype=np.float16)
    np.testing.assert_array_equal(vector, vector_of(f"{ANSWER} Really.").astype(np.float16))
    assert kind == "answer"


def test_messages_that_a_service_exported_before_its_answer_came_are_the_prompt(
    engine: Engine, send: Send, rows: Rows
) -> None:
    """As the SDK does by the clock: each message of a call is in a record of its own."""
    service = make_service(
        engine, decoders={"t": otlp_joined.decoder(FormatOptions())}, slice_dimensions=(), labels=LabelDesign()
    )
    records = [*(one.SerializeToString() for one in apart(sample("messages"))), sample("span")]
    for record in records:
        assert service.write(send(record), AT).total() == 1
    assert rows(STORED) == [("Say this is a test", "You are a helpful bot", "This is a test.")]


def sample(name: str) -> bytes:
    path = Path(__file__).parents[1] / "unit/formats/samples/otlp_joined" / f"{name}.json"
    return base64.b64decode(msgspec.json.decode(path.read_bytes())["value_base64"])


def apart(export: bytes) -> Iterator[LogsData]:
    (resource,) = LogsData.FromString(export).resource_logs
    (scope,) = resource.scope_logs
    for one in scope.log_records:
        scopes = [ScopeLogs(scope=scope.scope, log_records=[one])]
        yield LogsData(resource_logs=[ResourceLogs(resource=resource.resource, scope_logs=scopes)])


def test_what_comes_again_changes_nothing(engine: Engine, send: Send, rows: Rows) -> None:
    service = make(engine)
    for one in (system(), system(), user(), system(), choice(), user(), choice(), span(), span(), user(), choice()):
        service.write(send(one), NOW)
    assert rows(STORED) == [(REDACTED, CONTEXT, ANSWER)]
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(1, 0)]
    assert rows("SELECT count(*) FROM dead_letters") == [0]


def test_a_prelude_alone_is_no_loss_and_goes_when_its_time_is_over(engine: Engine, send: Send, rows: Rows) -> None:
    let_go = REGISTRY.get_sample_value("snellen_sides_let_go_total", {"group": "g"}) or 0
    make(engine).write(send(user(), user("b"), choice("c")), NOW)
    with transaction(engine) as connection:
        assert waiting_sides(connection, "g").waiting == 1
    assert expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE) == 1
    assert rows(WAITING) == [("a#prelude", "prelude"), ("b#prelude", "prelude"), ("c", "response")]
    assert rows(COUNTS) == [(0, 1)]
    assert expire_halves(engine, EXPIRY, NOW + 2 * KEEP) == 0
    assert rows(WAITING) == []
    assert rows("SELECT detail FROM dead_letters") == ["call 'c': its request never came"]
    assert REGISTRY.get_sample_value("snellen_sides_let_go_total", {"group": "g"}) == let_go + 1


@pytest.mark.parametrize("group", ["ingest", "embed"])
def test_a_prelude_waits_as_long_as_the_sides_may_come(engine: Engine, send: Send, rows: Rows, group: str) -> None:
    """One partition may lag behind. So what is stored then says what the embed group's vectors are made of."""
    service = make(engine) if group == "ingest" else embed_service(engine, decode)
    groups = ("g", "e") if group == "ingest" else ("i", "g")
    expiry = ExpiryOptions(*groups, KEEP, 1000, PRIVACY)
    service.write(send(system()), NOW)
    assert expire_halves(engine, expiry, NOW + 2 * PATIENCE) == 0
    service.write(send(span(), choice()), NOW + 2 * PATIENCE)
    assert rows(WAITING) == []
    if group == "embed":
        assert rows("SELECT kind FROM embeddings ORDER BY 1") == ["answer", "prompt"]
    else:
        assert rows(STORED) == [("?", CONTEXT, ANSWER)]
        assert rows(COUNTS) == [(1, 0)]  # a prelude that was overdue is no loss to be taken back


def test_of_a_call_that_is_whole_without_its_prelude_that_goes_in_time(engine: Engine, send: Send, rows: Rows) -> None:
    """A call that failed says nothing beside its span, which may come after the prelude."""
    service = make(engine)
    service.write(send(user()), NOW)
    service.write(send(*(one | {"looks": False} for one in (span(), choice()))), NOW)
    assert rows(WAITING) == [("a#prelude", "prelude")]
    assert expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE) == 0
    assert rows(WAITING) == []


def test_too_many_preludes_are_let_go_of_and_make_no_dead_letters(engine: Engine, send: Send, rows: Rows) -> None:
    for number in range(4):
        make(engine).write(send(user(f"c{number}")), NOW + timedelta(seconds=number))
    expire_halves(engine, ExpiryOptions("g", "e", KEEP, 2, PRIVACY), NOW + timedelta(seconds=9))
    assert rows(WAITING) == [("c2#prelude", "prelude"), ("c3#prelude", "prelude")]
    assert rows("SELECT count(*) FROM dead_letters") == [0]


def test_a_prelude_meets_a_response_that_counted_as_lost(engine: Engine, send: Send, rows: Rows) -> None:
    service = make(engine)
    service.write(send(choice()), NOW)
    assert expire_halves(engine, EXPIRY, NOW + 2 * PATIENCE) == 1
    service.write(send(user()), NOW + 3 * PATIENCE)
    service.write(send(span()), NOW + 3 * PATIENCE)
    assert rows(COUNTS) == [(1, 0)]
    assert rows(STORED) == [(REDACTED, None, ANSWER)]


def test_of_a_call_that_is_refused_the_prelude_is_kept_too(engine: Engine, send: Send, rows: Rows) -> None:
    service = make(engine)
    service.write(send(user(prompt="Why?")), NOW)
    outcomes = service.write(send(system(), choice(answer=7), span()), NOW)
    assert outcomes == {("t", "invalid"): 4}
    raws = b"".join(bytes(one) for one in rows("SELECT raw FROM dead_letters"))
    assert b"Why?" in raws
    assert CONTEXT.encode() in raws


def test_of_records_about_many_calls_all_that_they_say_counts_whatever_is_refused(
    engine: Engine, send: Send, rows: Rows
) -> None:
    batch = send([user("a"), user("b")], [span("a"), span("b")], [choice("a", answer=7)])
    assert make(engine).write(batch, NOW) == {("t", "invalid"): 3, ("t", "half"): 2}
    assert rows("SELECT record_offset FROM dead_letters ORDER BY 1") == [0, 1, 2]
    assert rows(WAITING) == [("b", "request"), ("b#prelude", "prelude")]


ODD = "a#prelude"


@pytest.mark.parametrize("order", [*itertools.permutations([span(ODD), user("a"), choice("a")])])
@pytest.mark.parametrize("together", [False, True])
def test_a_call_whose_id_looks_like_that_of_preludes_stops_nobody(
    engine: Engine, send: Send, rows: Rows, order: Sequence[Json], together: bool
) -> None:
    """They would wait in one place: ids are chosen by services, and by whoever calls them."""
    for write in (make(engine).write, embed_service(engine, decode).write):
        for batch in [send(*order, span("a"))] if together else map(send, (*order, span("a"))):
            write(batch, NOW)
    assert rows("SELECT answer FROM predictions") == [ANSWER]
    (detail,) = rows("SELECT detail FROM dead_letters")
    assert "ends with '#prelude'" in detail
    report = check_format(
        [Sample("here", Record(PARTITION, 0, -1, msgspec.json.encode(span(ODD))))], decode, LIMITS, NOW
    )
    assert [one.reason for one in report.refused] == ["invalid"]


def test_what_a_tool_said_is_not_what_was_asked_where_exports_part_them(engine: Engine, send: Send, rows: Rows) -> None:
    """In a loop of tools each call says again what was said before it; the SDK exports when its queue is full."""
    provider, memory = LoggerProvider(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    spans = TracerProvider()
    exported = InMemorySpanExporter()
    spans.add_span_processor(SimpleSpanProcessor(exported))
    with spans.get_tracer("t").start_as_current_span("chat m", attributes=CALL):
        for name, content in (("user", "Is it raining?"), ("assistant", "I shall look."), ("tool", "12 mm"), ("", "")):
            provider.get_logger("t").emit(
                LogRecord(event_name=f"gen_ai.{name}.message", body={"content": content})
                if name
                else LogRecord(event_name="gen_ai.choice", body={"index": 0, "message": {"content": "Yes."}})
            )
    ask, turn, tool, answer = memory.get_finished_logs()
    ended = encode_spans(exported.get_finished_spans()).SerializeToString()
    service = make_service(engine, decoders={"t": otlp_joined.decoder(FormatOptions())}, slice_dimensions=())
    for logs in ([ask, turn], [tool], [answer]):
        service.write(send(encode_logs(logs).SerializeToString()), datetime.now(UTC))
    service.write(send(ended), datetime.now(UTC))
    assert rows("SELECT prompt, answer FROM predictions") == [("Is it raining?", "Yes.")]


def test_collectors_that_bring_preludes_of_the_same_calls_at_once_lose_none(
    engine: Engine, database_url: str, send: Send, rows: Rows
) -> None:
    calls = [f"c{number}" for number in range(40)]
    batches = [[send(*map(say, calls), partition=one)] for one, say in ((PARTITION, system), (OTHER, user))]
    write_at_once(database_url, make, batches)
    batches = [[send(*map(say, calls[::-1]), partition=one)] for one, say in ((PARTITION, span), (OTHER, choice))]
    write_at_once(database_url, make, batches)
    assert rows(STORED) == [(REDACTED, CONTEXT, ANSWER)] * 40
    assert rows(WAITING) == []
    assert rows(COUNTS) == [(40, 0)]


def test_erasing_a_call_erases_what_waits_of_it(engine: Engine, send: Send, rows: Rows) -> None:
    make(engine).write(send(user(), user("b"), choice("b")), NOW)
    eraser = make_eraser(engine, Subjects(()))
    assert eraser.requests(["a", "b"], "ops", NOW, dry_run=False).rows["waiting_halves"] == 3
    make(engine).write(send(user()), NOW)
    assert rows(WAITING) == []


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_vectors_are_of_what_came_and_not_of_what_waited(
    engine: Engine, send: Send, rows: Rows, order: Sequence[str]
) -> None:
    for name in order:
        embed_service(engine, decode).write(send(MADE[name]()), NOW)
    found = dict(rows("SELECT kind, CAST(vector AS text) FROM embeddings"))
    expected = {"answer": ANSWER}
    if is_met("user", order) or is_met("system", order):
        expected["prompt"] = PROMPT if is_met("user", order) else "?"
    assert found.keys() == expected.keys()
    for kind, said in expected.items():
        vector = np.array(found[kind].strip("[]").split(","), dtype=np.float16)
        np.testing.assert_array_equal(vector, vector_of(said).astype(np.float16))


def test_a_side_that_mentions_who_is_erased_takes_its_prelude_with_it(engine: Engine, send: Send, rows: Rows) -> None:
    asking = span()
    asking["fields"]["extra"] = {"mentioned": "customer-77"}
    make(engine).write(send(user(), asking, user("b")), NOW)
    eraser = make_eraser(engine, Subjects(("extra.user",), (b"a key of 16 bytes and more",)))
    assert eraser.subject("customer-77", "ops", NOW, dry_run=False).rows["waiting_halves"] == 2
    assert rows(WAITING) == [("b#prelude", "prelude")]
