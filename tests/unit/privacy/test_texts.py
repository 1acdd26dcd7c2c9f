"""What is found in a text, what must stay, and the laws that hold for every text."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.privacy.options import PrivacyOptions
from monitor.privacy.redactor import Redactor
from monitor.privacy.scan import luhn
from monitor.privacy.texts import hidden, holds_marker
from tests.pace import cost

redact = Redactor(PrivacyOptions()).text

# Card numbers: the test numbers that the schemes and payment providers publish. Telephone numbers: those that the
# national regulators keep for fiction (Ofcom, ARCEP, Bundesnetzagentur, ACMA, NANPA) and ITU-T E.123's own examples.
FOUND = {
    "write to alice@example.com": "write to [email removed]",
    "alice.b+news@mail.example.co.uk.": "[email removed].",
    '"john doe"@example.com said': "[email removed] said",
    "用户@例子.公司": "[email removed]",
    "<bob@example.org>, carol@example.net": "<[email removed]>, [email removed]",
    "mailto:o'neil@example.ie?subject=x": "mailto:[email removed]?subject=x",
    "alice＠example．com": "[email removed]",
    "al\u200bice@exam\u200bple.com": "[email removed]",
    "4111111111111111": "[card removed]",
    "pay 4111 1111 1111 1111 12/28 123": "pay [card removed] 12/28 123",
    "5555-5555-5555-4444": "[card removed]",
    "amex 3782 822463 10005": "amex [card removed]",
    "diners 30569309025904": "diners [card removed]",
    "jcb 3530111333300000, discover 6011000990139424": "jcb [card removed], discover [card removed]",
    "mir 2200 0000 0000 0004": "mir [card removed]",
    "maestro 6759649826438453": "maestro [card removed]",
    "visa of 13: 4222222222222": "visa of 13: [card removed]",
    "unionpay of 19: 6205500000000000004": "unionpay of 19: [card removed]",
    "４１１１ １１１１ １１１１ １１１１": "[card removed]",
    "4111\u00a01111\u20111111\u200b1111": "[card removed]",
    "٤١١١١١١١١١١١١١١١": "[card removed]",
    "4111_1111_1111_1111": "[card removed]",
    "file 4111_1111_1111_1111_12_28": "file [card removed]_12_28",
    "+22 607 123 4567": "[phone removed]",
    "+49 30 23125 000": "[phone removed]",
    "+4930231250": "[phone removed]",
    "+44 (0)20 7946 0958 please": "[phone removed] please",
    "+1 (415) 555-0132": "[phone removed]",
    "+1.415.555.0132": "[phone removed]",
    "0049 30 23125 000": "[phone removed]",
    "(0607) 123 4567": "[phone removed]",
    "(415) 555-0132": "[phone removed]",
    "415-555-0132, 415.555.0133 and 1-800-555-0199": "[phone removed], [phone removed] and [phone removed]",
    "415-555-0132 2 times": "[phone removed] 2 times",
    "020 7946 0958": "[phone removed]",
    "07700 900123": "[phone removed]",
    "01 99 00 12 34": "[phone removed]",
    "01.99.00.12.34": "[phone removed]",
    "0171/392 000 55": "[phone removed]",
    "030-23125000": "[phone removed]",
    "03 5550 1234": "[phone removed]",
    "03-1234-5678": "[phone removed]",
    "030 23125000 030 23125001": "[phone removed] [phone removed]",
    "call me at 4155550132": "call me at [phone removed]",
    "Tel.: 612 345 678": "Tel.: [phone removed]",
    "my number is 2025550143": "my number is [phone removed]",
    "Our number: 202 5550 143, please": "Our number: [phone removed], please",
    "Meine Nummer ist 23125000.": "Meine Nummer ist [phone removed].",
    "mon numéro est 12 34 56 78": "mon numéro est [phone removed]",
    "8 (999) 123-45-67": "[phone removed]",
    "8(999)123-45-67, 8-(999)-123-45-68": "[phone removed], [phone removed]",
    "(11) 95555-0132": "[phone removed]",
    "téléphone 12 34 56 78": "téléphone [phone removed]",
    "＋４９ ３０ ２３１２５ ０００": "[phone removed]",
}
KEPT = [
    "2 cups and 12 forks",
    "What is the man in the red jacket holding?",
    "order number 4500012345",
    "order 12345678",
    "my order number is 4500012345",
    "the number is 4500012345",
    "the invoice number: 4500012345",
    "(12) 1939-1945",
    "(11) 1234-5678",
    "8 (100) 200-300",
    "8 (2026) 11-20",
    "IMG_20261120_120000_4096_2160",
    "4111_1111_1111_1112",
    "run_4111111111111111",
    "x4111111111111111",
    "invoice 2026-000123456",
    "tracking 1Z999AA10123456784",
    "48.8566, 2.3522",
    "-122.4194155, 37.7749295",
    "+48.8566+002.3522/",
    "+40.748817-073.985656",
    "2026-11-20T12:00:00.123456+02:00",
    "2026-11-20 12:00:00",
    "01.02.2026 12:30",
    "01-02-2026 12:00",
    "05/12/2026 11:45",
    "2026 09 20 12 30 15",
    "1700000000",
    "1700000000000",
    "1700000000000000000",
    "20261120120000",
    "192.168.100.200:8080",
    "2001:db8:85a3::8a2e:370:7334",
    "550e8400-e29b-41d4-a716-446655440000",
    "ISBN 978-0-306-40615-7",
    "ISBN 0306406152",
    "barcode 012345678905",
    "3.14159265358979",
    "0.12 0.34 0.56 0.78",
    "[0.1, 0.25, 0.375, 0.4375]",
    "(12, 34, 56, 78)",
    "224x224 1024x768 640 480",
    "1,234,567,890 people",
    "100 000 000",
    "<loc0123><loc0456><loc0789>",
    "1 2 3 4 5 6 7 8 9 10",
    "9.81e-12345678",
    "0x1234567890",
    "call 911 or dial 12",
    "cam-0123456789 of row 7",
    "4111 1111 1111 1112",
    "@mention user@host price@3.50 icon@2x.png repo@sha256:abc",
    "the score is 12:30 at 08:30-09:15",
    "٣ أكواب",
]


@pytest.mark.parametrize(("text", "expected"), FOUND.items(), ids=range(len(FOUND)))
def test_personal_data_is_replaced_by_what_it_was(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_alike_stays(text: str) -> None:
    assert redact(text) is text


@given(st.text())
def test_doing_it_again_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


PIECES = st.sampled_from(
    [*FOUND, *KEPT, " ", "-", ".", "@", "+", "(", "0", "030 ", "4111 ", "tel ", "a@b.co", "[", "]", "\u200b", "1\n"]
)


@given(st.lists(PIECES | st.text("0123456789 +-./()@a\u200b", max_size=8), max_size=8).map("".join))
def test_doing_it_again_changes_nothing_of_texts_full_of_numbers(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(st.characters(exclude_categories=["Nd"], exclude_characters="@＠﹫")))
def test_a_text_without_digits_and_at_signs_is_left_alone(text: str) -> None:
    assert redact(text) is text


@given(st.from_regex(r"[3-6]\d{11,17}", fullmatch=True))
def test_a_number_of_card_length_goes_exactly_if_its_check_digit_is_right(number: str) -> None:
    last = _check_digit(number)
    for digit in string.digits:
        assert (redact(number + digit) == "[card removed]") == (digit == last)


@given(st.text(string.digits, min_size=1, max_size=30))
def test_luhn_agrees_with_its_definition(number: str) -> None:
    assert luhn(number + _check_digit(number))


def _check_digit(number: str) -> str:
    """By the table of doubled digits, written independently of the code (ISO/IEC 7812-1, annex B)."""
    doubled = "0246813579"
    total = sum(int(doubled[int(d)]) if i % 2 == 0 else int(d) for i, d in enumerate(number[::-1]))
    return str(-total % 10)


@given(st.emails(domains=st.sampled_from(["example.com", "a-b.example.org", "x.y.z.museum"])))
def test_the_name_of_every_address_goes(address: str) -> None:
    local, _, domain = address.partition("@")
    left = redact(f"({address})")
    assert domain not in left
    rest = left.replace("[email removed]", "")
    assert rest != left
    assert rest == "()" or not re.fullmatch(r"[\w.+-]+", local)  # of rarer local parts, the first marks may stay


@pytest.mark.parametrize(
    "unit",
    ["a", "@", "a@", "a.@", "0", "0 ", "030 ", "555-", "+", "(", "tel ", "4111 ", "4111111111111111 ", "030 1234567 ",
     '"a', "a@a.", "a.1", "tel at is ", "1        ", "\u200b1", "１ ", "[card removed]"],
)  # fmt: skip
def test_a_text_of_a_quarter_megabyte_takes_no_more_than_a_moment(unit: str) -> None:
    text = "a@" + unit * (250_000 // len(unit)) + "@4111111111111111"
    assert cost(lambda: redact(text)) < 40  # measured: below 6; quadratic time would be minutes


def test_patterns_of_ones_own_are_found_too_and_leave_markers_alone() -> None:
    redactor = Redactor(PrivacyOptions(patterns={"staff": r"E-\d{6}", "letters": r"rem\w+"}))
    once = redactor.text("E-123456 removes a@b.co, remotely")
    assert once == "[staff removed] [letters removed] [email removed], [letters removed]"
    assert redactor.text(once) == once


def test_a_text_on_which_a_pattern_takes_too_long_is_hidden_as_a_whole() -> None:
    redactor = Redactor(PrivacyOptions(patterns={"slow": r"x(?:q|qq)+y"}))  # passes the probes: they have no x
    text = "x" + "q" * 5000
    assert redactor.text(text) == f"[hidden {len(text)} characters]"
    assert redactor.text("xqqy") == "[slow removed]"


def test_a_kind_that_is_not_asked_for_stays() -> None:
    only_cards = Redactor(PrivacyOptions(find=("card",)))
    assert only_cards.text("a@b.co 4111111111111111") == "a@b.co [card removed]"


@given(st.text(min_size=1))
def test_hidden_texts_tell_their_length_only(text: str) -> None:
    marker = hidden(text)
    assert marker == (text if re.fullmatch(r"\[hidden \d+ characters\]", text) else f"[hidden {len(text)} characters]")
    assert hidden(marker) == marker
    assert holds_marker(marker)


def test_ordinary_brackets_are_no_marker() -> None:
    assert not holds_marker("[unk] [removed] [2 removed]")
    assert holds_marker("call [phone removed]")
