"""Thoughts inside an answer: models that reason write them first, and servers that are not told how to take them out
(vLLM's `--reasoning-parser`, SGLang's) leave them there, in tags.

Qwen, DeepSeek, GLM and InternVL have `<think>`, Kimi-VL `◁think▷`, Seed `<seed:think>`. Templates of some write the
opening tag into the prompt, so that the answer has the closing one alone, at the end of a line.
"""

from __future__ import annotations

from typing import Final

HINT: Final = "think"
"""Where this is not, no thoughts are: looked for first, as they are rare."""
_TAGS: Final = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "◁think▷": "◁/think▷",
    "<seed:think>": "</seed:think>",
}
_OPENINGS: Final = tuple(_TAGS)
_CLOSED: Final = "</think>\n"


def thinks(text: str) -> bool:
    """Does the text begin with thoughts?"""
    return HINT in text and (text[:32].lstrip().startswith(_OPENINGS) or _CLOSED in text)


def without_thoughts(text: str) -> str | None:
    """What is said behind the thoughts; None where the text ends with them.

    >>> without_thoughts("<think>It has a handle.</think> A mug"), without_thoughts("<think>It has a")
    ('A mug', None)
    """
    if not thinks(text):
        return text
    opening = next((one for one in _OPENINGS if text.lstrip().startswith(one)), "<think>")
    _, _, answer = text.partition(_TAGS[opening])
    return answer.lstrip() or None
