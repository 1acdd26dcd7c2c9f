"""Named arrays and a few facts as bytes: numpy's own npz, never pickle."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from hashlib import blake2b
from io import BytesIO
from tokenize import TokenError
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from monitor.errors import UnreadableState

Arrays = Mapping[str, NDArray[Any]]

_FACTS: Final = "facts"
_NAMES: Final = "arrays"
"""The fact that says which arrays there are: damage to the archive's directory can hide some. Older ones lack it."""
_DAMAGED: Final = (ValueError, OSError, KeyError, EOFError, RuntimeError, BadZipFile, zlib.error, TokenError)
"""What numpy and zipfile trip over in bytes that were changed."""


class _Complete(dict[str, NDArray[Any]]):
    """Says of an array that is asked for in vain what that means: an older archive lost it, see `_NAMES`."""

    def __missing__(self, name: str) -> NDArray[Any]:
        raise UnreadableState(f"these bytes are damaged, they lack {name!r}; make the reference anew")


def pack(kind: str, facts: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Equal content gives equal bytes. `kind` names the format and its version; `facts` must be plain JSON."""
    text = json.dumps({"kind": kind, _NAMES: list(arrays), **facts})
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **{_FACTS: np.array(text)}, **arrays)
    return buffer.getvalue()


def digest(facts: Mapping[str, Any], arrays: Arrays, size: int) -> bytes:
    """`size` bytes that differ when facts, names, shapes, types or values differ, whatever wrote the archive."""
    hashed = blake2b(json.dumps(facts).encode(), digest_size=size)
    for name, array in arrays.items():
        hashed.update(f"{name}{array.shape}{array.dtype.str}".encode())
        hashed.update(array.tobytes())
    return hashed.digest()


def unpack(data: bytes, *kinds: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The facts and arrays of `pack`, which may be of any of these kinds.

    Raises:
        UnreadableState: the bytes are damaged, or of another kind or version.
    """
    found = _contents(data)
    if found is None:
        raise UnreadableState(f"these bytes are damaged, or hold no {kinds[0]}; make the reference anew")
    facts, arrays = found
    if facts.get("kind") not in kinds:
        raise UnreadableState(f"these bytes hold no {kinds[0]}; make the reference anew")
    return facts, _Complete(arrays)


def is_whole(data: bytes) -> bool:
    """Are these bytes as `pack` wrote them, of whatever kind and version? If not, nobody can read them.

    A version that wrote them in another form would have them taken for damaged by those before it.
    """
    return _contents(data) is not None


def _contents(data: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """None: they are damaged. What numpy says of that is not passed on: it may advise to unpickle them."""
    try:
        with np.load(BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(str(arrays.pop(_FACTS)))
    except _DAMAGED:
        return None
    if not isinstance(facts, dict) or facts.pop(_NAMES, [*arrays]) != [*arrays]:
        return None
    return facts, arrays
