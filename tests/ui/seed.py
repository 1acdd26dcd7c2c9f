"""Made-up rows for the pages' tests: round numbers that a test can name, nothing that pretends to be a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb
from sqlalchemy import Connection, text

from monitor.domain.histograms import CONFIDENCE_BINS, LATENCY_BINS, latency_bins
from monitor.slo.evaluation import State, TierReading
from monitor.slo.policy import Severity
from monitor.store.partitions import ensure_days

MODEL = "exam"
SLO = "exam-accuracy"
NASTY = "**bold** [link](http://evil.example) www.evil.example me@evil.example <script>alert(1)</script> $x$ :red[hot]"
JSON = ("slices", "candidates", "detail", "tiers", "evidence", "state", "answers", "extra")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def insert(connection: Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows of one shape into a table."""
    rows = [
        {
            name: Jsonb(value) if name in JSON and isinstance(value, dict | list) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    if rows:
        names = list(rows[0])
        values = ", ".join(f":{name}" for name in names)
        connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"), rows)


def everything(connection: Connection, now: datetime) -> None:
    """A day of traffic with an open page, one closed ticket, drift, a replayed exam and some refused records."""
    ensure_days(connection, {(now + timedelta(days=day)).date() for day in (-1, 0, 1, 2, 3)})
    traffic(connection, now)
    verdicts(connection, now)
    replays(connection, now)
    drift(connection, now)
    slos(connection, now)
    alerts(connection, now)
    examples(connection, now)
    streams(connection, now)
    insert(connection, "deployments", [
        {"content_hash": b"1", "ts": now - 5 * HOUR, "model": MODEL, "version": "2", "variant": "canary",
         "action": "rollout", "traffic_share": 0.1, "note": NASTY},
    ])  # fmt: skip


def rollup(
    minute: datetime, ok: int, error: int, dimension: str = "", value: str = "", ms: float = 80
) -> dict[str, Any]:
    """`ok` answers of `ms` milliseconds, eight of nine with a confidence."""
    latency, confidence = [0] * LATENCY_BINS, [0] * CONFIDENCE_BINS
    latency[latency_bins([80])[0]], confidence[-1] = ok, ok - ok // 9
    return {
        "minute": minute, "model": MODEL, "version": "1", "variant": "stable", "task": "vqa", "dimension": dimension,
        "value": value, "ok": ok, "error": error, "timeout": 0, "rejected": 0, "latency": latency,
        "confidence": confidence, "cost_usd": 0.0,
    }  # fmt: skip


def traffic(connection: Connection, now: datetime) -> None:
    """1,000 requests in the last 100 minutes, 900 of them ok; all errors on camera-b."""
    minutes = [now - MINUTE * (index + 1) for index in range(100)]
    insert(connection, "rollups_minute", [rollup(minute, 9, 1) for minute in minutes])
    insert(connection, "rollups_minute", [rollup(minute, 5, 0, "device", "camera-a") for minute in minutes])
    insert(connection, "rollups_minute", [rollup(minute, 4, 1, "device", "camera-b") for minute in minutes])


def verdicts(connection: Connection, now: datetime) -> None:
    """Today 160/200 right (camera-a 95/100, camera-b 65/100), yesterday 185/200; camera-c has 5 labels, too few."""
    graded(connection, "today-a", now - 2 * HOUR, 100, 95, {"device": "camera-a"})
    graded(connection, "today-b", now - 2 * HOUR, 100, 65, {"device": "camera-b"})
    graded(connection, "before-a", now - 26 * HOUR, 100, 95, {"device": "camera-a"})
    graded(connection, "before-b", now - 26 * HOUR, 100, 90, {"device": "camera-b"})
    graded(connection, "few", now - 2 * HOUR, 5, 5, {"device": NASTY}, confidence=None)
    graded(connection, "complaint", now - 2 * HOUR, 7, 0, {"device": "camera-a"}, probability=None)


def graded(
    connection: Connection, name: str, ts: datetime, n: int, correct: int, slices: dict[str, str], *,
    confidence: float | None = 0.9, probability: float | None = 0.1, replay: str | None = None,
) -> None:  # fmt: skip
    """`n` verdicts at one time, the first `correct` of them right."""
    connection.execute(
        text("""
            INSERT INTO verdicts (request_id, ts, labelled_at, model, version, variant, task, correct, confidence,
                                  inclusion_probability, scorer, slices, replay)
            SELECT :name || '-' || i, :ts, CAST(:ts AS timestamptz) + interval '10 minutes', :model, '1', 'stable',
                   'vqa', i <= :correct, :confidence, :probability, 'vqa', :slices, :replay
            FROM generate_series(1, :n) AS i
        """),
        {"name": name, "ts": ts, "n": n, "correct": correct, "slices": Jsonb(slices), "confidence": confidence,
         "probability": probability, "replay": replay, "model": MODEL if replay is None else "student"},
    )  # fmt: skip


def replays(connection: Connection, now: datetime) -> None:
    """Two runs of an exam, 694/1730 and 734/1730, without confidences."""
    insert(connection, "replays", [{"id": "exam-1", "name": "old exam", "start_ts": now - 10 * HOUR, "rows": 3460}])
    for run, correct in (("standard-direct", 694), ("vision-direct", 734)):
        graded(connection, run, now - 10 * HOUR, 1730, correct, {"run": run}, confidence=None, probability=1.0,
               replay="exam-1")  # fmt: skip


def drift(connection: Connection, now: datetime) -> None:
    """A provisional image reference; drift in the last two of five hours, on camera-b alone."""
    tick = now.replace(minute=0)
    connection.execute(text("INSERT INTO embedders (fingerprint, dimension) VALUES ('exam-encoder', 8)"))
    connection.execute(
        text("""
            INSERT INTO drift_references (id, model, stream, embedder_id, blessed, active, window_start, window_end,
                                          rows, fit)
            OVERRIDING SYSTEM VALUE
            SELECT 7, :model, 'image', id, false, true, :start, :end, 1500, ''::bytea FROM embedders
        """),
        {"model": MODEL, "start": tick - 48 * HOUR, "end": tick - 24 * HOUR},
    )
    for age in range(5):
        found = age < 2
        finding(connection, tick - age * HOUR, "", "", 400, 3e-5 if found else 0.4, 0.81 if found else 0.52)
        finding(
            connection, tick - age * HOUR, "device", "camera-b", 200, 2e-6 if found else 0.5, 0.9 if found else 0.51
        )
        finding(connection, tick - age * HOUR, "device", "camera-a", 12, None, None)


def finding(
    connection: Connection, tick: datetime, dimension: str, value: str, n: int, p: float | None, effect: float | None
) -> None:
    verdict = "not_enough_data" if p is None else "drift" if p < 0.01 else "no_drift"
    detail = {"distance": 0.3, "smallest_distance": 0.25, "detector": "mean_shift", "alpha": 0.01, "n_reference": 1500,
              "reason": "12 rows are too few" if p is None else ""}  # fmt: skip
    if verdict == "drift":  # others are as older versions stored them
        detail |= {"effect_interval": [0.74, 0.87], "distance_interval": [0.21, 0.39]}
    insert(connection, "drift_results", [
        {"reference_id": 7, "dimension": dimension, "value": value, "tick": tick,
         "window_start": tick - 6 * HOUR, "n": n, "verdict": verdict, "p_value": p, "adjusted_p": p,
         "effect": effect, "detail": detail}
    ])  # fmt: skip


def tier(bad: int, total: int, state: State) -> TierReading:
    burn = bad / total / 0.15 if total else None
    fires = state == State.FIRING
    return TierReading(
        name="page_quick", severity=Severity.PAGE, factor=2.52, limit=0.378, long_minutes=120,
        short_window="latest 5 labels", long_bad=bad, long_total=total, short_bad=min(bad, 5),
        short_total=min(total, 5), burn_long=burn, burn_short=burn, lower_bound=0.44 if fires else None,
        burning=fires, state=state, reason="burns too fast" if fires else "within the limit",
    )  # fmt: skip


def evaluation(slo: str, tick: datetime, reading: TierReading, bad: int, total: int) -> dict[str, Any]:
    remaining = 1 - bad / total / 0.15 if total else None
    exhaustion = [{"window_minutes": 360, "minutes": 600.0, "earliest": 400.0, "latest": 900.0}]
    return {
        "slo": slo, "tick": tick, "state": str(reading.state), "bad": bad, "total": total,
        "budget_remaining": remaining, "burn": reading.burn_long, "tiers": [asdict(reading)], "backfilled": False,
        "detail": {"covered_minutes": 1440, "mature_until": None, "exhaustion": exhaustion if total else []},
    }  # fmt: skip


def slos(connection: Connection, now: datetime) -> None:
    """exam-accuracy: well for two hours, then firing for one; exam-idle: no data."""
    ticks = [now - MINUTE * age for age in range(180)]
    insert(connection, "slo_evaluations", [
        evaluation(SLO, tick, tier(60, 100, State.FIRING) if now - tick < HOUR else tier(5, 100, State.OK), 30, 400)
        for tick in ticks
    ])  # fmt: skip
    insert(connection, "slo_evaluations", [evaluation("exam-idle", now, tier(0, 0, State.NO_DATA), 0, 0)])


def alerts(connection: Connection, now: datetime) -> None:
    """#1 is an open page since 59 minutes; #2 a ticket that was resolved yesterday."""
    opened = now - 59 * MINUTE
    common = {"slo": SLO, "acknowledged_at": None, "acknowledged_by": None, "state": {}, "backfilled": False}
    insert(connection, "alerts", [
        {**common, "severity": "page", "opened_at": opened, "resolved_at": None},
        {**common, "severity": "ticket", "opened_at": now - 20 * HOUR, "resolved_at": now - 18 * HOUR,
         "backfilled": True},
    ])  # fmt: skip
    words = ("accuracy burns its error budget too fast", "accuracy burns slowly", "accuracy is back within its limits")
    insert(connection, "alert_transitions", [
        {"alert_id": alert, "tick": tick, "kind": kind, "reason": reason, "explanation": explanation,
         "evidence": {"notify": True}, "backfilled": alert == 2}
        for alert, tick, kind, reason, explanation in (
            (1, opened, "opened", "first_breach", words[0]),
            (2, now - 20 * HOUR, "opened", "first_breach", words[1]),
            (2, now - 18 * HOUR, "closed", "resolved", words[2]),
        )
    ])  # fmt: skip
    message = {"transition_id": 1, "due_at": opened, "attempts": 1}
    insert(connection, "notifications", [
        {**message, "channel": "log", "sent_at": opened, "failed_at": None, "last_error": None},
        {**message, "channel": "webhook", "sent_at": None, "failed_at": opened, "last_error": "HTTP 410 Gone"},
    ])  # fmt: skip


def examples(connection: Connection, now: datetime) -> None:
    """Predictions behind ten of today's verdicts, with a prompt that wants to be Markdown."""
    ids = [f"today-b-{index}" for index in range(66, 76)]
    insert(connection, "predictions", [
        {"ts": now - 2 * HOUR, "request_id": one, "model": MODEL, "version": "1", "variant": "stable", "task": "vqa",
         "status": "ok", "latency_ms": 80.0, "confidence": 0.9, "image_ref": "/nowhere/picture.png", "prompt": NASTY,
         "answer": "two cats", "refused": False, "safety_flagged": False, "slices": {"device": "camera-b"}}
        for one in ids
    ])  # fmt: skip
    insert(connection, "labels", [
        {"content_hash": one.encode(), "request_id": one, "ts": now - HOUR, "annotator_id": "a",
         "annotator_kind": "human", "answers": ["one dog"], "scored": True}
        for one in ids
    ])  # fmt: skip
    insert(connection, "label_tasks", [
        {"request_id": one, "ts": now - 2 * HOUR, "stratum": "device=camera-b", "inclusion_probability": 0.1,
         "model": MODEL, "task": "vqa", "answers": int(one in ids), "answered_at": now - HOUR if one in ids else None}
        for one in (*ids, "nobody-1", "nobody-2")
    ])  # fmt: skip


def streams(connection: Connection, now: datetime) -> None:
    """Partition 0 is 30 records behind; 1,000 accepted, 20 duplicates, 3 refused; one gap."""
    partition = {"consumer_group": "snellen-ingest", "cluster_id": "c", "topic_id": "t", "topic": "snellen.predictions",
                 "updated_at": now}  # fmt: skip
    insert(connection, "stream_offsets", [
        {**partition, "partition": 0, "next_offset": 1000, "end_offset": 1030},
        {**partition, "partition": 1, "next_offset": 23, "end_offset": 23},
    ])  # fmt: skip
    insert(connection, "ingest_counters", [
        {"minute": now - 5 * MINUTE, "topic": "snellen.predictions", "outcome": outcome, "records": records}
        for outcome, records in (("accepted", 1000), ("duplicate", 20), ("unreadable", 2), ("too_old", 1))
    ])  # fmt: skip
    insert(connection, "pair_counts", [
        {"minute": now - 6 * MINUTE, "model": "agent-vqa", "version": "", "variant": "stable", "task": "vqa",
         "joined": 1990, "lost": 10}
    ])  # fmt: skip
    insert(connection, "waiting_halves", [
        {"consumer_group": "snellen-ingest", "pair_id": one, "side": "request", "ts": now - 4 * MINUTE, "digest": b"d",
         "fields": b"{}", "topic": "t", "topic_id": "t", "partition": 0, "record_offset": 1, "due_at": now,
         "lost": lost}
        for one, lost in (("w1", False), ("w2", False), ("w3", True))
    ])  # fmt: skip
    letter = {"topic": "snellen.predictions", "topic_id": "t", "partition": 0, "record_ts": now, "detail": "not JSON",
              "created_at": now - 5 * MINUTE}  # fmt: skip
    insert(connection, "dead_letters", [
        {**letter, "record_offset": 5, "reason": "unreadable", "raw": b"\x00<img src=x>" + b"a" * 400},
        {**letter, "record_offset": 6, "reason": "unreadable", "raw": b"{"},
        {**letter, "record_offset": 7, "reason": "too_old", "raw": b"{}"},
    ])  # fmt: skip
    insert(connection, "stream_gaps", [
        {"consumer_group": "snellen-ingest", "topic": "snellen.predictions", "topic_id": "t", "partition": 1,
         "expected_offset": 10, "resumed_offset": 20, "reason": "records expired", "noticed_at": now - HOUR}
    ])  # fmt: skip
