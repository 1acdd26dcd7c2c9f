from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.embedding.references import References
from monitor.embedding.refusals import Refusal
from monitor.errors import ImageRefused, SettingsError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    (folder / "day one").mkdir(parents=True)
    (folder / "day one" / "a#1.jpg").write_bytes(b"picture")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "pictures-of-others").mkdir()
    (tmp_path / "pictures-of-others" / "b.jpg").write_bytes(b"secret")
    return folder


def reason(references: References, reference: str) -> Refusal:
    with pytest.raises(ImageRefused) as caught:
        references.read(reference)
    assert len(str(caught.value)) > 20
    return caught.value.reason


WAYS: dict[str, Callable[[Path], str]] = {
    "absolute": lambda root: f"{root}/day one/a#1.jpg",
    "relative": lambda root: "day one/a#1.jpg",
    "url": lambda root: f"file://{root}/day%20one/a%231.jpg",
    "url of localhost": lambda root: f"FILE://localhost{root}/day%20one/a%231.jpg",
    "short url": lambda root: f"file:{root}/day%20one/a%231.jpg",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_files_below_a_root_are_read(root: Path, way: Callable[[Path], str]) -> None:
    assert References([root], 100).read(way(root)) == b"picture"


def test_relative_paths_are_looked_for_below_each_root(root: Path, tmp_path: Path) -> None:
    references = References([tmp_path / "pictures-of-others", root], 100)
    assert references.read("day one/a#1.jpg") == b"picture"
    assert references.read("b.jpg") == b"secret"
    assert reason(references, "c.jpg") == Refusal.MISSING


OUTSIDE: dict[str, tuple[Callable[[Path], str], Refusal]] = {
    "beside": (lambda root: f"{root.parent}/secret.jpg", Refusal.OUTSIDE_ROOTS),
    "same beginning": (lambda root: f"{root.parent}/pictures-of-others/b.jpg", Refusal.OUTSIDE_ROOTS),
    "system": (lambda root: "/etc/passwd", Refusal.OUTSIDE_ROOTS),
    "system as url": (lambda root: "file:///etc/passwd", Refusal.OUTSIDE_ROOTS),
    "absent outside": (lambda root: "/nowhere/x.jpg", Refusal.OUTSIDE_ROOTS),
    "up": (lambda root: "../secret.jpg", Refusal.MALFORMED),
    "up and down again": (lambda root: f"{root}/../pictures/day one/a#1.jpg", Refusal.MALFORMED),
    "up in a url": (lambda root: f"file://{root}/%2e%2e/secret.jpg", Refusal.MALFORMED),
    "other host": (lambda root: f"file://host{root}/day%20one/a%231.jpg", Refusal.MALFORMED),
    "broken host": (lambda root: "file://[::1/x.jpg", Refusal.MALFORMED),
    "NUL": (lambda root: "file:///a%00.jpg", Refusal.MALFORMED),
    "nothing": (lambda root: "", Refusal.MALFORMED),
    "too long": (lambda root: "x" * 4000, Refusal.UNREADABLE),
    "folder": (lambda root: "day one", Refusal.UNREADABLE),
    "http": (lambda root: "http://127.0.0.1/x.jpg", Refusal.HOST_NOT_ALLOWED),
    "https": (lambda root: "HTTPS://example.org/x.jpg", Refusal.HOST_NOT_ALLOWED),
    "s3": (lambda root: "s3://bucket/x.jpg", Refusal.HOST_NOT_ALLOWED),
    "ftp": (lambda root: "ftp://example.org/x.jpg", Refusal.UNSUPPORTED_SCHEME),
    "no text": (lambda root: "\ud800", Refusal.MALFORMED),
}


@pytest.mark.parametrize(("way", "expected"), OUTSIDE.values(), ids=OUTSIDE)
def test_everything_else_is_refused_with_its_reason(root: Path, way: Callable[[Path], str], expected: Refusal) -> None:
    assert reason(References([root], 100), way(root)) == expected


def test_what_is_not_fetched_says_what_to_set(root: Path) -> None:
    with pytest.raises(ImageRefused, match="image_buckets"):
        References([root], 100).read("s3://bucket/x.jpg")


def test_without_roots_no_file_is_read(root: Path) -> None:
    assert reason(References([], 100), f"{root}/day one/a#1.jpg") == Refusal.OUTSIDE_ROOTS


def test_symlinks_count_as_what_they_point_at(root: Path) -> None:
    (root / "inside.jpg").symlink_to(root / "day one" / "a#1.jpg")
    (root / "outside.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "up").symlink_to(root.parent)
    (root / "circle.jpg").symlink_to(root / "circle.jpg")
    references = References([root], 100)
    assert references.read("inside.jpg") == b"picture"
    assert reason(references, "outside.jpg") == Refusal.OUTSIDE_ROOTS
    assert reason(references, "up/secret.jpg") == Refusal.OUTSIDE_ROOTS
    assert reason(references, "circle.jpg") == Refusal.UNREADABLE


def test_a_root_may_itself_be_a_symlink(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    references = References([tmp_path / "link"], 100)
    assert references.read(f"{tmp_path}/link/day one/a#1.jpg") == b"picture"


def test_a_symlink_that_takes_the_place_of_a_file_after_the_check_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = References([root], 100)
    (root / "swapped.jpg").symlink_to(root.parent / "secret.jpg")
    monkeypatch.setattr(references, "_locate", lambda _: root / "swapped.jpg")
    assert reason(references, "swapped.jpg") == Refusal.UNREADABLE


def test_a_pipe_does_not_make_it_wait(root: Path) -> None:
    os.mkfifo(root / "pipe.jpg")
    assert reason(References([root], 100), "pipe.jpg") == Refusal.UNREADABLE


def test_files_and_inline_pictures_are_limited_in_bytes(root: Path) -> None:
    inline = "data:image/png;base64," + base64.b64encode(b"12345678").decode()
    assert References([root], 9).read(inline) == b"12345678"
    assert References([root], 7).read("day one/a#1.jpg") == b"picture"
    assert reason(References([root], 6), "day one/a#1.jpg") == Refusal.TOO_LARGE
    assert reason(References([root], 6), inline) == Refusal.TOO_LARGE


@pytest.mark.parametrize(
    "reference",
    [
        "data:text/html;base64,QUJD",
        "data:image/png,QUJD",
        "data:image/png;base64,Q",
        "data:image/png;base64,QU JD",
        "data:",
    ],
)
def test_inline_pictures_that_are_none_are_refused(reference: str) -> None:
    assert reason(References([], 100), reference) == Refusal.MALFORMED


def test_a_media_type_may_have_parameters() -> None:
    assert References([], 100).read("DATA:image/svg+xml;charset=utf-8;base64,QUJD") == b"ABC"


def test_a_root_that_is_no_folder_is_a_settings_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        References([tmp_path / "file", tmp_path, tmp_path / "absent"], 100)
    assert len(caught.value.faults) == 2
    assert "embedder.image_roots" in caught.value.faults[0]


def test_a_long_reference_is_shortened_in_the_message() -> None:
    with pytest.raises(ImageRefused) as caught:
        References([], 100).read("gopher://" + "x" * 4000)
    assert len(str(caught.value)) < 400
