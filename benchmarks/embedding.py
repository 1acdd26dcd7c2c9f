"""Pictures per second from JPEG bytes to stored vectors, beside the plain way in the same run.

    python -m benchmarks.embedding [--device cuda] [--threads N] [--batch N] [--photographs FOLDER] [--profile]

Ours is what an embed worker runs: ImageOpener, Embedder, insert_embeddings into the embedded PostgreSQL. The plain way
is open_clip as its README shows it, in float32 and one step after the other: open, preprocess, encode a batch, insert.
The model has random weights, which do not change the speed. Rounds alternate, because machines are noisy; rates by CPU
second are there because other work may take the cores away.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image, ImageDraw
from sqlalchemy import Engine

from monitor.domain import events
from monitor.embedded.postgres import Postgres
from monitor.embedding.ahead import ahead
from monitor.embedding.embedder import Embedder
from monitor.embedding.encoder import Encoder
from monitor.embedding.images import ImageOpener
from monitor.embedding.loading import load
from monitor.store.embeddings import EmbeddedPrediction, embedder_id, insert_embeddings
from monitor.store.engine import make_engine, migrate, transaction
from monitor.store.partitions import DayPartitions

SIZE, QUALITY = (640, 480), 85
AT_ONCE = 256
"""Predictions of one transaction, of a Kafka batch so to say."""
LIMITS = {"max_bytes": 20_000_000, "max_pixels": 50_000_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32", help="an architecture of open_clip")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--batch", type=int, default=None, help="pictures in one pass; default 64, on a GPU 256")
    parser.add_argument("--images", type=int, default=None, help="default 512, on a GPU 16384")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--photographs", type=Path, help="folder of pictures to use instead of drawn ones")
    parser.add_argument("--profile", action="store_true", help="add a table of the operations that take the time")
    options = parser.parse_args()
    gpu = options.device == "cuda"
    options.batch = options.batch or (256 if gpu else 64)
    options.images = options.images or (16_384 if gpu else 512)
    with tempfile.TemporaryDirectory(prefix="snellen-bench-") as home, postgres(Path(home)) as engine:
        print(json.dumps(measure(options, Path(home), engine), indent=2))


@contextmanager
def postgres(home: Path) -> Iterator[Engine]:
    """With the settings of `snellen up`, durable."""
    server = Postgres(home)
    try:
        server.start()
        migrate(server.url)
        engine = make_engine(server.url)
        yield engine
        engine.dispose()
    finally:
        server.stop()


def measure(options: argparse.Namespace, home: Path, engine: Engine) -> dict[str, Any]:
    files = write_jpegs(home, options.images, options.photographs)
    weights = str(random_weights(options.model, home))
    make = partial(
        Encoder, options.model, weights, device=options.device, batch_size=options.batch, threads=options.threads
    )
    sides = {
        "plain": partial(plain, Plain(options, weights), files, engine),
        "float32": partial(ours, full := make(precision="float32"), options.threads, files, home, engine),
        "auto": partial(ours, encoder := make(precision="auto"), options.threads, files, home, engine),
    }
    timed: dict[str, list[Timed]] = {name: [] for name in sides}
    for number in range(options.rounds):
        for name, side in sides.items():
            timed[name].append(clock(partial(side, number), len(files)))
    pixels = [encoder.prepare(Image.open(file)) for file in files[: 2 * options.batch]]
    repeats = 20 if options.device == "cuda" else 2
    result = {
        "model": options.model, "device": device_name(options.device), "cores": os.cpu_count(),
        "threads": options.threads, "batch": options.batch, "images": len(files),
        "jpeg": f"{SIZE[0]} x {SIZE[1]}, quality {QUALITY}",
        "jpeg_bytes": round(statistics.mean(file.stat().st_size for file in files)),
        "precision": encoder.detail.get("precision", "float32"),
        "from_jpeg_to_store": {name: summary(rounds) for name, rounds in timed.items()},
        "ratio_to_plain": ratio(timed, "plain"), "ratio_to_our_float32": ratio(timed, "float32"),
        "forward_only": vars_of(clock(lambda: forward(encoder, pixels, repeats), repeats * len(pixels))),
        "cosine_to_float32": cosine(full, encoder, pixels),
        "stages_ms_per_image": stages(encoder, files[: 2 * options.batch], engine, home),
    }  # fmt: skip
    return result | ({"profile": profile(encoder, pixels)} if options.profile else {})


# ---- the two ways --------------------------------------------------------------------------------------------------


class Plain:
    """open_clip without any of ours."""

    def __init__(self, options: argparse.Namespace, weights: str) -> None:
        loaded = load(options.model, weights)
        self.model: Any = loaded.model.to(options.device)
        self.preprocess, self.device, self.batch, self.threads = (
            loaded.preprocess, options.device, options.batch, options.threads
        )  # fmt: skip

    @torch.inference_mode()
    def vectors(self, files: list[Path]) -> np.ndarray[Any, np.dtype[np.float32]]:
        tensors = [self.preprocess(Image.open(file).convert("RGB")) for file in files]
        features = self.model.encode_image(torch.stack(tensors).to(self.device), normalize=True)
        return np.asarray(features.cpu().numpy(), np.float32)


def plain(side: Plain, files: list[Path], engine: Engine, number: int) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(side.threads)
    try:
        for start in range(0, len(files), side.batch):
            chosen = files[start : start + side.batch]
            by_kind = [{"image": vector} for vector in side.vectors(chosen)]
            store(engine, predictions(chosen, f"plain-{number}"), by_kind, "plain@1", None)
    finally:
        torch.set_num_threads(threads)


def ours(encoder: Encoder, threads: int, files: list[Path], home: Path, engine: Engine, number: int) -> None:
    embedder = Embedder(encoder, ImageOpener([home], **LIMITS).open, threads=threads)  # a new one remembers nothing
    for start in range(0, len(files), AT_ONCE):
        asked = predictions(files[start : start + AT_ONCE], f"ours-{number}")
        store(engine, asked, embedder.embed(asked).vectors, encoder.fingerprint, encoder.detail)


def store(engine: Engine, asked: list[events.Prediction], by_kind: Any, fingerprint: str, detail: Any) -> None:
    DayPartitions(engine).ensure(one.ts for one in asked)
    with transaction(engine) as connection:
        number = embedder_id(connection, fingerprint, len(by_kind[0]["image"]), detail)
        rows = [EmbeddedPrediction.of(a, number, fingerprint, v) for a, v in zip(asked, by_kind, strict=True)]
        stored = insert_embeddings(connection, rows)
    if len(stored) != len(asked):
        raise RuntimeError(f"{len(stored)} of {len(asked)} vectors were new")


def predictions(files: list[Path], run: str) -> list[events.Prediction]:
    return [
        events.Prediction(
            request_id=f"{run}-{file.stem}", ts=datetime.now(UTC), model=events.Model(name="bench"), task="vqa",
            status="ok", input=events.Input(image=events.Image(ref=str(file))), output=events.Output(),
        )
        for file in files
    ]  # fmt: skip


# ---- parts of it ---------------------------------------------------------------------------------------------------


@torch.inference_mode()
def forward(encoder: Encoder, pixels: list[torch.Tensor], repeats: int) -> None:
    """The model alone, on normalised batches that lie on the device already, in as many threads as it has."""
    size = encoder._per_lane
    batches = [resident(encoder, pixels[at : at + size]) for at in range(0, len(pixels), size)] * repeats
    encode = torch.inference_mode()(encoder._model.encode_image)
    for _ in ahead(encoder._pool, encode, batches, encoder._lanes):
        pass
    wait(encoder)


def resident(encoder: Encoder, pixels: list[torch.Tensor]) -> torch.Tensor:
    batch = torch.stack(pixels).to(encoder._device)
    return encoder._preparation.normalised(batch).to(encoder._dtype)


def stages(encoder: Encoder, files: list[Path], engine: Engine, home: Path) -> dict[str, float]:
    """Each by itself in one thread: what one picture costs there."""
    opener = ImageOpener([home], **LIMITS)
    images = [events.Image(ref=str(file)) for file in files]
    opened, decode = lapse(lambda: [opener(one) for one in images])
    pixels, prepare = lapse(lambda: [encoder.prepare(one) for one in opened])
    batches = [pixels[at : at + encoder.batch_size] for at in range(0, len(pixels), encoder.batch_size)]
    moved, copy = lapse(lambda: [resident(encoder, one) for one in batches], encoder)
    with torch.inference_mode():
        features, compute = lapse(lambda: [encoder._model.encode_image(one) for one in moved], encoder)
    by_kind = [{"image": row} for row in torch.cat(features).float().cpu().numpy()]
    asked = predictions(files, "stages")
    _, insert = lapse(lambda: store(engine, asked, by_kind, encoder.fingerprint, encoder.detail))
    named = {"decode": decode, "preprocess": prepare, "copy": copy, "forward": compute, "store": insert}
    return {name: round(1e3 * seconds / len(files), 3) for name, seconds in named.items()}


def cosine(full: Encoder, encoder: Encoder, pixels: list[torch.Tensor]) -> dict[str, float]:
    """Of vectors of the same pixels in both precisions."""
    cosines = (full.encode_prepared(pixels) * encoder.encode_prepared(pixels)).sum(axis=1)
    return {"least": round(float(cosines.min()), 6), "mean": round(float(cosines.mean()), 6)}


def profile(encoder: Encoder, pixels: list[torch.Tensor]) -> list[dict[str, Any]]:
    """The ten operations with the most time of their own, in ms; of the device where that is a GPU."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    gpu = encoder._device.type == "cuda"
    if gpu:
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as recorded:
        encoder._image_features(pixels[: encoder.batch_size])
        wait(encoder)
    times = [
        (one.self_device_time_total if gpu else one.self_cpu_time_total, one.key, one.count)
        for one in recorded.key_averages()
    ]
    total = sum(one[0] for one in times)
    return [
        {"operation": key, "calls": count, "ms": round(us / 1e3, 3), "share": round(us / total, 3)}
        for us, key, count in sorted(times, reverse=True)[:10]
    ]


