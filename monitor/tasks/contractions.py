"""The contractions whose apostrophes the VQA evaluation puts back, by the published list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FORMS: Final = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _slips(form: str) -> Iterator[str]:
    """The form with any one of its apostrophes left out: how the list spells its mistakes."""
    return (form[:place] + form[place + 1 :] for place, letter in enumerate(form) if letter == "'")


CONTRACTIONS: Final[dict[str, str]] = {slip: form for form in _FORMS.split() for slip in _slips(form)} | {
    "somebody'd": "somebodyd"
}
"""Mis-spelt contraction, lower case -> the right one, as the official evaluation has them.

Two slips of the list are kept, so that scores are the official ones: somebody'd loses its apostrophe, and Id've, I'dve,
Im and Ive are not in here, because the list writes them with a capital and looks words up in lower case.
"""
