"""What moved, in words: causes of a shift between two windows, named, measured and confirmed on held-out rows."""

from monitor.explain.carrier import Carrier
from monitor.explain.causes import Cause
from monitor.explain.explanation import Explanation, explain
from monitor.explain.rows import Family, Rows
from monitor.explain.shift import Shift

__all__ = ["Carrier", "Cause", "Explanation", "Family", "Rows", "Shift", "explain"]
