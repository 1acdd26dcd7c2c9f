"""What a record takes in memory once it is decoded: rather more than less, at little cost."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from msgspec.json import Encoder

from monitor.domain.events import Label, Prediction
from monitor.domain.halves import Half
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats import Decoded

_EVENT: Final = 1024
"""Bytes of an event and what is made of it, without its texts. Measured with spans of 110 bytes: 1.5 kB, with them."""
_VALUE: Final = 128
"""Bytes of a value in a list or an object: three characters of JSON make an empty object, which takes 64 and 8."""
_NESTED: Final = frozenset((dict, list, tuple))
"""As JSON is read, no classes of them."""
_encode: Final = Encoder().encode


def decoded_size(said: Sequence[Decoded], record: Record) -> int:
    """Bytes, about.

    Texts of a record that says one thing are as long as they came. Where it says several, each may repeat what they
    share: when it is redacted, and when it is written.
    """
    if len(said) == 1:
        return len(record.value) + _VALUE * _values(said[0])
    return sum(
        _EVENT + 2 * len(_encode(one)) + _VALUE * _values(one) for one in said if not isinstance(one, InvalidEvent)
    )


def _values(one: Decoded) -> int:
    """How many values of an event stand in lists and objects, at any depth."""
    if isinstance(one, Prediction):
        output = one.output
        few = len(one.slices) + len(one.embeddings) + len(output.candidates)
        if output.safety is not None:
            few += len(output.safety.categories)
        return few + _inside(one.extra) if one.extra else few
    if isinstance(one, Half):
        return _inside(one.fields)
    if isinstance(one, InvalidEvent):
        return 0
    return _inside(one.extra) + (len(one.answers) if isinstance(one, Label) else 0)


def _inside(tree: Collection[Any]) -> int:
    values = len(tree)
    for one in tree.values() if isinstance(tree, dict) else tree:
        if type(one) in _NESTED:
            values += _inside(one)
    return values
