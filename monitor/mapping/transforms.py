"""Named transforms of a mapping file: one small pure function each, documented in docs/replay.md.

The first argument is the value of `of`; the others are named in the mapping. A null value passes through untouched:
it never reaches these functions. They raise ValueError or TypeError with what was wrong; the row is then reported.
"""

from __future__ import annotations

import ast
import math
import struct
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from monitor.domain.window import EPOCH

MAX_LITERAL = 100_000
"""Characters of a Python literal: parsing takes some hundred bytes of memory for each."""
_EPOCH_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def string(of: Any) -> str:
    """A scalar as text: 7 -> "7", true -> "true", a time in RFC 3339."""
    match of:
        case str():
            return of
        case bool():
            return "true" if of else "false"
        case int() | float():
            return str(of)
        case datetime():
            return of.isoformat()
    raise ValueError(f"{_kind(of)} has no plain text; take a part of it, or join")


def lower(of: Any) -> str:
    """Text in lower case."""
    return _text(of).lower()


def number(of: Any) -> float:
    """Text (as every cell of a CSV file) or a number -> a finite float."""
    if isinstance(of, bool) or not isinstance(of, str | int | float):
        raise TypeError(f"{_kind(of)} is not a number")
    value = float(of)
    if not math.isfinite(value):
        raise ValueError(f"{of!r} is not a finite number")
    return value


def integer(of: Any) -> int:
    """Text or a number without a fraction -> an int."""
    value = number(of)
    if not value.is_integer():
        raise ValueError(f"{of!r} is not a whole number")
    return of if isinstance(of, int) else int(value)


def boolean(of: Any) -> bool:
    """true/yes/1 and false/no/0 in any case, or a bool."""
    value = of if isinstance(of, bool) else _BOOLEANS.get(string(of).lower())
    if value is None:
        raise ValueError(f"{of!r} is neither true/yes/1 nor false/no/0")
    return value


def json(of: Any) -> Any:
    """Text that holds JSON -> its value."""
    try:
        return msgspec.json.decode(_text(of))
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None


def python_literal(of: Any) -> Any:
    """Text that holds a Python literal, e.g. "['left', 'right']" -> its value, of JSON's types only. Runs no code."""
    text = _text(of)
    if len(text) > MAX_LITERAL:
        raise ValueError(f"a literal of {len(text)} characters, {MAX_LITERAL} are allowed")
    try:
        with warnings.catch_warnings(action="ignore"):  # "\d" inside a literal only warns
            return _json_types(ast.literal_eval(text))
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"not a Python literal: {type(error).__name__}") from None


def join(of: Any, *, separator: Any = ", ") -> str:
    """A list of scalars -> one text."""
    return _text(separator).join(string(one) for one in _items(of))


def first(of: Any) -> Any:
    """The first element of a list; null where it has none."""
    return next(iter(_items(of)), None)


def last(of: Any) -> Any:
    """The last element of a list; null where it has none."""
    return next(reversed(_items(of)), None)


def scale(of: Any, *, by: Any) -> float:
    """A number times `by`: seconds by 1000 are milliseconds."""
    return number(of) * number(by)


def elapsed_ms(of: Any, *, since: Any) -> float:
    """Milliseconds from the time `since` to this one; a time in text that names no zone is read as UTC."""
    return (assume_utc(of) - assume_utc(since)).total_seconds() * 1000


def lookup(of: Any, *, table: Any, default: Any = None) -> Any:
    """The entry of `table` (given as `{constant: {...}}`) for this scalar; `default` where there is none."""
    if not isinstance(table, Mapping):
        raise TypeError("table must be a mapping; write table: {constant: {from: to}}")
    entries = {string(key): value for key, value in table.items()}
    found = entries.get(string(of), entries.get(str(of), default))  # YAML's keys true and false come as Python's words
    if found is None:
        raise ValueError(f"{of!r} is not in the table ({', '.join(list(entries)[:10])}); add it, or give a default")
    return found


def threshold(of: Any, *, at: Any, then: Any = "1", otherwise: Any = "0") -> Any:
    """`then` where the number is at least `at`, else `otherwise`: the class of a binary classifier's probability."""
    return then if number(of) >= number(at) else otherwise


def max_p_one_minus_p(of: Any) -> float:
    """The probability of the more likely of two classes: a binary classifier's confidence in its answer."""
    p = number(of)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{of!r} is not a probability")
    return max(p, 1.0 - p)


def candidates(of: Any, *, scores: Any) -> list[dict[str, Any]]:
    """Answers and their scores, two lists of one length -> `output.candidates`."""
    answers, values = _items(of), _items(scores)
    if len(answers) != len(values):
        raise ValueError(f"{len(answers)} answers but {len(values)} scores")
    return [{"answer": string(one), "score": number(score)} for one, score in zip(answers, values, strict=True)]


def embedding(of: Any, *, kind: Any, embedder: Any) -> dict[str, Any]:
    """A list of numbers -> an element of `embeddings`, in single precision."""
    try:
        data = struct.pack(f"<{len(_items(of))}f", *of)
    except (struct.error, OverflowError):
        raise ValueError("not all elements are numbers of single precision") from None
    return {"kind": kind, "embedder": embedder, "dtype": "f4", "data": data}


def epoch(of: Any, *, unit: Any = "s") -> datetime:
    """Seconds (or `unit`: s, ms, us) since 1970 -> a time in UTC, to the microsecond."""
    if unit not in _EPOCH_UNITS:
        raise ValueError(f"unit {unit!r} is none of {', '.join(_EPOCH_UNITS)}")
    try:
        return EPOCH + timedelta(**{_EPOCH_UNITS[unit]: number(of)})
    except OverflowError:
        raise ValueError(f"{of!r} {unit} since 1970 is no date; is it another unit?") from None


def assume_utc(of: Any) -> datetime:
    """A time, or its ISO 8601 text; where it names no zone it is read as UTC."""
    moment = of if isinstance(of, datetime) else datetime.fromisoformat(_text(of))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


TRANSFORMS: Final[dict[str, Callable[..., Any]]] = {
    "string": string,
    "lower": lower,
    "number": number,
    "integer": integer,
    "boolean": boolean,
    "json": json,
    "python_literal": python_literal,
    "join": join,
    "first": first,
    "last": last,
    "scale": scale,
    "elapsed_ms": elapsed_ms,
    "lookup": lookup,
    "threshold": threshold,
    "max_p_one_minus_p": max_p_one_minus_p,
    "candidates": candidates,
    "embedding": embedding,
    "epoch": epoch,
    "assume_utc": assume_utc,
}
"""Name in a mapping file -> function."""


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", bool: "a truth value"}.get(type(value), type(value).__name__)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text was expected, not {_kind(value)}")
    return value


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"a list was expected, not {_kind(value)}")
    return value


def _json_types(value: Any) -> Any:
    match value:
        case None | str() | bool() | int() | float():
            return value
        case list() | tuple():
            return [_json_types(one) for one in value]
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _json_types(one) for key, one in value.items()}
    raise ValueError(f"{type(value).__name__} has no counterpart in JSON")
