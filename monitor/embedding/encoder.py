"""A CLIP-like model behind two calls: pictures to vectors, texts to vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from monitor.embedding.ahead import ahead
from monitor.embedding.fingerprint import describe, fingerprint
from monitor.embedding.loading import load
from monitor.embedding.precision import Precision, resolve
from monitor.embedding.preparation import Preparation
from monitor.errors import SettingsError

Matrix = NDArray[np.float32]
T = TypeVar("T")

CHARACTERS_PER_TOKEN = 16
"""Text beyond this times the context length is cut before it is tokenised: tokens average below 5 characters, and the
tokeniser's time grows with the square of a word's length."""
REMEMBERED_WORDS = 100_000
"""open_clip's tokeniser keeps every word that it ever saw; past this many it starts anew."""


class Encoder:
    """An open_clip model, ready to encode. One thread at a time may encode; `prepare` may be called from any.

    On the CPU each of its threads encodes a batch of its own, which loses no time to threads that wait for each other.
    On a GPU one thread hands over the work and waits only for the last of it.

    Args:
        model, pretrained: as `monitor.embedding.loading.load` takes them.
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        precision: what it computes in; see `monitor.embedding.precision.resolve`. Vectors are float32 in any case.
        batch_size: pictures or texts that are being encoded at once, over all threads.
        threads: CPU threads that encode.

    Attributes:
        fingerprint: of what it makes, `name@hash`; see `monitor.embedding.fingerprint`.
        detail: what the fingerprint stands for.
        dimension: d, the length of the vectors.
        batch_size: as given.

    Raises:
        SettingsError: the model cannot be loaded, or the device or the precision is not there.
    """

    def __init__(
        self, model: str, pretrained: str | None = None, *, device: str = "auto", precision: Precision = "float32",
        batch_size: int = 64, threads: int = 1,
    ) -> None:  # fmt: skip
        self._device = _device(device)
        self._dtype = resolve(precision, self._device)
        torch.set_num_threads(1)
        self._lanes = threads if self._device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self._lanes, thread_name_prefix="encode")
        loaded = load(model, pretrained)
        self._tokenizer: Any = loaded.tokenizer
        self._first_words = dict(getattr(self._tokenizer, "cache", {}))
        self._context_length = int(loaded.tokenizer([""]).shape[1])
        self.detail = describe(loaded, self._context_length, self._dtype)
        self.fingerprint = fingerprint(self.detail)
        self._preparation = Preparation(loaded.preprocess)
        self._model: Any = loaded.model.to(self._device, self._dtype).to(memory_format=torch.channels_last)
        self.batch_size = batch_size
        self.dimension = self._probe(model)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Resize and crop one picture as the model was trained: uint8 [height, width, 3]."""
        return self._preparation.pixels(image)

    def encode_images(self, images: Iterable[Image.Image]) -> Matrix:
        """Unit vectors of n pictures, float32 [n, d]. Of a lazy iterable only a few batches are held at a time."""
        return self.encode_prepared(self.prepare(image) for image in images)

    def encode_prepared(self, pixels: Iterable[torch.Tensor]) -> Matrix:
        """Unit vectors of n pictures that `prepare` has made, float32 [n, d]."""
        return self._joined(self._image_features, _batched(pixels, self._per_lane))

    def encode_texts(self, texts: Iterable[str]) -> Matrix:
        """Unit vectors of n texts, float32 [n, d]. What exceeds the context length is cut off, as open_clip does."""
        batches = _batched(map(self._trimmed, texts), self._per_lane)
        return self._joined(self._text_features, map(self._tokens, batches))

    def _joined(self, features: Callable[[T], torch.Tensor], batches: Iterable[T]) -> Matrix:
        parts = list(ahead(self._pool, features, batches, self._lanes))
        return torch.cat(parts).cpu().numpy() if parts else np.empty((0, self.dimension), np.float32)

    @torch.inference_mode()
    def _image_features(self, pixels: list[torch.Tensor]) -> torch.Tensor:
        """Of one batch, float32 [n, d] of unit length, on the device."""
        pinned = self._device.type == "cuda"  # only from pinned memory does the copy go on beside the computation
        batch = torch.empty((len(pixels), *pixels[0].shape), dtype=torch.uint8, pin_memory=pinned)
        torch.stack(pixels, out=batch)
        images = self._preparation.normalised(batch.to(self._device, non_blocking=True))
        return F.normalize(self._model.encode_image(images.to(self._dtype)).float(), dim=-1)

    @torch.inference_mode()
    def _text_features(self, tokens: torch.Tensor) -> torch.Tensor:
        """Of one batch, float32 [n, d] of unit length, on the device."""
        return F.normalize(self._model.encode_text(tokens.to(self._device)).float(), dim=-1)

    @property
    def _per_lane(self) -> int:
        return -(-self.batch_size // self._lanes)

    def _trimmed(self, text: str) -> str:
        return " ".join(text.split())[: CHARACTERS_PER_TOKEN * self._context_length]

    def _tokens(self, texts: list[str]) -> torch.Tensor:
        words = getattr(self._tokenizer, "cache", {})
        if len(words) > REMEMBERED_WORDS:
            words.clear()
            words.update(self._first_words)
        tokens: torch.Tensor = self._tokenizer(texts)
        return tokens

    def _probe(self, model: str) -> int:
        """Encode one picture and one text before anybody relies on it; returns d."""
        image, text = self.encode_images([Image.new("RGB", (8, 8), "grey")]), self.encode_texts(["a grey square"])
        if image.shape != text.shape or not np.isfinite([image, text]).all():
            raise SettingsError(f"embedder.model: {model} does not make finite vectors of one length for both sides")
        return int(image.shape[1])


def _device(wanted: str) -> torch.device:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise SettingsError("embedder.device: torch sees no GPU; say auto or cpu, or mend its driver")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
