"""From predictions to vectors: each distinct picture and text once, pictures decoded while others are encoded."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from monitor.domain.events import Image, Prediction
from monitor.embedding.ahead import ahead
from monitor.embedding.images import Opened
from monitor.embedding.measuring import measure
from monitor.embedding.recent import RecentVectors, Vector
from monitor.errors import ImageRefused

if TYPE_CHECKING:  # torch takes seconds and 300 MB: a collector that only ingests imports this module without it
    import torch

    from monitor.embedding.encoder import Encoder

log = logging.getLogger(__name__)

OpenImage = Callable[[Image], Opened]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What became of some predictions."""

    vectors: list[dict[str, Vector]]
    """In their order, unit vectors [d] by kind; empty where there was nothing to embed."""
    quality: list[Vector | None]
    """In their order, what was measured of the picture (`monitor.streams.image_quality`); None without a picture."""
    refused_images: Counter[str]
    """Predictions whose picture was not opened, by `Refusal`."""


class Embedder:
    """An encoder, a way to open pictures, and a memory for what repeats. Belongs to one thread.

    Args:
        open_image: raises ImageRefused for what it does not open.
        threads: that open and decode pictures while others are encoded.
        remembered: vectors that are kept from batch to batch.
    """

    def __init__(self, encoder: Encoder, open_image: OpenImage, *, threads: int = 1, remembered: int = 4096) -> None:
        self.encoder = encoder
        self._open_image = open_image
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._recent = RecentVectors(remembered)
        self._reported: set[str] = set()

    def embed(self, predictions: Sequence[Prediction]) -> Embedded:
        """Vectors of the picture, prompt and answer of each prediction, where it has them.

        A picture that cannot be opened is counted, and its prediction has the vectors of its texts only.
        """
        sides = [_sides(one) for one in predictions]
        distinct = {_key(side): side for one in sides for side in one.values()}
        vectors = self._known(distinct)
        qualities = {key: vectors[name] for key in distinct if (name := _quality(key)) in vectors}
        missing = {key: side for key, side in distinct.items() if key not in vectors}
        texts = {key: side for key, side in missing.items() if isinstance(side, str)}
        images = {key: side for key, side in missing.items() if isinstance(side, Image)}
        vectors |= zip(texts, self.encoder.encode_texts(texts.values()), strict=True)
        opened, measured, refused = self._encode_images(images)
        vectors |= opened
        qualities |= measured
        self._remember(missing, vectors, qualities)
        return Embedded(
            [{kind: vectors[key] for kind, side in one.items() if (key := _key(side)) in vectors} for one in sides],
            [qualities.get(_key(one["image"])) if "image" in one else None for one in sides],
            Counter(refused[key] for one in sides if "image" in one and (key := _key(one["image"])) in refused),
        )

    def _known(self, sides: Mapping[str, Image | str]) -> dict[str, Vector]:
        """What is remembered of them: of a picture its vector and its quality, or neither."""
        found: dict[str, Vector] = {}
        for key, side in sides.items():
            keys = (key,) if isinstance(side, str) else (key, _quality(key))
            vectors = {one: vector for one in keys if (vector := self._recent.get(one)) is not None}
            if len(vectors) == len(keys):
                found |= vectors
        return found

    def _encode_images(
        self, images: Mapping[str, Image]
    ) -> tuple[dict[str, Vector], dict[str, Vector], dict[str, str]]:
        """Vectors and quality of those that could be opened, and the reasons of the others.

        Equal pixels are encoded once.
        """
        content: dict[str, str] = {}
        measured: dict[str, Vector] = {}
        found: dict[str, Vector] = {}
        refused: dict[str, str] = {}
        new: dict[str, None] = {}

        def prepared() -> Iterator[torch.Tensor]:
            depth = self.encoder.batch_size + 2 * self._threads  # the next batch is ready when the last one is done
            for key, result in zip(images, ahead(self._pool, self._prepare, images.values(), depth), strict=True):
                if isinstance(result, ImageRefused):
                    refused[key] = result.reason
                    self._report(result)
                    continue
                digest, pixels, measured[key] = result
                content[key] = digest
                if (known := self._recent.get(digest)) is not None:
                    found[digest] = known
                elif digest not in new:
                    new[digest] = None
                    yield pixels

        matrix = self.encoder.encode_prepared(prepared())
        encoded = dict(zip(new, matrix, strict=True))
        for digest, vector in encoded.items():
            self._recent.put(digest, vector)
        found |= encoded
        return {key: found[digest] for key, digest in content.items()}, measured, refused

    def _prepare(self, image: Image) -> tuple[str, torch.Tensor, Vector] | ImageRefused:
        """A name for its pixels, these, and its quality: two files of one picture differ in their metadata at times."""
        try:
            opened = self._open_image(image)
        except ImageRefused as refusal:
            return refusal
        pixels = self.encoder.prepare(opened.picture)
        name = f"pixels {blake2b(pixels.numpy().data, digest_size=16).hexdigest()}"
        return name, pixels, measure(opened.picture, opened.encoded_bytes)

    def _remember(
        self, sides: Mapping[str, Image | str], vectors: Mapping[str, Vector], qualities: Mapping[str, Vector]
    ) -> None:
        for key, side in sides.items():
            if key in vectors and _lasting(side):
                self._recent.put(key, vectors[key])
                if key in qualities:
                    self._recent.put(_quality(key), qualities[key])

    def _report(self, refusal: ImageRefused) -> None:
        """Once per reason: counts tell how many, the log tells what to mend."""
        if refusal.reason not in self._reported:
            self._reported.add(refusal.reason)
            log.warning("a picture was refused", extra={"reason": refusal.reason, "error": str(refusal)})


def _sides(prediction: Prediction) -> dict[str, Image | str]:
    """What there is to embed."""
    image, prompt, answer = prediction.input.image, prediction.input.prompt, prediction.output.answer
    sides: dict[str, Image | str] = {}
    if image is not None and image.ref is not None:
        sides["image"] = image
    if prompt is not None:
        sides["prompt"] = prompt
    if answer is not None:
        sides["answer"] = answer
    return sides


def _key(side: Image | str) -> str:
    """Equal keys, equal vectors, within one batch."""
    if isinstance(side, str):
        return f"text {side}"
    return f"image {side.sha256 or side.ref}"


def _quality(key: str) -> str:
    """Under which the quality of a picture is remembered."""
    return f"quality of {key}"


def _lasting(side: Image | str) -> bool:
    """Does the key hold beyond the batch? A file may be overwritten under the same name: a camera's last frame."""
    return isinstance(side, str) or side.sha256 is not None or (side.ref or "").startswith("data:")
