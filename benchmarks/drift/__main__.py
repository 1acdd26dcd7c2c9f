"""False alarms, power and cost of the drift test, beside its peers on the same arrays.

    python -m benchmarks.drift --quick                 a smoke test; no figures to quote
    python -m benchmarks.drift --out FOLDER            all parts, in shards; those already in FOLDER are not run again
    python -m benchmarks.drift --out FOLDER --report   what the shards say, as JSON; --docs writes it into docs/

Peers run in environments of their own (`make peers` builds them in `.bench`; `--peers` names another folder).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.drift import alarms, delay, intervals, levels, pictures, plots, power, report, scale
from benchmarks.drift.beside import rates
from benchmarks.drift.cost import cost
from benchmarks.drift.demo_traffic import demo
from benchmarks.drift.testers import ALIBI, EVIDENTLY, LONGER, ONLINE, OTHERS, OURS
from benchmarks.drift.traffic import Rows

ROOT = Path(__file__).parents[2]
PARTS = (
    "looks", "lasting", "ticks", "alarms", "power", "larger", "delay", "pictures", "demo", "intervals", "cost", "scale"
)  # fmt: skip
TESTERS = (*OURS, *ALIBI, *EVIDENTLY, *OTHERS)
DIMENSIONS = (1, 64, 512)
PER_SHARD = 5
"""References in a shard of `power`: enough that libraries are not loaded more often than they are used."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few repetitions, small sizes")
    parser.add_argument("--out", type=Path, help="folder of shards")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part; may be given again")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--references", type=int, default=40, help="fresh references per cell")
    parser.add_argument("--peers", type=Path, default=ROOT / ".bench")
    parser.add_argument("--data", type=Path, help="folder of photographs (jpg); without it only scenes are rendered")
    parser.add_argument(
        "--tester", choices=(*TESTERS, *LONGER, *ONLINE), action="append", help="only this one; may be given again"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no shard after so many")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/drift.md, and their plots")
    options = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = options.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        if not options.report:
            began = time.monotonic()
            for name, run in shards(options, folder):
                if time.monotonic() - began > 60 * options.minutes:
                    break
                path = folder / f"{name}.json"
                if not path.exists():
                    path.write_text(json.dumps(run()))
        found = report.read(folder)
    if options.docs:
        report.write(found, ROOT / "docs" / "drift.md")
        for part in ("power", "pictures"):
            if found[part]:
                plots.plot(rates(found[part]), ROOT / "docs" / "images" / f"drift-{part}.svg")
        if found["delay"]:
            plots.run_lengths(found["delay"], ROOT / "docs" / "images" / "drift-delay.svg")
        if found["alarms"]:
            plots.heat(alarms.cells(found["alarms"]), ROOT / "docs" / "images" / "drift-alarms.svg")
    else:
        print(json.dumps(report.summary(found), indent=2))


