"""The folder of the demo: what an earlier run left there, and whether it may be used."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from demo.incidents import Schedule
from monitor.domain.window import Window
from monitor.embedded.control import status
from monitor.errors import SettingsError

MARKER: Final = Path("demo") / "week.json"
IMAGES: Final = Path("demo") / "images"


@dataclass(frozen=True, slots=True)
class Week:
    """The history that a home holds; `complete` once all of it is stored and evaluated."""

    start: datetime
    end: datetime
    without: tuple[str, ...]
    complete: bool = False

    @property
    def window(self) -> Window:
        return Window(self.start, self.end)

    @property
    def schedule(self) -> Schedule:
        """What happens in it; nothing of it is left for later."""
        return Schedule.of_week(self.start, self.without).within(self.window)


class Home:
    """A home folder.

    Raises:
        SettingsError: something runs in it, or it holds data that are not the demo's.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._refuse_running()
        self._refuse_foreign()

    @property
    def images(self) -> Path:
        """Where pictures are uploaded."""
        return self.path / IMAGES

    def week(self) -> Week | None:
        """What an earlier run entered."""
        marker = self.path / MARKER
        return msgspec.json.decode(marker.read_bytes(), type=Week) if marker.exists() else None

    def enter(self, week: Week) -> None:
        """Claim the home for a week, or say that it is complete."""
        self.images.mkdir(parents=True, exist_ok=True)
        (self.path / MARKER).write_bytes(msgspec.json.encode(week))

    def complete(self) -> None:
        """The week is stored and evaluated."""
        week = self.week()
        if week is not None:
            self.enter(replace(week, complete=True))

    def wipe(self) -> None:
        """Remove everything, which is all the demo's."""
        if self.path.exists():
            shutil.rmtree(self.path)

    def _refuse_running(self) -> None:
        running = [component for component in status(self.path) if component.pid is not None]
        if running:
            address = next((one.address for one in running if one.name == "dashboard"), None)
            raise SettingsError(
                f"something runs in {self.path} already{f' (dashboard: {address})' if address else ''}: "
                f"stop it with Ctrl-C where it was started, or with `snellen down --home {self.path}`"
            )

    def _refuse_foreign(self) -> None:
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / MARKER).exists():
            raise SettingsError(
                f"{self.path} holds data that the demo did not make: give it another folder with `--home FOLDER`"
            )
