"""Which encoder made a vector: two of the same fingerprint may be compared, others never.

The path and the device are no part of it: a copy elsewhere, or a run on a GPU, makes the same vectors. The precision
is, where it is not float32.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import torch

from monitor.embedding.loading import LoadedModel

PREPARATION = 1
"""Raised when this package prepares pictures or texts in another way before open_clip does."""
PROBE = "Wie viele rote Würfel? 有几个红色的方块? How many RED cubes, 3 or 12? 🎲"
"""Tokenised to tell vocabularies and clean-up rules apart."""


def describe(loaded: LoadedModel, context_length: int, dtype: torch.dtype) -> dict[str, Any]:
    """Everything that shapes a vector, as plain JSON values; `loaded` as it was loaded, `dtype` what it computes in."""
    description: dict[str, Any] = {
        "name": loaded.name,
        "architecture": loaded.architecture,
        "weights": weights_hash(loaded.model),
        "preprocess": loaded.preprocess_config,
        "tokenizer": {
            "kind": type(loaded.tokenizer).__name__,
            "context_length": context_length,
            "probe": _probe(loaded.tokenizer),
        },
        "preparation": PREPARATION,
    }
    if dtype != torch.float32:  # fingerprints of float32 are older than this entry
        description["precision"] = str(dtype).removeprefix("torch.")
    plain: dict[str, Any] = json.loads(json.dumps(description))  # tuples become lists
    return plain


def fingerprint(detail: Mapping[str, Any]) -> str:
    """`name@` and 12 hexadecimal digits over all of the description."""
    canonical = json.dumps(detail, sort_keys=True, separators=(",", ":"))
    return f"{detail['name']}@{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor, in the order of names, as the model holds them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _probe(tokenizer: Callable[[list[str]], torch.Tensor]) -> str:
    ids = tokenizer([PROBE])[0].tolist()
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:12]
