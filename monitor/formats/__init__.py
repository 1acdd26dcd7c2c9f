"""One file per log format: a Kafka record in, typed events (or halves of calls logged apart) out.

A new format is one file here, one line in `FORMATS`, and its section in docs/formats.md.
"""

from monitor.formats import native, openinference, otlp, otlp_joined
from monitor.formats.decoder import Decoded, Decoder, Format
from monitor.formats.options import FormatOptions

FORMATS: dict[str, Format] = {
    "native": native.decoder,
    "otlp": otlp.decoder,
    "otlp_joined": otlp_joined.decoder,
    "openinference": openinference.decoder,
}

__all__ = ["FORMATS", "Decoded", "Decoder", "Format", "FormatOptions"]
