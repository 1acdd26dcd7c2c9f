"""What makes two replays the same: the bytes of the file and what the mapping says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from monitor.errors import SettingsError
from monitor.mapping.mapping import Mapping


def replay_id(path: Path, mapping: Mapping) -> str:
    """12 hexadecimal digits.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    return hashlib.sha256(content + mapping.digest).hexdigest()[:12]
