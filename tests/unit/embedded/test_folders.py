"""Where the embedded PostgreSQL puts its socket, and whose folders it trusts."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.embedded.postgres import make_private_folder, socket_folder
from monitor.embedded.privileges import unprivileged_user
from monitor.errors import RuntimeFailure


def test_a_short_plain_home_holds_its_own_socket() -> None:
    assert socket_folder(Path("/srv/snellen/.snellen/postgres")) == Path("/srv/snellen/.snellen/postgres")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=120))
def test_any_home_gets_a_socket_path_that_the_kernel_a_list_and_a_url_can_hold(name: str) -> None:
    folder = socket_folder(Path("/srv") / name / "postgres")
    assert len(os.fsencode(folder / ".s.PGSQL.5432")) <= 107
    assert not set(str(folder)) & set(" ,%?&#@:'\"")


def test_the_limit_is_the_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as fits:
        fits.bind("s" * 107)
    with socket.socket(socket.AF_UNIX) as too_long, pytest.raises(OSError, match="too long"):
        too_long.bind("s" * 108)


def test_two_homes_never_share_a_socket_folder() -> None:
    homes = [Path("/srv") / ("x" * 150) / str(n) for n in range(100)]
    assert len({socket_folder(home) for home in homes}) == 100


def test_a_folder_that_is_open_to_others_or_a_link_is_not_trusted(tmp_path: Path) -> None:
    owner = unprivileged_user()
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "private").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    for name in ("open", "link"):
        with pytest.raises(RuntimeFailure, match="must belong to"):
            make_private_folder(tmp_path / name, owner)


def test_a_private_folder_belongs_to_the_servers_user_also_after_a_start_that_was_cut_short(tmp_path: Path) -> None:
    owner = unprivileged_user()
    (tmp_path / "cut short").mkdir(mode=0o700)
    for name in ("new", "new", "cut short"):
        make_private_folder(tmp_path / name, owner)
        status = (tmp_path / name).stat()
        assert (status.st_uid, status.st_mode & 0o777) == (owner.pw_uid, 0o700)
