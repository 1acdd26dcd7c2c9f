"""open_clip's own preprocessing in two steps: geometry per picture in whole numbers, arithmetic per batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import Compose, Normalize

from monitor.errors import SettingsError


class Preparation:
    """Splits open_clip's transforms before their last two, which turn pixels into numbers and normalise these.

    Pixels wait, and travel to a GPU, as one byte each instead of four. The result is that of the unsplit transforms to
    the last bit, for the same operations come in the same order.

    Raises:
        SettingsError: the transforms do not end in these two.
    """

    def __init__(self, transforms: Callable[[Image.Image], torch.Tensor]) -> None:
        steps: list[Any] = list(getattr(transforms, "transforms", []))
        if not steps or not isinstance(steps[-1], Normalize):
            raise SettingsError(f"embedder.model: its preprocessing does not end by normalising: {transforms}")
        self._geometry = Compose(steps[:-2])
        self._mean = torch.tensor(steps[-1].mean)
        self._std = torch.tensor(steps[-1].std)

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """Resized and cropped: uint8 [height, width, 3]. May be called from any thread."""
        return torch.from_numpy(np.array(self._geometry(image)))

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 [n, height, width, 3] as float32 [n, 3, height, width] in the layout of pixels, on its device."""
        mean, std = self._mean.to(pixels.device), self._std.to(pixels.device)
        return pixels.float().div_(255).sub_(mean).div_(std).permute(0, 3, 1, 2)