# ---- clocks --------------------------------------------------------------------------------------------------------

Timed = tuple[float, float]
"""Pictures per second, and per second of CPU time of this process."""


def clock(call: Callable[[], object], pictures: int) -> Timed:
    began, cpu = time.perf_counter(), time.process_time()
    call()
    return pictures / (time.perf_counter() - began), pictures / (time.process_time() - cpu)


def lapse(call: Callable[[], Any], encoder: Encoder | None = None) -> tuple[Any, float]:
    began = time.perf_counter()
    result = call()
    if encoder:
        wait(encoder)
    return result, time.perf_counter() - began


def wait(encoder: Encoder) -> None:
    if encoder._device.type == "cuda":
        torch.cuda.synchronize()


def vars_of(timed: Timed) -> dict[str, float]:
    return {"per_s": round(timed[0], 1), "per_cpu_s": round(timed[1], 1)}


def summary(rounds: list[Timed]) -> dict[str, Any]:
    best = max(rounds)
    return {**vars_of(best), "rounds_per_s": [round(one[0], 1) for one in rounds]}


def ratio(timed: dict[str, list[Timed]], against: str) -> dict[str, float]:
    """Medians over the rounds of ours in `auto` against another side of the same round."""
    pairs = list(zip(timed["auto"], timed[against], strict=True))
    wall, cpu = (statistics.median(a[i] / b[i] for a, b in pairs) for i in (0, 1))
    return {"wall": round(wall, 2), "cpu": round(cpu, 2)}


