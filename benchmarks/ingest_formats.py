"""Predictions and records per second of logs as serving systems write them, beside native records that say the same.

    python -m benchmarks.ingest_formats [--predictions N] [--rounds R] [--collectors K] [--format F ...]

The same calls (picture by reference, prompt, answer, token log-probabilities or confidence, latency, slices) as native
events, as one OpenAI chat record with both bodies, and as the pair of CloudEvents that KServe's agent logs of a chat
completion (`kserve`) or of tensors (`kserve_v2`, Open Inference Protocol): two records per prediction, which meet in
the collector. None of these carries vectors; they are compared with native records that do (1.9 kB, as in
`benchmarks.ingest`), and with native records that say no more than they do.
Each format has a topic of its own, which names it. Rounds go through all formats in turn; a ratio is of one round, and
the median, the lowest and the highest are told.

KServe's agent gives its events no `partitionkey`, and Knative's Kafka broker and sink then write records without a key
(knative-extensions/eventing-kafka-broker, pull request 50): the sides of a call lie in any partition, as in `kserve`
here. In `kserve_keyed` somebody has keyed the topic by the id of the call.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest import carried, event
from benchmarks.pipeline import TOPIC, Headers, collector, end, fill, servers, watch
from monitor.store.engine import make_engine

Log = Callable[[dict[str, Any], int], Iterator[tuple[bytes, Headers]]]
"""The records of one call, of which the native event is given."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predictions", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--collectors", type=int, default=1, help="of one group, which share out the partitions")
    parser.add_argument("--format", action="append", choices=LOGS, dest="formats")
    options = parser.parse_args()
    names = [*NATIVE, *(one for one in options.formats or LOGS if one not in NATIVE)]
    print(json.dumps(measure(options.predictions, options.rounds, options.collectors, names), indent=2))


def measure(predictions: int, rounds: int, collectors: int, names: list[str]) -> dict[str, Any]:
    """Each format in turn, on fresh servers."""
    runs = [{name: run_once(predictions, collectors, name) for name in names} for _ in range(rounds)]
    return {
        "predictions": predictions,
        "rounds": rounds,
        "collectors": collectors,
        "cores": os.cpu_count(),
        "formats": {name: compared(name, runs) for name in names},
    }


def compared(name: str, runs: list[dict[str, tuple[float, float]]]) -> dict[str, Any]:
    """What one format came to, alone and beside native records of the same round."""
    per_s = statistics.median(run[name][0] for run in runs)
    records = len(list(LOGS[name](event(0, datetime.now(UTC)), 0)))
    return {
        "bytes_per_record": round(runs[0][name][1]),
        "predictions_per_s": round(per_s),
        "records_per_s": round(per_s * records),
        **{f"predictions_of_{other}": _spread([run[name][0] / run[other][0] for run in runs]) for other in NATIVE},
        **{
            f"records_of_{other}": _spread([records * run[name][0] / run[other][0] for run in runs])
            for other in NATIVE
            if records > 1
        },
    }


def _spread(ratios: list[float]) -> dict[str, float]:
    found = {"median": statistics.median(ratios), "lowest": min(ratios), "highest": max(ratios)}
    return {what: round(ratio, 3) for what, ratio in found.items()}


def run_once(predictions: int, collectors: int, name: str) -> tuple[float, float]:
    """(predictions per second, bytes of a record)."""
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home, servers(Path(home)) as at:
        key_header = "ce_id" if name in KEYED else None
        size = fill(at.bootstrap, TOPIC, calls(predictions, LOGS[name]), key_header=key_header)
        slices = {"device": "device", "region": "region"}
        topics = {TOPIC: {"format": FORMATS.get(name, name), "slices": {} if name in NATIVE else slices}}
        processes = [collector(at, INGEST__TOPICS=json.dumps(topics)) for _ in range(collectors)]
        engine = make_engine(at.database)
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                return watch(connection, predictions, processes).per_s, size
        finally:
            end(processes)
            engine.dispose()


def calls(predictions: int, records_of: Log) -> Iterator[tuple[bytes, Headers]]:
    start = datetime.now(UTC) - timedelta(seconds=predictions / 100)
    for index in range(predictions):
        yield from records_of(event(index, start + timedelta(seconds=index / 100)), index)


