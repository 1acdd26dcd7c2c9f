"""One file per log format: a Kafka record in, typed events (or halves of calls logged apart) out.

A new format is one file here, one line in `FORMATS`, and its section in docs/formats.md.
"""

from monitor.formats import (
    auto,
    kserve,
    mapping,
    native,
    oip,
    openai_chat,
    openinference,
    otlp,
    otlp_joined,
    seldon,
    seldon2,
)
from monitor.formats.decoder import Decoded, Decoder, Format
from monitor.formats.options import FormatOptions

FORMATS: dict[str, Format] = {
    "auto": auto.decoder,
    "native": native.decoder,
    "kserve": kserve.decoder,
    "oip": oip.decoder,
    "openai_chat": openai_chat.decoder,
    "seldon": seldon.decoder,
    "seldon2": seldon2.decoder,
    "otlp": otlp.decoder,
    "otlp_joined": otlp_joined.decoder,
    "openinference": openinference.decoder,
    "mapping": mapping.decoder,
}

__all__ = ["FORMATS", "Decoded", "Decoder", "Format", "FormatOptions"]