def shards(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and work of each; names hold the seed, so that another seed adds to what is there."""
    parts, seed = options.part or PARTS, options.seed
    references = 2 if options.quick else options.references
    if "looks" in parts:
        cells = levels.cells((64,) if options.quick else DIMENSIONS, large=not options.quick)
        for index, (dimension, kind, size) in enumerate(cells):
            few = max(references // 4, 2) if size.current >= 5000 else references
            yield (
                f"looks-{dimension}-{index}-{seed}",
                lambda d=dimension, k=kind, s=size, r=few, i=index: levels.looks(
                    d, k, s, seed=1000 * seed + 17 * i + d, references=r, times=8
                ),
            )
    if "lasting" in parts:
        for index, (size, kind) in enumerate(product(levels.LASTING, ("moody", "moods that last"))):
            work = partial(levels.looks, 64, kind, size, seed=1000 * seed + index, references=references, times=8)
            yield f"lasting-{index}-{seed}", work
    if "ticks" in parts:
        for kind in ("independent", "bursty", "seasonal"):
            yield (
                f"ticks-{kind}-{seed}",
                lambda k=kind: levels.ticks(k, seed=100 + 1000 * seed, references=max(references // 5, 2)),
            )
    yield from _beside(options, folder, parts, references)
    if "larger" in parts:
        for dimension in DIMENSIONS[1:]:
            yield f"larger-{dimension}-{seed}", partial(power.larger, dimension, seed, max(references // 2, 1))
    if "pictures" in parts and not options.quick:
        yield from _pictures(options, folder, references)
    if "demo" in parts:
        yield f"demo-{seed}", lambda: demo(600 if options.quick else 6000, references, looks=8)
    if "intervals" in parts:
        for index, cell in enumerate(intervals.cells(large=not options.quick)):
            work = partial(intervals.covered, *cell, seed=seed, references=max(references // 4, 2), times=25)
            yield f"intervals-{index}-{seed}", work
    yield from _costs(options, parts)


def _beside(
    options: argparse.Namespace, folder: Path, parts: Sequence[str], references: int
) -> Iterator[tuple[str, Callable[[], Any]]]:
    seed = options.seed
    if "alarms" in parts:
        sizes = alarms.SIZES[:2] if options.quick else alarms.SIZES
        seeds = range(100 * seed, 100 * seed + max(references // (4 * alarms.REFERENCES), 1))
        yield from alarms.shards(testers(options, TESTERS), sizes, seeds, folder, options.peers)
    if "delay" in parts:
        asked = testers(options, delay.TESTERS)
        seeds = range(100 * seed, 100 * seed + max(references // (2 * delay.REFERENCES), 1))
        yield from delay.shards(asked, 64 if options.quick else 512, seeds, folder, options.peers)
    if "power" in parts:
        for tester in testers(options, TESTERS):
            for part in range(max(references // PER_SHARD, 1)):
                yield (
                    f"power-{tester}-{100 * seed + part}",
                    lambda t=tester, s=100 * seed + part: power.shard(
                        t, s, references=min(references, PER_SHARD), dimension=512, folder=options.peers, limit=600.0
                    ),
                )


def _costs(options: argparse.Namespace, parts: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    seed = options.seed
    if "cost" in parts:
        yield f"cost-{seed}", lambda: cost(20 if options.quick else 200, None if options.quick else options.peers)
    if "scale" in parts:
        sizes = scale.SIZES[:2] if options.quick else scale.SIZES
        for tester in options.tester or (OURS if options.quick else scale.SCALED):
            yield f"scale-{tester}-{seed}", partial(scale.scale, tester, seed, sizes, options.peers)


def _pictures(options: argparse.Namespace, folder: Path, references: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    for world in ("scenes", "photographs") if options.data else ("scenes",):

        def answer(tester: str, world: str = world) -> dict[str, Any]:
            made = pictures.cases(world, pools(world, options, folder), options.seed, references)
            return power.answers(tester, list(made), options.peers, 600.0)

        for tester in testers(options, TESTERS):
            yield f"pictures-{world}-{tester}-{options.seed}", partial(answer, tester)


def testers(options: argparse.Namespace, known: Sequence[str]) -> tuple[str, ...]:
    """Those of the part's that are asked for."""
    return tuple(one for one in options.tester or (OURS if options.quick else known) if one in known)


def pools(world: str, options: argparse.Namespace, folder: Path) -> dict[str, Rows]:
    """Embeddings of a world's pictures, from `folder` if they are there: all testers look at the same ones."""
    path = folder / f"{world}-{options.seed}.npz"
    if not path.exists():
        made = (
            pictures.scenes(options.seed)
            if world == "scenes"
            else pictures.photographs(options.seed, options.data, options.peers / "encoders")
        )
        np.savez(path, **made)  # type: ignore[arg-type]
    with np.load(path) as arrays:
        return dict(arrays)


if __name__ == "__main__":
    main()
