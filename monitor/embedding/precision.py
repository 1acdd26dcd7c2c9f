"""The number format in which a model computes."""

from __future__ import annotations

from typing import Literal

import torch

from monitor.errors import SettingsError

Precision = Literal["auto", "float32", "bfloat16"]


def resolve(precision: Precision, device: torch.device) -> torch.dtype:
    """The type to compute in: `auto` is bfloat16 on a processor that multiplies it itself, else float32.

    Raises:
        SettingsError: bfloat16 is asked of a processor that would only imitate it, slower than float32.
    """
    native = multiplies_bfloat16(device)
    if precision == "bfloat16" and not native:
        raise SettingsError(
            f"embedder.precision: this {device.type} does not multiply bfloat16 (AVX-512 BF16, AMX or a GPU of compute "
            "capability 8.0 does); say float32"
        )
    return torch.float32 if precision == "float32" or not native else torch.bfloat16


def multiplies_bfloat16(device: torch.device) -> bool:
    """In hardware."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
