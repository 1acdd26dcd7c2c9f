"""A CLIP-like model behind two calls: pictures to vectors, texts to vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image

from monitor.embedding.fingerprint import describe, fingerprint
from monitor.embedding.loading import load
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

    Args:
        model, pretrained: as `monitor.embedding.loading.load` takes them.
        device: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        batch_size: pictures or texts in one pass.
        threads: CPU threads of this process's tensor operations.

    Attributes:
        fingerprint: of what it makes, `name@hash`; see `monitor.embedding.fingerprint`.
        detail: what the fingerprint stands for.
        dimension: d, the length of the vectors.

    Raises:
        SettingsError: the model cannot be loaded, or the device is not there.
    """

    def __init__(
        self, model: str, pretrained: str | None = None, *, device: str = "auto", batch_size: int = 64, threads: int = 1
    ) -> None:
        self._device = _device(device)
        torch.set_num_threads(threads)
        loaded = load(model, pretrained)
        self._tokenizer: Any = loaded.tokenizer
        self._first_words = dict(getattr(self._tokenizer, "cache", {}))
        self._context_length = int(loaded.tokenizer([""]).shape[1])
        self.detail = describe(loaded, self._context_length)
        self.fingerprint = fingerprint(self.detail)
        self._preprocess = loaded.preprocess
        self._model: Any = loaded.model.to(self._device)
        self._batch_size = batch_size
        self.dimension = self._probe(model)

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """Resize, crop and normalise one picture as the model was trained: float32 [3, height, width]."""
        return self._preprocess(image)

    def encode_images(self, images: Iterable[Image.Image]) -> Matrix:
        """Unit vectors of n pictures, float32 [n, d]. Of a lazy iterable only one picture is held at a time."""
        return self.encode_prepared(self.prepare(image) for image in images)

    @torch.inference_mode()
    def encode_prepared(self, tensors: Iterable[torch.Tensor]) -> Matrix:
        """Unit vectors of n pictures that `prepare` has made, float32 [n, d]."""
        batches = _batched(tensors, self._batch_size)
        return self._joined(self._model.encode_image(torch.stack(batch).to(self._device)) for batch in batches)

    @torch.inference_mode()
    def encode_texts(self, texts: Iterable[str]) -> Matrix:
        """Unit vectors of n texts, float32 [n, d]. What exceeds the context length is cut off, as open_clip does."""
        batches = _batched(map(self._trimmed, texts), self._batch_size)
        return self._joined(self._model.encode_text(self._tokens(batch).to(self._device)) for batch in batches)

    def _joined(self, features: Iterable[torch.Tensor]) -> Matrix:
        parts = [F.normalize(part.float(), dim=-1).cpu().numpy() for part in features]
        return np.concatenate(parts) if parts else np.empty((0, self.dimension), np.float32)

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
