"""An SLO that has no data because of a name: a model, task or slice that is misspelt, or not deployed yet. Pure.

Nobody can tell the two apart, so it is no fault of the document; but who wonders is told which name it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NamedTuple

from monitor.domain.slices import OTHER, Slice
from monitor.slo.objective import Selector

SHOWN: Final = 10
"""Names that there are, those nearest to the one that is missing."""


class Kind(NamedTuple):
    """A model as it was served."""

    model: str
    version: str
    variant: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What stored events are of, as far as an SLI can choose by it."""

    kinds: Collection[Kind]
    tasks: Collection[tuple[str, str]]
    """Model and task of the last 7 days."""
    streams: Collection[tuple[str, str]]
    """Model and stream that drift is looked for in."""
    slices: Collection[Slice]


def unseen(selector: Selector, seen: Seen) -> str:
    """The first name of the selector that nothing stored has together with those before it, and which there are; empty
    where all are known, or nothing is stored at all.

    >>> seen = Seen([Kind("exam", "1", "stable")], [("exam", "vqa")], [], [Slice("device", "a")])
    >>> unseen(Selector(model="exma"), seen)
    "no event of model 'exma' is stored; models seen: 'exam'"
    >>> unseen(Selector(model="exam", version="2"), seen)
    "no event of model 'exam', version '2' is stored; versions seen: '1'"
    >>> unseen(Selector(model="exam", slice=Slice("device", "b")), seen)
    "no event of device 'b' is stored; values of device seen: 'a'"
    """
    if not seen.kinds:
        return ""
    for missing, wanted, known, plural in (*_kinds(selector, seen), *_others(selector, seen)):
        if wanted not in known:
            nearest = sorted(get_close_matches(wanted, sorted(known), SHOWN, 0.0))
            more = f" and {len(known) - SHOWN:,} more" if len(known) > SHOWN else ""
            return f"no event of {missing} is stored; {plural} seen: {', '.join(map(repr, nearest)) or 'none'}{more}"
    return ""


_Look = tuple[str, str, Collection[str], str]
"""What to say is missing, the name, those that there are, and what they are called."""


def _kinds(selector: Selector, seen: Seen) -> Iterator[_Look]:
    """Model, version and variant, each among those of the names before it."""
    kinds, names = seen.kinds, []
    for field in Kind._fields:
        wanted = getattr(selector, field)
        if wanted is not None:
            names.append(f"{field} {wanted!r}")
            yield ", ".join(names), wanted, {getattr(one, field) for one in kinds}, f"{field}s"
            kinds = [one for one in kinds if getattr(one, field) == wanted]


def _others(selector: Selector, seen: Seen) -> Iterator[_Look]:
    for what, name, pairs, when in (
        ("task", selector.task, seen.tasks, " in the last 7 days"),
        ("stream", selector.stream, seen.streams, ""),
    ):
        known = {one for model, one in pairs if selector.model in (None, model)}
        if name is not None and known:
            yield f"{what} {name!r}{when}", name, known, f"{what}s"
    dimension, value = selector.slice.dimension, selector.slice.value
    if dimension:
        yield f"slice dimension {dimension!r}", dimension, {one.dimension for one in seen.slices}, "dimensions"
        values = {one.value for one in seen.slices if one.dimension == dimension}
        yield f"{dimension} {value!r}", value, values | ({value} & {OTHER}), f"values of {dimension}"
