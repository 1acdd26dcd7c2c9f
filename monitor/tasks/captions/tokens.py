"""Words of a caption, as the COCO caption evaluation cuts them: lower case, Penn Treebank tokens, no punctuation.

Chen et al. (2015), "Microsoft COCO Captions: Data Collection and Evaluation Server", section 3.1: Stanford's
PTBTokenizer (CoreNLP 3.4.1, -lowerCase), then seventeen punctuation tokens are taken out. This is the part of its rules
that captions meet; docs/tasks.md says where the two differ.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import category, normalize

MAX_CHARACTERS: Final = 20_000
"""Of a caption; what is beyond is not read, so that a text of megabytes costs no more than a page."""

_ABBREVIATIONS: Final = (
    "mr|mrs|ms|dr|prof|rev|gen|col|capt|lt|sgt|gov|sen|rep|hon|st|mt|ave|blvd|rd|jr|sr|vs|etc|inc|ltd|co|corp|bros|dept|"
    "jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec"
)
_LETTER: Final = rf"[\w{''.join(chr(code) for code in range(0x300, 0xFE00) if category(chr(code)) in {'Mn', 'Mc'})}]"
"""Of a word; accents and vowel signs that are characters of their own are part of it: in Hindi most words have some."""
_TOKEN: Final = re.compile(
    rf"""
      \.{{2,}} | -{{2,}} | [?!]{{2,}}                     # runs of marks are one token
    | https?://\S+ | www\.\S+ | </?\w{{1,16}}>
    | [\w.+-]{{1,64}}@[\w-]{{1,64}}(?:\.[\w-]{{1,64}}){{1,8}}
    | (?:[^\W\d_]\.){{2,}}                              # U.S., p.m.
    | (?i:{_ABBREVIATIONS})\.(?!\w)
    | [A-Z]+(?:&[A-Z]+)+(?!\w)                         # AT&T, B&W
    | (?i:o'clock|'n'|n't|'(?:s|m|d|t|re|ve|ll)|'\d0s)(?!\w)
    | [+-]?\d+(?:[.,:/]\d+)*(?![\w-])                 # 2.5, 1,000, 10:30, 12/25
    | \w{_LETTER}*(?:[./-]\w{_LETTER}*)*(?:\+\+|\#)?   # red-brown, and/or, C++
    | [^\w\s]
    """,
    re.VERBOSE,
)
_CLITIC: Final = re.compile(r"(?<=\w)(n't|'(?:s|m|d|re|ve|ll))(?!\w)", re.IGNORECASE)
_GLUED: Final = {
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "gimme": "gim me", "lemme": "lem me",
    "'tis": "'t is", "'twas": "'t was",
}  # fmt: skip
_GLUED_WORD: Final = re.compile(rf"(?<!\w)(?:{'|'.join(_GLUED)})(?!\w)", re.IGNORECASE)
_PLAIN: Final = str.maketrans({
    "’": "'", "‘": "'", "“": '"', "”": '"', "`": "'", "…": "...", "–": "--", "—": "--",
    "\u00ad": "", "\ufe0e": "", "\ufe0f": "", "\u20e3": "",
})  # fmt: skip
"""Also without soft hyphens, and without what tells how to draw the character before it."""
_PICTOGRAMS: Final = frozenset({"So", "Sk", "Cf", "Co", "Cn", "Mn", "Mc", "Me"})
_BRACKETS: Final = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
"""The official list takes out -LRB- and its like, but its tokens are in lower case, so brackets stay as words."""
_PUNCTUATION: Final = frozenset({"'", '"', ".", "?", "!", ",", ":", "-", "--", "...", ";"})


def words(caption: str) -> list[str]:
    """The tokens of a caption, without punctuation; may be empty.

    >>> words("The dog's tail, isn't it? At 10:30 p.m.")
    ['the', 'dog', "'s", 'tail', 'is', "n't", 'it', 'at', '10:30', 'p.m.']
    """
    text = _CLITIC.sub(r" \1", normalize("NFC", caption[:MAX_CHARACTERS]).translate(_PLAIN))
    text = _GLUED_WORD.sub(lambda found: _GLUED[found[0].lower()], text)
    # White space first: no token reaches across it, so no search runs far.
    tokens = (_BRACKETS.get(token, token.lower()) for chunk in text.split() for token in _TOKEN.findall(chunk))
    return [token for token in tokens if not (token in _PUNCTUATION or _is_pictogram(token) or token.strip(".") == "")]


def _is_pictogram(token: str) -> bool:
    """Emoji and their modifiers, accents of nothing: the official tokenizer has no rule for them and drops them."""
    return not token.isascii() and category(token[0]) in _PICTOGRAMS
