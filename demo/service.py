"""The service that is monitored: visual question answering and zero-shot classification with the small CLIP.

It works as one in production would. A micro-batch of requests is decoded, embedded and answered, and every request
leaves a record of what really happened: the picture that was used, all candidates with their scores, the time that
passed. It knows neither the truth nor what goes wrong around it.
"""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from demo.captions import answer_texts, class_texts
from demo.scenes import ATTRIBUTES
from monitor.domain.events import Candidate, Image, Input, Model, Output, Prediction, Variant
from monitor.sampling import uniform

if TYPE_CHECKING:  # torch takes seconds: what only describes the service does without
    from demo.clip.encoder import Encoder

MODEL: Final = "scene-vqa"
AUDIT_S: Final = 0.35
"""How long the audit log takes to confirm a record."""
REMEMBERED_TEXTS: Final = 20_000
WARM_UP: Final = 16
"""Pictures that are answered before any traffic: as many as the largest micro-batch has."""

Pixels = NDArray[np.uint8]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sends: a picture, uploaded before, and a question or the name of a set of classes."""

    request_id: str
    ts: datetime
    device: str
    picture: Path
    task: str
    attribute: str
    """What is asked for; for classification the set of classes."""
    prompt: str | None
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Serving:
    """How the service is deployed: switches that its operators set."""

    canary_share: float = 0.0
    """Of the requests, chosen by a hash of their id."""
    prefetch: bool = False
    """Decode the next picture while the last one is answered."""
    audit: bool = False
    """Write an audit record before each micro-batch is answered."""


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the service: the same weights behind its own preprocessing."""

    version: str
    preprocess_version: str
    preprocess: Callable[[Pixels], Pixels]
    """uint8 [n, 64, 64, 3] RGB as decoded, to what the encoder takes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An uploaded file as the service read it. `pixels` is None when it could not be decoded."""

    image: Image
    pixels: Pixels | None


def _as_decoded(pixels: Pixels) -> Pixels:
    return pixels


def _fast(pixels: Pixels) -> Pixels:
    """Skip a copy: hand over blue, green, red, and scale to [0, 1] instead of [-1, 1]. Both are mistakes."""
    return (127.5 + pixels[..., ::-1] / 2).astype(np.uint8)


RELEASES: Final[dict[Variant, Release]] = {
    "stable": Release("v1", "pillow-1", _as_decoded),
    "canary": Release("v2", "fast-2", _fast),
}


