"""What callers ask and models say, for laws that have it come out as it went in."""

from __future__ import annotations

import re

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=100)
ANSWERS = TEXTS.filter(lambda answer: not re.search("<think|<seed:think|◁think|</think>", answer))
"""Without thoughts in their tags, the one thing that is taken out of an answer."""
