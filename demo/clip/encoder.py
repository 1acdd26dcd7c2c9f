"""The trained model behind two calls: pictures to vectors, texts to vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

MODEL_DIR: Final = Path(__file__).with_name("model")
"""Folder that open_clip's `local-dir:` loader reads: the configuration and the weights."""

_BATCH: Final = 256


def pixels_to_tensor(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Scale uint8 [n, 64, 64, 3] to float32 [n, 3, 64, 64] in [-1, 1], as the model's `preprocess_cfg` does."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


class Encoder:
    """Pictures and texts as unit vectors of 128 dimensions whose product is their agreement."""

    def __init__(self, folder: Path = MODEL_DIR) -> None:
        name = f"local-dir:{folder}"
        self._model = open_clip.create_model(name).eval().to(memory_format=torch.channels_last)
        self._tokenize = open_clip.get_tokenizer(name)
        self.scale = self._model.logit_scale.exp().item()
        """Factor on cosines before a softmax over candidate texts."""

    @torch.inference_mode()
    def images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed uint8 [n, 64, 64, 3] as float32 [n, 128], each row of length 1."""
        parts = [
            self._model.encode_image(pixels_to_tensor(pixels[start : start + _BATCH]), normalize=True)
            for start in range(0, len(pixels), _BATCH)
        ]
        return _to_array(parts)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed n texts as float32 [n, 128], each row of length 1."""
        parts = [
            self._model.encode_text(self._tokenize(list(texts[start : start + _BATCH])), normalize=True)
            for start in range(0, len(texts), _BATCH)
        ]
        return _to_array(parts)


def _to_array(parts: list[torch.Tensor]) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = torch.cat(parts).numpy()
    return rows
