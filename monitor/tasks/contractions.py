"""The contractions whose apostrophes the VQA evaluation puts back, by the published list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_FORMS: Final = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
he's how'd how'll how's i'd've i'm i've isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've
needn't not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll
somebody's someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd
there'd've there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll
what're what's what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't
would've wouldn't wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""


def _slips(form: str) -> Iterator[str]:
    """The form with any one of its apostrophes left out: how the list spells its mistakes."""
    return (form[:place] + form[place + 1 :] for place, letter in enumerate(form) if letter == "'")


CONTRACTIONS: Final[dict[str, str]] = {slip: form for form in _FORMS.split() for slip in _slips(form)}
"""Mis-spelt contraction, lower case -> the right one.

Words are lower-cased before the look-up, so the list's Id've, Im and Ive are written small here. Its
somebody'd -> somebodyd, an evident slip, is left out.
"""