class SceneVqa:
    """The service. Belongs to one thread."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._texts: OrderedDict[str, Vectors] = OrderedDict()
        self._prefetched: Picture | None = None
        self._warm_up()

    def answer(self, requests: Sequence[Request], serving: Serving) -> list[Prediction]:
        """Answer a micro-batch that has just arrived; the records come in the order of the requests.

        Its latency is what the service itself works and waits: all else that runs on this machine, Snellen and the
        other release with it, would be elsewhere in production.
        """
        began, waited_s = time.thread_time(), 0.0
        pictures = [read_picture(request.picture) for request in requests]
        if serving.prefetch:
            pictures = self._swap_buffers(pictures)
        if serving.audit:
            waited_s = _write_audit_record()
        prepared_s = time.thread_time() - began + waited_s
        records: dict[str, Prediction] = {}
        for variant, release in RELEASES.items():
            routed = [
                (request, picture)
                for request, picture in zip(requests, pictures, strict=True)
                if variant_of(request.request_id, serving.canary_share) == variant
            ]
            began = time.thread_time()
            outputs = self._infer(release, routed)
            latency_ms = (prepared_s + time.thread_time() - began) * 1000
            for request, picture in routed:
                output = outputs.get(request.request_id)
                records[request.request_id] = _record(request, picture, variant, release, output, latency_ms)
        return [records[request.request_id] for request in requests]

    def _warm_up(self) -> None:
        """Before any traffic, as any service: what the first calls cost more than others is no user's wait."""
        self._encoder.images(np.zeros((WARM_UP, 64, 64, 3), dtype=np.uint8))
        self._embed([text for attribute in ATTRIBUTES for text in class_texts(attribute)])

    def _swap_buffers(self, pictures: Sequence[Picture]) -> list[Picture]:
        """Double buffering that hands out a buffer before it is filled anew: each request gets the picture before."""
        first = self._prefetched or pictures[-1]
        self._prefetched = pictures[-1]
        return [first, *pictures[:-1]]

    def _infer(self, release: Release, routed: Sequence[tuple[Request, Picture]]) -> dict[str, Output]:
        """Outputs by request id, of those whose picture could be decoded."""
        usable = [(request, picture.pixels) for request, picture in routed if picture.pixels is not None]
        if not usable:
            return {}
        images = self._encoder.images(release.preprocess(np.stack([pixels for _, pixels in usable])))
        wanted = [_texts(request) for request, _ in usable]
        known = self._embed([text for texts in wanted for text in texts])
        return {
            request.request_id: self._choose(request, image, np.stack([known[text] for text in texts]))
            for (request, _), image, texts in zip(usable, images, wanted, strict=True)
        }

    def _choose(self, request: Request, image: Vectors, texts: Vectors) -> Output:
        """The candidate whose text is nearest to the picture, with the softmax over all of them."""
        logits = (texts @ image).astype(np.float64) * self._encoder.scale
        powers = np.exp(logits - logits.max())
        scores = (powers / powers.sum()).tolist()
        best = int(np.argmax(scores))
        candidates = tuple(
            Candidate(answer=one, score=score) for one, score in zip(request.candidates, scores, strict=True)
        )
        return Output(answer=request.candidates[best], candidates=candidates, confidence=min(1.0, scores[best]))

    def _embed(self, texts: Sequence[str]) -> Mapping[str, Vectors]:
        """Vectors of texts; those that come again are remembered."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if missing:
            self._texts |= zip(missing, self._encoder.texts(missing), strict=True)
        found = {text: self._texts[text] for text in texts}
        while len(self._texts) > REMEMBERED_TEXTS:
            self._texts.popitem(last=False)
        return found


def read_picture(path: Path) -> Picture:
    """Read and decode an upload; one that broke off cannot be decoded."""
    content = path.read_bytes()
    digest = sha256(content).hexdigest()
    try:
        with Pictures.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError:  # Pillow's word for what is no whole picture
        return Picture(Image(ref=path.as_uri(), sha256=digest, bytes=len(content)), None)
    height, width, _ = pixels.shape
    image = Image(ref=path.as_uri(), sha256=digest, width=width, height=height, bytes=len(content))
    return Picture(image, pixels)


def _write_audit_record() -> float:
    """Seconds until the audit log has confirmed it."""
    began = time.perf_counter()
    time.sleep(AUDIT_S)
    return time.perf_counter() - began


def variant_of(request_id: str, canary_share: float) -> Variant:
    """Which release answers a request."""
    return "canary" if uniform(request_id, "canary") < canary_share else "stable"


def _texts(request: Request) -> list[str]:
    """One text per candidate."""
    if request.prompt is None:
        return class_texts(request.attribute)
    return answer_texts(request.prompt, request.candidates)


def _record(
    request: Request, picture: Picture, variant: Variant, release: Release, output: Output | None, latency_ms: float
) -> Prediction:
    """What the service logs of one request."""
    return Prediction(
        request_id=request.request_id,
        ts=request.ts,
        model=Model(name=MODEL, version=release.version, variant=variant),
        task=request.task,
        input=Input(image=picture.image, prompt=request.prompt),
        output=output or Output(),
        status="error" if output is None else "ok",
        error_code="picture_unreadable" if output is None else None,
        latency_ms=round(latency_ms, 3),
        slices={"device": request.device, "question": request.attribute},
        preprocess_version=release.preprocess_version,
    )