def native(call: dict[str, Any], _index: int) -> Iterator[tuple[bytes, Headers]]:
    yield json.dumps(call).encode(), ()


def native_with_vectors(call: dict[str, Any], index: int) -> Iterator[tuple[bytes, Headers]]:
    yield json.dumps({**call, "embeddings": carried(np.random.default_rng(index))}).encode(), ()


def openai_chat(call: dict[str, Any], index: int) -> Iterator[tuple[bytes, Headers]]:
    envelope = {
        "id": call["request_id"],
        "ts": call["ts"],
        "latency_ms": call["latency_ms"],
        "status_code": 200,
        "request": question(call),
        "response": answer(call, index),
        "metadata": {**call["slices"], "version": "v1"},
    }
    yield json.dumps(envelope).encode(), ()


def kserve(call: dict[str, Any], index: int) -> Iterator[tuple[bytes, Headers]]:
    yield from _pair(call, question(call), answer(call, index))


def kserve_v2(call: dict[str, Any], index: int) -> Iterator[tuple[bytes, Headers]]:
    given, said = call["input"], call["output"]
    asked = {
        "id": call["request_id"],
        "inputs": [_tensor("image", "BYTES", given["image"]["ref"]), _tensor("prompt", "BYTES", given["prompt"])],
    }
    answered = {
        "model_name": "scene-vqa",
        "model_version": "1",
        "id": call["request_id"],
        "outputs": [_tensor("answer", "BYTES", said["answer"]), _tensor("confidence", "FP32", said["confidence"])],
    }
    yield from _pair(call, asked, answered)


def _tensor(name: str, datatype: str, element: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1, 1], "datatype": datatype, "data": [element]}


def _pair(call: dict[str, Any], request: Any, response: Any) -> Iterator[tuple[bytes, Headers]]:
    """The events of a call as KServe's agent logs them."""
    asked = datetime.fromisoformat(call["ts"])
    answered = asked + timedelta(milliseconds=call["latency_ms"])
    for side, moment, body in (("request", asked, request), ("response", answered, response)):
        headers = {
            "ce_specversion": "1.0",
            "ce_id": call["request_id"],
            "ce_type": f"org.kubeflow.serving.inference.{side}",
            "ce_source": "http://localhost:9081/",
            "ce_time": moment.isoformat(),
            "ce_inferenceservicename": "scene-vqa",
            "ce_namespace": "default",
            "ce_component": "predictor",
            "ce_metadata": json.dumps({name: [value] for name, value in call["slices"].items()}),
            "content-type": "application/json",
        }
        yield json.dumps(body).encode(), tuple((name, text.encode()) for name, text in headers.items())


def question(call: dict[str, Any]) -> dict[str, Any]:
    given = call["input"]
    content = [
        {"type": "image_url", "image_url": {"url": given["image"]["ref"]}},
        {"type": "text", "text": given["prompt"]},
    ]
    return {"model": "scene-vqa", "messages": [{"role": "user", "content": content}], "max_tokens": 16}


def answer(call: dict[str, Any], index: int) -> dict[str, Any]:
    logprob = log(call["output"]["confidence"]) / 3
    tokens: list[dict[str, Any]] = [
        {"token": one, "logprob": logprob, "bytes": None, "top_logprobs": []} for one in ("a", " red", " mug")
    ]
    return {
        "id": f"chatcmpl-{index:09d}",
        "object": "chat.completion",
        "created": 1763719200,
        "model": "scene-vqa",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": call["output"]["answer"]},
                "logprobs": {"content": tokens},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 620, "completion_tokens": 3, "total_tokens": 623},
    }


LOGS: dict[str, Log] = {
    "native_with_vectors": native_with_vectors,
    "native": native,
    "openai_chat": openai_chat,
    "kserve": kserve,
    "kserve_keyed": kserve,
    "kserve_v2": kserve_v2,
    "kserve_v2_keyed": kserve_v2,
}
NATIVE = ("native_with_vectors", "native")
"""What the others are compared with."""
FORMATS = {
    "native_with_vectors": "native",
    "kserve_keyed": "kserve",
    "kserve_v2": "kserve",
    "kserve_v2_keyed": "kserve",
}
"""Formats that are not called like the logs."""
KEYED = ("kserve_keyed", "kserve_v2_keyed")
"""Logs whose records have the id of their call as the key."""


if __name__ == "__main__":
    main()
