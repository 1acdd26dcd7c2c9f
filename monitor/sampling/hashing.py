"""A coin that every replica throws alike: the keyed hash of a request id against a probability."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import SettingsError

_BITS: Final = 53
"""A float64 in [0, 1) holds 53 bits exactly, so no two hashes round together and none rounds up to 1."""
_STEPS: Final = float(2**_BITS)


def uniform(request_id: str, key: str) -> float:
    """A number in [0, 1) that depends on `request_id` and `key` alone, uniform over ids, independent across keys.

    BLAKE2b in its keyed mode (RFC 7693), of which the first 53 bits are taken. Keys are hashed first, because
    that mode takes at most 64 bytes.

    >>> uniform("req-1", "embed") == uniform("req-1", "embed") != uniform("req-1", "label")
    True
    """
    coin = _keyed(key).copy()
    coin.update(request_id.encode("utf-8", "surrogatepass"))
    return (int.from_bytes(coin.digest()) >> (64 - _BITS)) / _STEPS


def uniforms(request_ids: Sequence[str], key: str) -> NDArray[np.float64]:
    """`uniform` of many ids [n], at half its cost.

    >>> uniforms(["req-1", "req-2"], "label").tolist() == [uniform("req-1", "label"), uniform("req-2", "label")]
    True
    """
    keyed, digests = _keyed(key), []
    for one in request_ids:
        coin = keyed.copy()
        coin.update(one.encode("utf-8", "surrogatepass"))
        digests.append(coin.digest())
    return (np.frombuffer(b"".join(digests), ">u8") >> np.uint64(64 - _BITS)) / _STEPS


@cache
def _keyed(key: str) -> blake2b:
    """Only to be copied."""
    secret = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    return blake2b(key=secret, digest_size=8)


def selected(request_id: str, rate: float, key: str) -> bool:
    """Whether this request belongs to the sample of `rate` (0 none, 1 all) that `key` names.

    Whoever is selected at one rate is selected at every higher one under the same key; other keys draw anew.

    Raises:
        SettingsError: rate outside [0, 1].
    """
    if not 0.0 <= rate <= 1.0:
        raise SettingsError(f"sampling rate {key!r} must lie in [0, 1], not {rate!r}")
    return uniform(request_id, key) < rate
