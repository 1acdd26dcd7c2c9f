"""How long a change goes unseen on a stream, and how long unchanged streams run until a false alarm.

Rows arrive, a change begins at a random one, looks are taken every hour; all testers follow the same streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drift import stream_worker
from benchmarks.drift.beside import UNCHANGED
from benchmarks.drift.testers import ALIBI, EVIDENTLY, LONGER, ONLINE, OURS, Limits, apart, pythons
from benchmarks.drift.traffic import Clip, Draw, Rows, changes, traffics
from monitor.drift.compare import LEVEL
from monitor.drift.persistence import LOOKS, NEEDED

TESTERS = (*OURS, *LONGER, *ALIBI, *ONLINE, *EVIDENTLY, "nannyml_pca")
"""Frouros' MMD and NannyML's classifier need over 40 s a look."""

KINDS = ("independent", "bursty")
CHANGES = (
    "2% of a new cluster",
    "5% of a new cluster",
    "mean shift 0.1 sd of ten factors",
    "mean shift 0.2 sd of ten factors",
    "widening 2% about the mean",
    "rotation by 6 degrees",
)

ROWS_PER_HOUR = 100
"""Sampled; a window is an hour, and so is a tick."""

REFERENCE, LEAD, AFTER = 24, LOOKS - 1, 24
"""Hours of the reference; that a stream has before its change, so that persistence has its looks; and after which a
change counts as not found. Unchanged streams are as long."""

REFERENCES = 2
"""Of a shard."""

CLEAR = LEVEL
"""No rule that is judged here asks for p-values that are smaller."""

LIMITS = Limits(seconds=1800.0, cpu_seconds=240.0, gigabytes=8.0)
"""The processor's are of one reference and its streams, of which there are seven."""

SLOW, FEW = 45.0, 3
"""Seconds of the processor for a reference: a tester that needs more follows the streams of so many seeds alone."""


@dataclass(frozen=True)
class Stream:
    """Hours of traffic [LEAD + AFTER, rows, d], changed from row `begins` of hour LEAD on."""

    name: str
    begins: int
    hours: Rows


def shards(
    testers: Sequence[str], dimension: int, seeds: Sequence[int], folder: Path, peers: Path | None
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Name and work of each; who is asked depends on the shards that lie in `folder` by then."""
    drawn = lru_cache(maxsize=1)(streams)
    for index, seed in enumerate(seeds):
        for kind in KINDS:
            for tester in testers:
                if asked(folder, tester, index):
                    work = partial(_shard, tester, kind, dimension, seed, partial(drawn, kind, dimension, seed), peers)
                    yield f"delay-{tester}-{kind}-{seed}", work


def streams(kind: str, dimension: int, seed: int) -> list[tuple[Rows, tuple[Stream, ...]]]:
    """References, and with each an unchanged stream and one of each change. A change keeps its direction."""
    world = Clip(dimension, 10 * seed + KINDS.index(kind))
    unchanged = traffics(world)[kind]
    altered = {name: traffics(world, source)[kind] for name, source in changes(world).items() if name in CHANGES}
    made = []
    for _ in range(REFERENCES):
        reference = unchanged(0, REFERENCE * ROWS_PER_HOUR)
        followed = [_stream(UNCHANGED, unchanged, unchanged, 0)]
        followed += [
            _stream(name, unchanged, draw, int(world.rng.integers(ROWS_PER_HOUR))) for name, draw in altered.items()
        ]
        made.append((reference, tuple(followed)))
    return made


def _stream(name: str, unchanged: Draw, changed: Draw, begins: int) -> Stream:
    before = unchanged(0, LEAD * ROWS_PER_HOUR + begins)
    rows = np.concatenate([before, changed(0, AFTER * ROWS_PER_HOUR - begins)])
    return Stream(name, begins, rows.reshape(LEAD + AFTER, ROWS_PER_HOUR, -1))


def asked(folder: Path, tester: str, index: int) -> bool:
    """No more once it exceeded a limit; and where it is slow, only with the first few seeds."""
    before = [json.loads(path.read_text()) for path in folder.glob(f"delay-{tester}-*.json")]
    slow = any(max(one.get("cpu_seconds", [0.0])) > SLOW for one in before)
    return not any("exceeded" in one for one in before) and not (slow and index >= FEW)


def _shard(
    tester: str,
    kind: str,
    dimension: int,
    seed: int,
    drawn: Callable[[], list[tuple[Rows, tuple[Stream, ...]]]],
    peers: Path | None,
) -> dict[str, Any]:
    """By stream's name, of each reference: the row at which the change begins, and `p` and `after` of each hour."""
    plan = {"tester": tester, "traffic": kind, "dimension": dimension, "seed": seed, "per_window": ROWS_PER_HOUR}
    python = pythons(peers).get(tester)
    found = "not installed" if python is None else _followed(tester, python, drawn())
    return {**plan, **({"exceeded": found} if isinstance(found, str) else found)}


def _followed(tester: str, python: Path, drawn: list[tuple[Rows, tuple[Stream, ...]]]) -> dict[str, Any] | str:
    arrays: dict[str, Any] = {}
    for index, (reference, followed) in enumerate(drawn):
        arrays[f"r{index}"] = reference
        arrays |= {f"s{index}_{number}": one.hours for number, one in enumerate(followed)}
    plan = {"lead": LEAD, "clear": CLEAR, "needed": NEEDED, "looks": LOOKS}
    found = apart(python, ["-m", stream_worker.__name__, tester, json.dumps(plan)], arrays, LIMITS)
    if isinstance(found, str):
        return found
    by_name: dict[str, list[dict[str, Any]]] = {}
    for (_, followed), ps, afters in zip(drawn, found["p"], found["after"], strict=True):
        for one, p, after in zip(followed, ps, afters, strict=True):
            by_name.setdefault(one.name, []).append({"begins": one.begins, "p": p, "after": after})
    return {"streams": by_name, "cpu_seconds": found["cpu_seconds"], "peak_mb": found["peak_mb"]}
