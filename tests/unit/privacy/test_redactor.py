"""Which parts of which events are changed, and how records that were refused are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import (
    Annotator,
    Candidate,
    Deployment,
    Image,
    Input,
    Label,
    Model,
    Output,
    Prediction,
    content_hash,
)  # fmt: skip
from monitor.domain.halves import Half, join
from monitor.privacy import PrivacyOptions, Redactor

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MAIL, CARD = "a@b.co", "4111111111111111"
PREDICTION = Prediction(
    request_id="r", ts=NOW, model=Model("m"), task="vqa", status="ok",
    input=Input(image=Image(ref="data:image/png;base64,AAAA"), prompt=f"mail {MAIL}", context=f"c {MAIL}"),
    output=Output(answer=f"ask {MAIL}", candidates=(Candidate("no", 0.4), Candidate(MAIL, 0.2)), confidence=0.4),
    slices={"device": "0123-456-7890", "user": MAIL},
    extra={"user": {"id": 7, MAIL: [MAIL, int(CARD), 1.5, None, True]}, "n": 12},
)  # fmt: skip
LABEL = Label(
    request_id="r", ts=NOW, annotator=Annotator("x@y.co", "user"),
    answers=(MAIL, "yes"), correction=f"it is {MAIL}", comment=f"tel {CARD}", extra={"who": MAIL},
)  # fmt: skip
NOTHING = PrivacyOptions(prompts="keep", contexts="keep", answers="keep", comments="keep", extra="keep")
HIDE = PrivacyOptions(prompts="hide", contexts="hide", answers="hide", comments="hide", extra="hide", pictures="drop")
GONE = "[email removed]"


def test_every_text_of_a_prediction_is_redacted_and_nothing_else_changes() -> None:
    found = Redactor(PrivacyOptions()).prediction(PREDICTION)
    assert found == msgspec.structs.replace(
        PREDICTION,
        input=Input(image=PREDICTION.input.image, prompt=f"mail {GONE}", context=f"c {GONE}"),
        output=Output(answer=f"ask {GONE}", candidates=(Candidate("no", 0.4), Candidate(GONE, 0.2)), confidence=0.4),
        slices={"device": "0123-456-7890", "user": GONE},
        extra={"user": {"id": 7, GONE: [GONE, "[card removed]", 1.5, None, True]}, "n": 12},
    )


def test_every_text_of_a_label_is_redacted_but_not_who_says_it() -> None:
    assert Redactor(PrivacyOptions()).label(LABEL) == msgspec.structs.replace(
        LABEL, answers=(GONE, "yes"), correction=f"it is {GONE}", comment="tel [card removed]", extra={"who": GONE}
    )


def test_notes_of_deployments_are_redacted() -> None:
    given_ = Deployment(model="m", version="2", ts=NOW, action="rollout", note=f"ask {MAIL}")
    assert Redactor(PrivacyOptions()).event(given_) == msgspec.structs.replace(given_, note=f"ask {GONE}")


def test_hidden_texts_leave_their_length_and_hidden_extra_nothing() -> None:
    found = Redactor(HIDE).prediction(PREDICTION)
    assert b"@b.co" not in msgspec.json.encode(found)
    assert found.input.prompt == "[hidden 11 characters]"
    assert found.input.image == Image(ref="[hidden 26 characters]")
    assert found.output.candidates == (Candidate("[hidden 2 characters]", 0.4), Candidate("[hidden 6 characters]", 0.2))
    assert found.extra == {}
    label = Redactor(HIDE).label(LABEL)
    assert b"@b.co" not in msgspec.json.encode(label)
    assert label.answers == ("[hidden 6 characters]", "[hidden 3 characters]")


def test_only_pictures_inside_the_record_are_dropped() -> None:
    elsewhere = msgspec.structs.replace(PREDICTION, input=Input(image=Image(ref="s3://b/data:1.png")))
    assert Redactor(HIDE).prediction(elsewhere).input == elsewhere.input


@pytest.mark.parametrize("event", [PREDICTION, LABEL])
def test_with_nothing_to_do_events_come_back_themselves(event: Prediction | Label) -> None:
    assert Redactor(NOTHING).event(event) is event


def test_an_event_without_personal_data_comes_back_itself() -> None:
    plain = msgspec.structs.replace(
        PREDICTION, input=Input(prompt="What?"), output=Output(answer="2"), slices={"a": "b"}, extra={"x": [1, {}]}
    )
    assert Redactor(PrivacyOptions()).prediction(plain) is plain


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(prompt=st.text() | st.none(), answer=st.text(), extra=st.dictionaries(st.text(), JSON))
@pytest.mark.parametrize("options", [PrivacyOptions(), HIDE, PrivacyOptions(answers="hide", patterns={"a": "[a-c]+"})])
def test_it_never_fails_and_doing_it_again_changes_nothing(
    options: PrivacyOptions, prompt: str | None, answer: str, extra: dict[str, Any]
) -> None:
    redactor = Redactor(options)
    event = msgspec.structs.replace(PREDICTION, input=Input(prompt=prompt), output=Output(answer=answer), extra=extra)
    once = redactor.prediction(event)
    assert redactor.prediction(once) == once


def test_halves_are_redacted_like_what_they_become_and_keep_their_digest() -> None:
    plain = msgspec.to_builtins(PREDICTION)
    request = Half("r", "request", NOW, {key: plain[key] for key in ("model", "task", "input", "slices", "extra")})
    response = Half("r", "response", NOW, {"output": plain["output"], "status": "ok"})
    for options in (PrivacyOptions(), HIDE, NOTHING):
        redactor = Redactor(options)
        halves = [Half(one.pair_id, one.side, one.ts, redactor.fields(one.fields)) for one in (request, response)]
        assert join(*halves) == redactor.prediction(join(request, response))
    assert MAIL in request.fields["input"]["prompt"]  # what was given is not changed in place


@given(st.dictionaries(st.sampled_from(["input", "output", "extra", "slices", "model"]), JSON))
def test_halves_of_any_shape_do_no_harm(fields: dict[str, Any]) -> None:
    for options in (PrivacyOptions(), HIDE):
        Redactor(options).fields(fields)


def test_the_content_hash_is_of_the_event_as_it_came() -> None:
    """Why it is taken before: two events that differ only in what is removed are two events."""
    other = msgspec.structs.replace(PREDICTION, input=Input(prompt="mail z@b.co"))
    redact = Redactor(PrivacyOptions(contexts="hide", pictures="drop")).prediction
    assert content_hash(PREDICTION) != content_hash(other)
    assert redact(PREDICTION).input.prompt == redact(other).input.prompt


# ---- dead letters ---------------------------------------------------------------------------------------------------

REFUSED = b'{"schema": "prediction/v9", "input": {"prompt": "mail \\u0061@b.co"}, "pan": 4111111111111111, "n": 1.50}'


def test_texts_of_refused_json_are_redacted() -> None:
    kept = Redactor(PrivacyOptions()).dead_letter(REFUSED)
    assert msgspec.json.decode(kept) == {
        "schema": "prediction/v9", "input": {"prompt": f"mail {GONE}"}, "pan": "[card removed]", "n": 1.5,
    }  # fmt: skip


def test_refused_bytes_of_no_structure_are_masked_in_place() -> None:
    raw = b'\x0a\x06a@b.co\xff\x10{"prompt": "4111 1111 1111 1111'
    assert Redactor(PrivacyOptions()).dead_letter(raw) == b'\x0a\x06******\xff\x10{"prompt": "' + b"*" * 19


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": "a@b.co", "a": 1}',
        b'{"a": {"b": 4111111111111111, "b": null}}',
        b'{"a": 4111111111111111.0}',
        b'{"a": -4111111111111111}',
        b'{"a": "a\\u0040b.co", ',
        b'{"a": "\\u0061\\uff20b.co"',
        '{"a": "a＠b.co"'.encode(),
        "{'a': '４１１１ １１１１ １１１１ １１１１'}".encode(),
        b'{"a": "a@b.co\\',
    ],
    ids=ascii,
)
def test_no_way_of_writing_it_brings_it_past_redaction(raw: bytes) -> None:
    kept = Redactor(PrivacyOptions()).dead_letter(raw)
    for trace in (b"b.co", b"1111", "１１１１".encode()):
        assert trace not in kept


def test_what_is_masked_keeps_its_length_however_it_was_written() -> None:
    raw = '{"é": "a\\u0040b.co", "日本": "ｃ＠d.co"'.encode()
    kept = Redactor(PrivacyOptions()).dead_letter(raw)
    assert len(kept) == len(raw)
    assert kept.replace(b"*", b"") == '{"é": "", "日本": ""'.encode()


@pytest.mark.parametrize(
    "raw", [b"", b"{}", b"\x00\xff", b'{"a": 1.0}', b"[" * 100_000, b"[%s]" % (b"4" * 400), b"[1e300]"]
)
def test_refused_bytes_without_personal_data_stay_as_they_are(raw: bytes) -> None:
    assert Redactor(PrivacyOptions()).dead_letter(raw) is raw


@given(st.binary() | JSON.map(msgspec.json.encode))
def test_no_refused_bytes_make_it_fail(raw: bytes) -> None:
    redactor = Redactor(PrivacyOptions(patterns={"b": "b+"}))
    once = redactor.dead_letter(raw)
    assert redactor.dead_letter(once) == once


def test_dead_letters_can_be_kept_or_dropped_and_are_dropped_where_texts_are_hidden() -> None:
    assert Redactor(PrivacyOptions(dead_letters="keep")).dead_letter(REFUSED) is REFUSED
    assert Redactor(PrivacyOptions(dead_letters="drop")).dead_letter(REFUSED) == b""
    assert Redactor(PrivacyOptions(contexts="hide")).dead_letter(REFUSED) == b""


pieces = st.sampled_from(
    ["1", "4111", "1111 1111", " 111", "\n", "a", "@", "b.co", "＠", "٣٣", "+49 30 ", "555 010 ", "\\u0031"]
)
texts = st.lists(pieces, max_size=8).map("".join)
numbers = st.sampled_from([7, 1.5, True, int(CARD), -int(CARD), float(CARD), 4.2e18, 10**30])
values = st.recursive(texts | numbers | st.none(), lambda inner: st.lists(inner, max_size=3), max_leaves=4)
candidates = st.lists(st.builds(Candidate, texts, st.just(0.5)), max_size=2).map(tuple)
predictions = st.builds(
    msgspec.structs.replace,
    st.just(PREDICTION),
    input=st.builds(Input, prompt=st.none() | texts, context=st.none() | texts),
    output=st.builds(Output, answer=st.none() | texts, candidates=candidates),
    slices=st.dictionaries(texts, texts, max_size=2),
    extra=st.dictionaries(texts, values, max_size=3),
)


@given(event=predictions)
def test_a_search_of_all_texts_at_once_misses_nothing_that_one_of_each_finds(event: Prediction) -> None:
    """With a pattern of one's own, each text is searched by itself."""
    each = Redactor(PrivacyOptions(patterns={"never": "zzzzzz"}))
    assert Redactor(PrivacyOptions()).prediction(event) == each.prediction(event)
