"""Pictures inside payloads: addresses, `data:` addresses, bytes and base64 text."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

_MAGIC = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n", "png"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"II*\x00", "tiff"))
_BASE64_MAGIC = (("/9j/", "jpeg"), ("iVBORw0KGgo", "png"), ("R0lGOD", "gif"), ("UklGR", "webp"), ("SUkqA", "tiff"))
_BASE64_STARTS = tuple(magic for magic, _ in _BASE64_MAGIC)
_ADDRESS = ("http://", "https://", "data:", "s3://", "gs://", "az://", "file:")
_BASE64 = ";base64,"
_BESIDE_MADE = frozenset(
    {
        "id", "object", "model", "usage", "background", "output_format", "quality", "size", "error", "seeds",
        "finish_reasons", "parameters", "info", "maskImage",
    }
)  # fmt: skip
"""What stands beside pictures that were made, and says nothing else."""


def from_address(url: str) -> dict[str, Any]:
    """An `input.image` of the wire contract: the address as it stands, and the size of what a `data:` one holds."""
    image: dict[str, Any] = {"ref": url}
    if url.startswith("data:") and _BASE64 in url[:256]:
        encoded = len(url) - url.index(_BASE64) - len(_BASE64)
        image["bytes"] = encoded * 3 // 4 - url.endswith("=") - url.endswith("==")
    return image


def from_bytes(content: bytes) -> dict[str, Any]:
    """The picture itself, as a `data:` address."""
    kind = _kind_of(content) or "unknown"
    return {"ref": f"data:image/{kind};base64,{base64.b64encode(content).decode()}", "bytes": len(content)}


def from_text(text: str) -> dict[str, Any]:
    """An address or path, or a picture in base64 without one."""
    kind = kind_of_base64(text)
    return from_address(f"data:image/{kind};base64,{text}" if kind else text)


def text_in(content: bytes) -> str | None:
    """The address, path or base64 that came as bytes, as all texts of binary tensors do; None of a picture itself."""
    if not content or not content.isascii():  # no picture of any kind is
        return None
    text = content.decode("ascii")
    return text if text.isprintable() else None


def looks_like_image(value: str | bytes) -> bool:
    """Bytes or base64 that begin as pictures do, or an address that may hold one."""
    if isinstance(value, bytes):
        return _kind_of(value) is not None
    return kind_of_base64(value) is not None or value.startswith(_ADDRESS)


def are_made(body: dict[str, Any]) -> bool:
    """Is this all that an API that makes pictures answers: OpenAI's, Stability's, or those of Bedrock?"""
    match body:
        case {"created": int(), "data": [{"b64_json": str()} | {"url": str()}, *_], **more}:
            return more.keys() <= _BESIDE_MADE
        case {"artifacts": [{"base64": str()}, *_]}:
            return True
        case {"images": [str(first), *_], **more}:
            return kind_of_base64(first) is not None and more.keys() <= _BESIDE_MADE
    return False


def kind_of_base64(text: str) -> str | None:
    if not text.startswith(_BASE64_STARTS):  # mostly
        return None
    return next((kind for magic, kind in _BASE64_MAGIC if text.startswith(magic)), None)


def in_words(image: dict[str, Any]) -> dict[str, Any]:
    """A further picture, for `extra`: its address, or of one that came inside the record its hash and size."""
    ref: str = image["ref"]
    if not ref.startswith("data:"):
        return {"ref": ref}
    try:
        content = base64.b64decode(ref.partition(_BASE64)[2], validate=True)
    except ValueError:
        return {"bytes": image.get("bytes", len(ref))}
    return {"sha256": sha256(content).hexdigest(), "bytes": len(content)}


def _kind_of(content: bytes) -> str | None:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
