"""One file per log format: a Kafka record in, typed events (or halves of calls logged apart) out.

A new format is one file here, one line in `FORMATS`, and its section in docs/formats.md.
"""

from monitor.formats import native
from monitor.formats.decoder import Decoded, Decoder, Format
from monitor.formats.options import FormatOptions

FORMATS: dict[str, Format] = {
    "native": native.decoder,
}

__all__ = ["FORMATS", "Decoded", "Decoder", "Format", "FormatOptions"]
