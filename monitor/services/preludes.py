"""What was said of calls ahead of their responses, in records of its own, is taken up where their sides meet.

No side waits for a prelude: it waits in PostgreSQL as sides do, beside them, and is let go of when its time is over.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from monitor.domain.halves import prelude_of, with_prelude
from monitor.services.embed_halves import redacted_kinds, said_kinds, vectors_of
from monitor.services.triage import Triage
from monitor.store.halves import HalfArrival


def to_look_for(sorted_out: Triage) -> set[str]:
    """The pairs under which preludes of these sides, or earlier ones of these calls, may wait."""
    batch = sorted_out.halves.items()
    calls = [call for call, sides in batch for one in sides.values() if one.half.may_have_prelude]
    return {prelude_of(call) for call in (*calls, *sorted_out.preludes)}


def preludes_by_call(sorted_out: Triage, known: Mapping[str, HalfArrival]) -> dict[str, HalfArrival]:
    """All that is known to have been said ahead in a call, as one.

    Args:
        known: what waits, by pair.
    """
    several = {one.half.call: [one] for one in known.values() if one.half.side == "prelude"}
    for call, came in sorted_out.preludes.items():
        several.setdefault(call, []).extend(came)
    return {call: _one(preludes) for call, preludes in several.items()}


def take_up(side: HalfArrival, prelude: HalfArrival) -> HalfArrival:
    """A side that says what was said before it as well."""
    return replace(_with(side, prelude), preludes=(*prelude.preludes, prelude.record))


def _one(preludes: list[HalfArrival]) -> HalfArrival:
    """Of which the latest counts where several say the same."""
    said, *later = several = sorted(preludes, key=lambda one: one.half.ts)
    for one in later:
        said = _with(one, said)
    return replace(said, preludes=tuple(one.record for one in several[:-1]))


def _with(side: HalfArrival, prelude: HalfArrival) -> HalfArrival:
    """The side, or a later prelude, and what the prelude says as well."""
    new = said_kinds(prelude.half) - said_kinds(side.half)
    return replace(
        side,
        half=with_prelude(side.half, prelude.half),
        redacted=redacted_kinds(side) | (redacted_kinds(prelude) & new),
        vectors=vectors_of(side, prelude, new),
    )
