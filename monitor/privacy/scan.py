"""Where a text holds an e-mail address, a payment card number or a telephone number.

Everything here is linear in the text: what is repeated inside a repetition is possessive or bounded, and a run of
digits is read once, whatever follows it. So a text of a megabyte costs milliseconds, whoever wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

# ---- which texts can hold anything at all: this is what nearly every record pays -----------------------------------

_FEWEST: Final = 7
_SEVEN_DIGITS: Final = re.compile(r"\d(?:\D{0,8}\d){6}")
_NO_DIGITS: Final = bytes(set(range(128)) - set(b"0123456789"))
_OTHER_ATS: Final = re.compile("[＠﹫]")


def is_suspect(text: str) -> bool:
    """Could the text hold something? False is certain, true is not.

    An address needs an at sign, a number seven digits not far from each other, of any script.
    """
    if "@" in text:
        return True
    if text.isascii():  # to count digits costs a tenth of the search
        return len(text.encode().translate(None, _NO_DIGITS)) >= _FEWEST and _SEVEN_DIGITS.search(text) is not None
    return _SEVEN_DIGITS.search(text) is not None or _OTHER_ATS.search(text) is not None


# ---- e-mail: RFC 5322 addr-spec without its rarest characters, and quoted local parts ------------------------------

_LOCAL: Final = re.compile(r'(?:"[^"\n@]{1,62}"|[\w%+&-][\w.%+\'’&-]{0,63}|[.!#$*/=?^`{|}~\'’]{1,64})\Z')
"""What may stand before the at sign. The marks of the last kind only by themselves: they often surround an address."""
_LOCAL_MAX: Final = 64
_DOMAIN: Final = re.compile(r"(?!\dx\.(?:png|jpe?g|webp|gif|svg)\b)[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,126}+")
"""RFC 1035: labels of 63, at most 127. But icon@2x.png is a picture for dense displays."""
_TOP_LABEL: Final = re.compile(r"[^\W\d_][\w-]+")


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses, internationalised ones (RFC 6531) too."""
    after = 0
    at = text.find("@")
    while at >= 0:
        end = _domain_end(text, at + 1)
        local = _LOCAL.search(text, max(after, at - _LOCAL_MAX), at) if end else None
        if local and end:
            yield local.start(), end
            after = end
        at = text.find("@", max(at + 1, after))


def _domain_end(text: str, start: int) -> int | None:
    """The end of the domain name that starts here; its last label begins with a letter, so price@3.50 has none."""
    found = _DOMAIN.match(text, start)
    domain = found[0] if found else ""
    while "." in domain:
        rest, _, top = domain.rpartition(".")
        if _TOP_LABEL.fullmatch(top):
            return start + len(domain)
        domain = rest
    return None


# ---- payment cards: ISO/IEC 7812 ---------------------------------------------------------------------------------

_CARD_RUN: Final = re.compile(r"(?<![\w.])\d(?:[ ._-]{0,3}\d)*+")
_GROUP: Final = re.compile(r"\d+")
_CARD_START: Final = re.compile(r"2[2-7]|[3-6]")
"""Issuers' first digits: 2200-2720 and 3 to 6. So times in milliseconds (17...) and dates (20...) are none."""
CARD_MIN, CARD_MAX = 13, 19
_WHOLE_GROUP: Final = 4


def cards(text: str) -> Iterator[Span]:
    """Numbers of 13 to 19 digits of which the last is their Luhn check digit, whole or in groups of four and more.

    A card is often followed by its date and code, so every stretch of groups is tried, the longest first.
    """
    for run in _CARD_RUN.finditer(text):
        if run.end() - run.start() >= CARD_MIN:
            yield from _cards_in([group.span() for group in _GROUP.finditer(text, *run.span())], text)


def _cards_in(groups: list[Span], text: str) -> Iterator[Span]:
    first = 0
    while first < len(groups):
        last = _card_from(first, groups, text)
        if last is None:
            first += 1
        else:
            yield groups[first][0], groups[last][1]
            first = last + 1


def _card_from(first: int, groups: list[Span], text: str) -> int | None:
    """The group that ends a card number which begins with the group `first`."""
    digits, longest = "", None
    for index in range(first, len(groups)):
        start, end = groups[index]
        digits += text[start:end]
        if len(digits) > CARD_MAX:
            break
        if is_card(digits):
            longest = index
        if end - start < _WHOLE_GROUP:  # only the last group may be short
            break
    return longest


