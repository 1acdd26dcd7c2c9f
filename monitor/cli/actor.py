"""Who gives a command: for the audit log, and for those who ask later."""

from __future__ import annotations

import getpass
import os
from typing import Annotated

import typer

By = Annotated[str | None, typer.Option(help="Who does it, for the audit log; default: the user here.")]


def actor(by: str | None) -> str:
    """`by`, else the user's name, else the number: containers run under users that have no name."""
    if by:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the one up to Python 3.12, the other after it
        return f"uid {os.getuid()}"
