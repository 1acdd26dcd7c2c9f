"""Seldon Core v1: the executor's request logger, straight to Kafka (record headers without prefix) or as CloudEvents.

Seldon Core, `executor/logger` (https://github.com/SeldonIO/seldon-core/tree/v1/executor/logger). Requests and responses
are two records that share `requestid`; feedback becomes labels. A record has no time of its own: Kafka's counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from monitor.domain.events import Annotator, Label, Rejection
from monitor.domain.halves import Half, Side
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.decoder import Decoded, Decoder
from monitor.formats.headers import has_prefix, headers_of
from monitor.formats.limits import refuse_nul, storable
from monitor.formats.moments import moment, record_time
from monitor.formats.options import FormatOptions
from monitor.formats.payloads import seldon_message
from monitor.formats.payloads.framing import Read, refusing
from monitor.formats.payloads.request_body import read_request
from monitor.formats.payloads.response_body import read_response
from monitor.formats.payloads.roles import Roles
from monitor.formats.payloads.rows import Fields, over, with_ids
from monitor.formats.payloads.seldon_message import SeldonMessage
from monitor.formats.slices import SUBJECT, named, slices_of, variant_of

SIDES: Final[Mapping[str, Side]] = {
    "io.seldon.serving.inference.request": "request",
    "io.seldon.serving.inference.response": "response",
}
FEEDBACK: Final = "io.seldon.serving.feedback"
_PREFIX = b"io.seldon.serving."
_TYPE_HEADERS = ("type", "ce_type", "ce-type")
_KEPT = ("namespace", "modelid", "endpoint")


class Feedback(Struct, gc=False):
    """What a client sends about a prediction."""

    request: SeldonMessage | None = None
    response: SeldonMessage | None = None
    reward: float | None = None
    truth: SeldonMessage | None = None


_to_feedback = msgspec.json.Decoder(Feedback).decode


def recognises(record: Record) -> bool:
    """A record whose type is Seldon's."""
    return has_prefix(record, _TYPE_HEADERS, (_PREFIX,))


def decoder(options: FormatOptions) -> Decoder:
    """Halves of calls, and labels. Uses `task`, `model`, `slices` and `subject` (record headers, or tags of messages),
    and `fields`.

    Raises:
        SettingsError: `fields` names what there is not.
    """
    roles = Roles(options.fields)

    def decode(record: Record) -> Sequence[Decoded]:
        headers = _headers(record)
        kind = headers.get("type")
        if not kind:
            raise InvalidEvent(Rejection.INVALID, "type: the record has no such header")
        ts = moment(headers["time"], "ce_time") if "time" in headers else record_time(record, "ce_time")
        if kind == FEEDBACK:
            return _labels(record.value, headers, ts, roles, options.max_record_bytes)
        side = SIDES.get(kind)
        return [] if side is None else list(_halves(side, record.value, headers, ts, roles, options))

    return decode


def _headers(record: Record) -> dict[str, str]:
    """Attributes by name: Kafka's form has them bare, the CloudEvents form with a prefix."""
    return {
        name[3:] if name.startswith(("ce_", "ce-")) else name: storable(text)
        for name, text in headers_of(record).items()
    }


def _halves(
    side: Side, body: bytes, headers: Mapping[str, str], ts: datetime, roles: Roles, options: FormatOptions
) -> Iterator[Half]:
    name = headers.get("inferenceservicename") or headers.get("modelid") or options.model or ""
    if side == "request":
        read = read_request(body, roles, options.max_record_bytes)
        if options.subject:
            read.rows = named(read.rows, slices_of({SUBJECT: options.subject}, headers, read.metadata))
    else:
        read = read_response(body, roles, options.max_record_bytes, name)
    base = _common(side, name, headers, read, options)
    rows = [over(base, row) for row in read.rows]
    for pair_id, row in with_ids(_id(headers, read.id), rows, "requestid", options.max_record_bytes):
        yield Half(pair_id, side, ts, row)


def _common(side: Side, name: str, headers: Mapping[str, str], read: Read, options: FormatOptions) -> Fields:
    model: Fields = {"name": name or read.model, "variant": variant_of(headers.get("endpoint", ""))}
    if read.version:
        model["version"] = read.version
    fields: Fields = {"model": model}
    extra: Fields = {key: headers[key] for key in _KEPT if side == "request" and headers.get(key)}
    if read.metadata:
        extra["tags" if side == "response" else "request_tags"] = dict(read.metadata)
    if extra:
        fields["extra"] = extra
    if slices := slices_of(options.slices, headers, read.metadata):
        fields["slices"] = slices
    if side == "request":
        fields["task"] = options.task
    return fields


def _id(headers: Mapping[str, str], puid: str) -> str:
    return headers.get("requestid") or puid or headers.get("id", "")


@refusing("feedback")
def _labels(body: bytes, headers: Mapping[str, str], ts: datetime, roles: Roles, max_bytes: int) -> list[Label]:
    """One label for each item of the prediction that the feedback is about.

    A truth becomes the acceptable answer, from an annotator of kind `code` (systems send it once the outcome is known).
    Without one, the reward is the verdict: 1 correct, 0 incorrect, between them 100 times the reward as the rating;
    from kind `user`, since nothing says who gave it.

    Raises:
        InvalidEvent: it has neither, or a reward that says nothing of one item.
    """
    refuse_nul(body)
    feedback = _to_feedback(body)
    puids = (seldon_message.puid_of(one) for one in (feedback.response, feedback.request) if one is not None)
    puid = next(filter(None, puids), "") or headers.get("requestid", "")
    rows = _truths(feedback, roles) if feedback.truth is not None else _rewards(feedback, roles)
    annotator = Annotator(id="seldon-feedback", kind="code" if feedback.truth is not None else "user")
    extra = {"reward": feedback.reward} if feedback.reward is not None else {}
    return [
        msgspec.convert(
            {"schema": "label/v1", "request_id": one, "ts": ts, "annotator": annotator, "extra": extra, **row}, Label
        )
        for one, row in with_ids(puid, rows, "response.meta.puid", max_bytes)
    ]


def _truths(feedback: Feedback, roles: Roles) -> list[Fields]:
    outputs = [row["output"] for row in seldon_message.response_rows(feedback.truth or SeldonMessage(), roles)]
    if not all(output.get("answer") is not None for output in outputs):
        raise InvalidEvent(Rejection.INVALID, "truth: no answer is to be found in it; see `fields`")
    return [{"answers": [output["answer"]]} for output in outputs]


def _rewards(feedback: Feedback, roles: Roles) -> list[Fields]:
    reward = feedback.reward
    if reward is None or not 0 <= reward <= 1:
        raise InvalidEvent(Rejection.INVALID, f"reward: neither a truth nor a reward from 0 to 1, but {reward}")
    about = seldon_message.response_rows(feedback.response, roles) if feedback.response is not None else [{}]
    if reward in (0, 1):
        return [{"verdict": "correct" if reward else "incorrect"}] * len(about)
    if len(about) > 1:
        raise InvalidEvent(Rejection.INVALID, f"reward: {reward} of a batch of {len(about)} says nothing of one item")
    return [{"rating": 100 * reward}]