def is_card(digits: str) -> bool:
    """Is this the length, the issuer and the check digit of a card number?"""
    return CARD_MIN <= len(digits) <= CARD_MAX and _CARD_START.match(digits) is not None and luhn(digits)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: every second digit from the right doubled, the sum of all digits ends in 0.

    >>> luhn("79927398713"), luhn("79927398710")
    (True, False)
    """
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) << (place & 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


# ---- telephone numbers: ITU-T E.123 and E.164, and the national forms that people write ----------------------------

_ENDS: Final = r"(?!\w|[.,:/-]\d)"
_GAP: Final = r"[ ()/-]{0,3}"
_PHONE_FORMS: Final = (
    # +49 30 123456, +1 (555) 010-9999, +44 20 7946 0958, +1.555.010.9999; +48.8566 is a latitude
    rf"\(?\+ ?\(?[1-9](?:{_GAP}\d){{7,14}}+",
    r"\+[1-9]\d{0,2}(?:\.\d{2,4}){2,4}+",
    # 0049 30 123456: written together it is rather a number with leading zeros
    rf"00[1-9]\d{{0,2}}[ (/-](?:{_GAP}\d){{7,12}}+",
    # North America, 555 010 9999, (555) 010-9999, 1-800-555-0199
    r"(?:1[ .-])?\(?[2-9]\d\d\)?[ .-]{0,2}[2-9]\d\d[ .-]\d{4}",
    # Russia and its neighbours, 8 (999) 123-45-67; mobiles in Brazil, (11) 95555-0132; (12) 1939-1945 is no number
    r"8[ -]?\(\d{3}\)[ -]?\d{3}[ -]\d\d[ -]\d\d",
    r"\([1-9]\d\) ?9\d{4}-\d{4}",
    # trunk prefix and one kind of gap throughout: 020 7946 0958, 01.23.45.67.89, 030-123456, 0171/123 45 67
    r"\(?0[1-9]\d{0,4}\)? ?(?:/ ?|- |(?=\d))(?<!\d)\d{2,}(?: \d{2,}){0,4}+",
    r"\(?0[1-9]\d{0,4}\)?(?P<gap>[ .-])\d{2,}(?:(?P=gap)\d{2,}){0,4}+",
)
PHONE: Final = re.compile("|".join(f"(?:{form}){_ENDS}" for form in _PHONE_FORMS))
_RUN_START: Final = re.compile(r"[+(]{0,3}+\d")
_RUN: Final = re.compile(r"[+(]{0,3}+\d(?:\d|[ ()./:-]|[,+](?=\d))*+")
"""Digits and what stands between them, as far as it goes: a number inside a longer one is no telephone number."""
_NATIONAL_MIN, _NATIONAL_MAX, _MAX = 9, 12, 15
_CALLED: Final = re.compile(
    r"""
    \b(?:tel|telephone|phone|cell|mobile|fax|whatsapp|sms|call|dial|ring|telefon|handy|mobil|téléphone|telefono|teléfono|móvil
    |(?:my|his|her|our|their)[ ]number|(?:meine|seine|ihre|unsere)[ ]nummer|(?:mon|son|notre)[ ]num[ée]ro
    |(?:mi|su)[ ]n[úu]mero)
    \b(?:[ .:#=-]|\b(?:number|nummer|no|nr|numéro|número|numero|me|us|him|her|them|is|at|on|ist|est|es)\b){0,8}+
    (?P<number>[+(]{0,2}+\d(?:[ ()./-]{0,2}\d){6,14}+)(?![\w])
    """,
    re.VERBOSE | re.IGNORECASE,
)


def called_numbers(text: str) -> Iterator[Span]:
    """Any 7 to 15 digits that are called a telephone number."""
    for found in _CALLED.finditer(text):
        yield found.span("number")


def phones(text: str) -> Iterator[Span]:
    """Telephone numbers in international form, and in common national forms."""
    at = after = 0
    while (found := _RUN_START.search(text, at)) is not None:
        start = found.start()
        inside_a_word = start > after and text[start - 1].isalnum()
        end = None if inside_a_word else _phone_at(start, text)
        if end is None:
            run = _RUN.match(text, start)
            at = run.end() if run else len(text)
        else:
            yield start, end
            at = after = end


def _phone_at(start: int, text: str) -> int | None:
    """Where the telephone number ends that starts here. Groups that would make it too long belong to something else."""
    most = _MAX if text.startswith(("+", "(+", "00"), start) else _NATIONAL_MAX
    found = PHONE.match(text, start)
    while found is not None and (digits := sum(map(str.isdigit, found[0]))) > most:
        found = PHONE.match(text, start, start + max(found[0].rfind(" "), 0))
    if found is None or (most == _NATIONAL_MAX and digits < _NATIONAL_MIN):
        return None
    return found.end()
