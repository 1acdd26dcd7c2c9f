"""Numbers, times and foreign text as people read them. No Streamlit here."""

from __future__ import annotations

import re
from datetime import datetime

from monitor.domain.window import Window, lasting
from monitor.stats.histogram_quantile import Quantile
from monitor.stats.intervals import Interval
from monitor.stats.proportions import Proportion
from monitor.stats.weighted import WeightedShare

NOTHING = "–"
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")
_ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?=@)", re.IGNORECASE)
"""Where GitHub's Markdown sees that something is an address: it makes links of bare ones, however they are escaped."""
WORD_JOINER = "\u2060"
"""Has no width and breaks no line."""


def plain(words: str) -> str:
    """Foreign text for a place that reads Markdown: every punctuation mark escaped, addresses broken, on one line.

    >>> plain("[a](b) <i> $x$"), plain("http://b")
    ('\\\\[a\\\\]\\\\(b\\\\) \\\\<i\\\\> \\\\$x\\\\$', 'http\\\\:\\u2060\\\\/\\\\/b')
    """
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(WORD_JOINER, " ".join(words.split())))


def briefly(name: str, most: int = 40) -> str:
    """A long name without its middle, where what comes after it must be seen.

    >>> briefly("vision-language-model", 9), briefly("exam")
    ('visi…odel', 'exam')
    """
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as percent.

    >>> percent(0.8125), percent(-4.149), percent(-0.0001), percent(None)
    ('81.2%', '−414.9%', '0.0%', '–')
    """
    return NOTHING if share is None else f"{100 * share:z.{digits}f}%".replace("-", "−")


def points(difference: float | None) -> str:
    """The difference of two shares, in percentage points.

    >>> points(-0.0431), points(0.002), points(-0.0002)
    ('−4.3 pt', '+0.2 pt', '+0.0 pt')
    """
    return NOTHING if difference is None else f"{100 * difference:+z.1f} pt".replace("-", "−")


def between(interval: Interval | None, digits: int = 1) -> str:
    """An interval of shares.

    >>> between(Interval(0.79, 0.834))
    '79.0 to 83.4%'
    """
    return NOTHING if interval is None else f"{100 * interval.lower:.{digits}f} to {100 * interval.upper:.{digits}f}%"


def ends_in_points(interval: Interval | None) -> str:
    """An interval of the difference of two shares; nothing where none is known.

    >>> ends_in_points(Interval(-0.0431, 0.002)), ends_in_points(None)
    ('−4.3 to +0.2 pt', '')
    """
    return "" if interval is None else f"{points(interval.lower).removesuffix(' pt')} to {points(interval.upper)}"


def around(estimate: float | None, interval: Interval | None, unit: str = "") -> str:
    """A number with its interval, where one is known.

    >>> around(0.912, Interval(0.86, 0.938)), around(0.4, Interval(0.31, 0.53), " SD"), around(0.7, None)
    ('0.91 (0.86 to 0.94)', '0.40 SD (0.31 to 0.53)', '0.70')
    """
    if estimate is None:
        return NOTHING
    return f"{estimate:.2f}{unit}" + ("" if interval is None else f" ({ends(interval)})")


def ends(interval: Interval) -> str:
    """
    >>> ends(Interval(0.86, 0.938))
    '0.86 to 0.94'
    """
    return f"{interval.lower:.2f} to {interval.upper:.2f}"


def count(number: int) -> str:
    """
    >>> count(12345)
    '12,345'
    """
    return f"{number:,}"


def many(number: int, noun: str) -> str:
    """
    >>> many(1, "page"), many(2_000, "ticket")
    ('1 page', '2,000 tickets')
    """
    return f"{count(number)} {noun}{'s' * (number != 1)}"


def certainty(proportion: Proportion | WeightedShare) -> str:
    """The interval and the counts behind a share.

    >>> certainty(Proportion(694, 1730))
    '37.8 to 42.4% · 694/1,730'
    """
    if not proportion.n:
        return "n = 0"
    # With weights, counts would give another share than the one that stands above.
    alike = isinstance(proportion, Proportion) or proportion.effective_n == proportion.n
    return f"{between(proportion.interval)} · " + (
        f"{count(proportion.count)}/{count(proportion.n)}" if alike else f"n = {count(proportion.n)}, weighted"
    )


def times(burn: float | None) -> str:
    """A burn rate.

    >>> times(14.4), times(1.05), times(0.031), times(0.0)
    ('14.4x', '1.05x', '0.03x', '0x')
    """
    if burn is None:
        return NOTHING
    if burn == 0:
        return "0x"
    return f"{burn:.1f}x" if burn >= 10 else f"{burn:.2f}x"


def milliseconds(value: float | None) -> str:
    """
    >>> milliseconds(243.1), milliseconds(1.52), milliseconds(12400)
    ('243 ms', '1.5 ms', '12.4 s')
    """
    if value is None:
        return NOTHING
    if value >= 10_000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def latency(quantile: Quantile | None) -> str:
    """The estimate, or what is known of it beyond the histogram."""
    if quantile is None:
        return NOTHING
    return f"> {milliseconds(quantile.lower)}" if quantile.estimate is None else milliseconds(quantile.estimate)


def latency_bounds(quantile: Quantile | None) -> str:
    """The histogram bin in which a quantile lies."""
    if quantile is None or quantile.upper is None:
        return "beyond the histogram" if quantile else "n = 0"
    return f"{quantile.lower:g} to {quantile.upper:g} ms"


def p_value(p: float | None) -> str:
    """
    >>> p_value(0.0312), p_value(3.2e-9), p_value(None)
    ('0.031', '3e-09', '–')
    """
    if p is None:
        return NOTHING
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def moment(at: datetime | None) -> str:
    """To the minute, in UTC as stored.

    >>> from datetime import UTC
    >>> moment(datetime(2026, 11, 21, 10, 7, 30, tzinfo=UTC))
    '2026-11-21 10:07'
    """
    return NOTHING if at is None else f"{at:%Y-%m-%d %H:%M}"


def span(window: Window) -> str:
    """
    >>> from datetime import UTC, timedelta
    >>> span(Window.before(datetime(2026, 11, 21, tzinfo=UTC), timedelta(days=1)))
    '2026-11-20 00:00 to 2026-11-21 00:00 UTC (1 d)'
    """
    return f"{moment(window.start)} to {moment(window.end)} UTC ({lasting(window.length)})"


def escaped_bytes(raw: bytes) -> str:
    """Bytes as printable ASCII; nothing of them can be rendered or run.

    >>> escaped_bytes(bytes([123, 0, 200]) + b"ok")
    '{\\\\x00\\\\xc8ok'
    """
    return raw.decode("ascii", "backslashreplace").translate(_CONTROL)


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