# ---- inputs --------------------------------------------------------------------------------------------------------


def write_jpegs(home: Path, n: int, photographs: Path | None) -> list[Path]:
    """n distinct pictures; photographs are scaled to the size, and repeat with another brightness in one corner."""
    rng = np.random.default_rng(0)
    sources = sorted(one for one in photographs.rglob("*") if one.suffix in (".jpg", ".png")) if photographs else []
    files = []
    for number in range(n):
        picture = Image.open(sources[number % len(sources)]).convert("RGB").resize(SIZE) if sources else drawn(rng)
        ImageDraw.Draw(picture).rectangle((0, 0, 24, 24), fill=(number // 65536, number // 256 % 256, number % 256))
        file = home / f"{number:06d}.jpg"
        picture.save(file, quality=QUALITY)
        files.append(file)
    return files


def drawn(rng: np.random.Generator) -> Image.Image:
    """A soft background with grain and some shapes: about as many bytes as a photograph."""
    soft = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    grain = rng.integers(0, 12, (SIZE[1], SIZE[0], 1), dtype=np.uint8)
    picture = Image.fromarray(np.asarray(soft) // 2 + 60 + grain)
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y, w, h = (int(v) for v in rng.integers((0, 0, 20, 20), (560, 400, 200, 200)))
        shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
    return picture


def random_weights(model: str, home: Path) -> Path:
    torch.manual_seed(0)
    file = home / "weights.pt"
    torch.save(open_clip.create_model(model, load_weights=False).state_dict(), file)
    return file


def device_name(device: str) -> str:
    if device == "cuda":
        return torch.cuda.get_device_name()
    return str(torch.cpu.get_capabilities().get("cpu_name", "cpu"))


if __name__ == "__main__":
    main()
