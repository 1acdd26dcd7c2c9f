"""Giving up root for PostgreSQL, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from pathlib import Path

from monitor.errors import RuntimeFailure


def unprivileged_user() -> pwd.struct_passwd:
    """Who runs what refuses to run as root: `nobody` when we are root, else ourselves.

    Raises:
        RuntimeFailure: that user has no entry in the password database.
    """
    try:
        return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise RuntimeFailure(f"PostgreSQL needs a user with a name ({error}): add it to /etc/passwd") from error


def drop_from_root(reaches: Sequence[Path]) -> str:
    """The launcher's USER argument; a capability is asked for only where a folder on the way is closed to the user."""
    user = unprivileged_user()
    folders = {folder for path in reaches for folder in path.resolve().parents}
    closed = [folder for folder in folders if not is_open_to(user, folder.stat())]
    return f"{user.pw_uid}:{user.pw_gid}" + (":search" if closed else "")


def is_open_to(user: pwd.struct_passwd, folder: os.stat_result) -> bool:
    """Whether `user` may pass through the folder, its groups left aside."""
    return bool(folder.st_mode & (0o100 if folder.st_uid == user.pw_uid else 0o001))
