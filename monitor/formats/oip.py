"""Open Inference Protocol (V2) and V1 bodies that a service or a proxy writes to Kafka without KServe's agent.

Shapes: the envelope of `monitor.formats.calls`, what clouds log (`monitor.formats.cloud_logs`), or bare bodies,
`inputs` and `outputs`, whose `id` (which the protocol makes the server repeat) or record header says which belong
together; also those of `generate`, as Text Generation Inference, Triton and KServe serve it, and of further servers.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from monitor.domain.events import Rejection
from monitor.domain.records import Record
from monitor.errors import InvalidEvent
from monitor.formats.calls import Call, Calls, Envelope, bare, from_envelope
from monitor.formats.cloud_logs import from_cloud
from monitor.formats.decoder import Decoder
from monitor.formats.headers import headers_of
from monitor.formats.marks import side_of
from monitor.formats.options import FormatOptions
from monitor.formats.payloads.framing import decoded, demand_content, refusing


class TensorLog(Envelope, gc=False):
    """The envelope, and the members by which bare bodies are known."""

    inputs: Raw | UnsetType = UNSET
    instances: Raw | UnsetType = UNSET
    outputs: Raw | UnsetType = UNSET
    predictions: Raw | UnsetType = UNSET
    text_input: Any = None
    text_output: Any = None
    generated_text: Any = None
    """The last three are those of `generate`."""


_to_log = msgspec.json.Decoder(TensorLog).decode


def recognises(record: Record) -> bool:
    """Tensors with data types, or V1's instances and predictions."""
    value = record.value
    tensors = b'"datatype"' in value and (b'"inputs"' in value or b'"outputs"' in value)
    return tensors or b'"instances"' in value or b'"predictions"' in value


def decoder(options: FormatOptions) -> Decoder:
    """Predictions or halves of calls. Uses `task`, `model`, `slices` and `subject` (keys of `metadata`, or record
    headers), `fields`.

    Raises:
        SettingsError: `fields` names what there is not.
    """
    return Calls(options).decoder(_call)


@refusing("record")
def _call(record: Record) -> Call:
    value = demand_content(record.value)
    if value.startswith(b"["):  # Hugging Face's answers of one text
        return bare("response", record)
    log, _, _ = decoded(_to_log, value)
    if (call := from_cloud(log, value)) is not None:
        return call
    if log.done is not None and side_of(value) == "response":
        return bare("response", record)
    if log.request is not UNSET or log.response is not UNSET:
        return from_envelope(log, headers_of(record))
    asked = log.inputs is not UNSET or log.instances is not UNSET or log.text_input is not None
    tensors = log.outputs is not UNSET or log.predictions is not UNSET
    texts = log.text_output is not None or log.generated_text is not None
    if not (asked or tensors or texts) and log.error is None:
        if (side := side_of(value)) is not None:
            return bare(side, record)
        raise InvalidEvent(
            Rejection.INVALID, "no request, response, inputs, instances, outputs, predictions or error in the record"
        )
    return bare("request" if asked else "response", record)
