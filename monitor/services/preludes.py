"""What was said of calls ahead of their responses, in records of its own, is taken up where their sides meet, and so
are pieces of their answers that came behind the first.

No side waits for a prelude: it waits in PostgreSQL as sides do, beside them, and is let go of when its time is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from monitor.domain.halves import prelude_of, with_prelude
from monitor.services.embed_halves import redacted_kinds, said_kinds, vectors_of
from monitor.services.triage import Triage
from monitor.store.halves import HalfArrival

_ANSWER: Final = "answer"
"""In `output`, and as a kind of what is embedded."""


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
    waited = {one.half.call: one for one in known.values() if one.half.side == "prelude"}
    calls = waited | sorted_out.preludes
    return {call: _one(waited.get(call), sorted_out.preludes.get(call, [])) for call in calls}


def take_up(side: HalfArrival, prelude: HalfArrival) -> HalfArrival:
    """A side that says what was said before it as well, and more of its answer."""
    whole = _answering(_with(side, prelude), [side, prelude])
    return replace(whole, preludes=(*prelude.preludes, prelude.record))


def _one(waited: HalfArrival | None, came: Iterable[HalfArrival]) -> HalfArrival:
    """Of which the latest counts where several say the same."""
    in_order = [*([waited] if waited else []), *sorted(came, key=_time)]
    said, *later = several = sorted(in_order, key=_time)
    for one in later:
        said = _with(one, said)
    return replace(_answering(said, in_order), preludes=tuple(one.record for one in several[:-1]))


def _with(side: HalfArrival, prelude: HalfArrival) -> HalfArrival:
    """The side, or a later prelude, and what the prelude says as well."""
    new = said_kinds(prelude.half) - said_kinds(side.half)
    return replace(
        side,
        half=with_prelude(side.half, prelude.half),
        redacted=redacted_kinds(side) | (redacted_kinds(prelude) & new),
        vectors=vectors_of(side, prelude, new),
    )


def _answering(one: HalfArrival, several: Iterable[HalfArrival]) -> HalfArrival:
    """With the answer of which each of these has a piece, in this order; one no later than the last comes again.

    What was made of a piece says nothing of the whole, which is embedded as it is by now.
    """
    pieces: list[str] = []
    until: datetime | None = None
    for piece in several:
        if (text := _answer(piece)) and (until is None or piece.half.ts > until):
            pieces.append(text)
            until = piece.half.ts
    if (whole := "".join(pieces)) == _answer(one):
        return one
    output = {**one.half.fields["output"], _ANSWER: whole}
    half = replace(one.half, fields={**one.half.fields, "output": output})
    vectors = {name: {kind: of[kind] for kind in of if kind != _ANSWER} for name, of in (one.vectors or {}).items()}
    return replace(one, half=half, redacted=redacted_kinds(one) - {_ANSWER}, vectors=vectors or None)


def _answer(one: HalfArrival) -> str:
    said = one.half.fields.get("output")
    answer = said.get(_ANSWER) if isinstance(said, dict) else None
    return answer if isinstance(answer, str) else ""


def _time(one: HalfArrival) -> datetime:
    return one.half.ts
