"""Sides that hold for every item of their call: of a batch that failed, or that says nothing of single items.

Such a side knows only the id of the call; the items of the other side go by `<id>#0`, `<id>#1` and so on, and came in
one record, so they are in one batch, or all wait.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from msgspec.structs import replace

from monitor.domain.halves import Half, Side
from monitor.store.halves import HalfArrival

MAX_ITEMS: Final = 1024
"""Of a call, see `monitor.formats.payloads.rows`."""
Sides = dict[Side, HalfArrival]
Look = Callable[[Collection[str]], dict[str, HalfArrival]]


def first_item(half: Half) -> str | None:
    """The pair that the first item of the other side would have; None where this side does not hold for all.

    A failure does, an answer without output, and a request without input.
    """
    if call_of(half.pair_id):
        return None
    fields = half.fields
    speaks = (
        fields.get("output") and fields.get("status", "ok") == "ok" if half.side == "response" else fields.get("input")
    )
    return None if speaks else f"{half.pair_id}#0"


def call_of(pair_id: str) -> str:
    """The call of an item of a batch; empty for other pairs.

    >>> call_of("a#12"), call_of("a"), call_of("a#b")
    ('a', '', '')
    """
    call, mark, number = pair_id.rpartition("#")
    return call if mark and number.isdecimal() else ""


def partners(batch: Mapping[str, Sides]) -> dict[str, str]:
    """Of the pairs of which one side came: the pair under which the other may be, besides the same."""
    found: dict[str, str] = {}
    for pair_id, sides in batch.items():
        if len(sides) == 1:
            (one,) = sides.values()
            if partner := call_of(pair_id) or first_item(one.half):
                found[pair_id] = partner
    return found


def shared(
    batch: Mapping[str, Sides], others: Mapping[str, str], known: dict[str, HalfArrival], look: Look
) -> tuple[Mapping[str, Sides], dict[str, str]]:
    """Put each side that holds for all beside every item of its call.

    Args:
        batch: sides that came, by pair; it stays as it is.
        others: `partners` of the batch.
        known: those that wait, of the pairs of the batch and their partners. Items that wait are added, and copies
            of sides that waited for them.
        look: finds those that wait, of these pairs.

    Returns:
        The batch with the copies, and of those in `known` item -> the pair under which it waited.
    """
    holders = _holders(batch, others, known)
    if not holders:
        return batch, {}
    spread = {pair_id: dict(sides) for pair_id, sides in batch.items()}
    waited_as: dict[str, str] = {}
    for call, holder in holders.items():
        waits = known.get(call) is holder
        items = [f"{call}#{number}" for number in range(MAX_ITEMS)]
        if not waits:
            known |= look(items)
            del spread[call]
        for item in items:
            copy = replace(holder, half=replace(holder.half, pair_id=item))
            if waits and _is_other(holder, spread.get(item, {}).values()):
                known[item] = copy
                waited_as[item] = call
            elif not waits and _is_other(holder, [*spread.get(item, {}).values(), *_waiting(known, item)]):
                spread.setdefault(item, {})[holder.half.side] = copy
    return spread, waited_as


def _holders(
    batch: Mapping[str, Sides], others: Mapping[str, str], known: Mapping[str, HalfArrival]
) -> dict[str, HalfArrival]:
    """The side that holds for all, of each call whose first item is there or waits."""
    holders: dict[str, HalfArrival] = {}
    for pair_id, partner in others.items():
        if partner in known or partner in batch:
            call = call_of(pair_id) or pair_id
            candidates = [*_waiting(known, call), *batch.get(call, {}).values()]
            first = [*_waiting(known, f"{call}#0"), *batch.get(f"{call}#0", {}).values()]
            if len(candidates) == 1 and first_item(candidates[0].half) and _is_other(candidates[0], first):
                holders[call] = candidates[0]
    return holders


def _waiting(known: Mapping[str, HalfArrival], pair_id: str) -> list[HalfArrival]:
    return [known[pair_id]] if pair_id in known else []


def _is_other(one: HalfArrival, others: Collection[HalfArrival]) -> bool:
    """Is there one side of this item, and is it the other one?"""
    return len(others) == 1 and all(other.half.side != one.half.side for other in others)
