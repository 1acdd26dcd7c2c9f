"""What the demo says to the person in front of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from demo.incidents import Schedule
from monitor.domain.window import HOUR, Window

ALWAYS: Final = {
    "Labels": "what waits for people, and how far three annotators agree; judge some answers yourself",
    "Slices": "slices that nobody had named: the last search of the labels, made again whenever they have doubled",
}
"""Page of the dashboard -> what it shows, whatever goes wrong."""


class WeekProgress:
    """Two bars, or on a plain output one line a day: how much of the week is made, and how much is evaluated."""

    def __init__(self, console: Console, week: Window) -> None:
        self._console = console
        self._week = week
        columns = (TextColumn("{task.description:<28}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal)
        hours = week.length / HOUR
        self._made = self._bars.add_task("made", total=hours)
        self._evaluated = self._bars.add_task("stored and evaluated", total=hours)
        self._told = week.start

    def __enter__(self) -> WeekProgress:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def update(self, made_until: datetime, evaluated_until: datetime, requests: int) -> None:
        """Show where things stand."""
        made = f"{requests:,} requests answered"
        self._bars.update(self._made, completed=self._hours(made_until), description=made)
        self._bars.update(self._evaluated, completed=self._hours(evaluated_until))
        if not self._console.is_terminal and evaluated_until > self._told:
            self._told = evaluated_until
            self._console.print(f"{made}, evaluated up to {evaluated_until:%a %d %b %H:%M}")

    def _hours(self, until: datetime) -> float:
        return (min(until, self._week.end) - self._week.start) / HOUR


def tell_wait(console: Console, address: str) -> None:
    """What to expect of the first minutes."""
    console.print(f"\n[bold]Open {address}[/bold]")
    console.print(
        "A week of history is being made now, day by day; that takes 2 to 8 minutes. The pages fill meanwhile: reload "
        "them, and expect\nobjectives that are not evaluated lately until the week is complete. What happened in it is "
        "told here then. Ctrl-C stops everything.\n"
    )


def tell_tour(console: Console, schedule: Schedule, address: str) -> None:
    """What happened in the week and where it shows. Only the demo knows this; Snellen found out by itself."""
    console.print("\n[bold]What to look at[/bold] (times are UTC)")
    for incident, window in sorted(schedule.entries, key=lambda entry: entry[1].start):
        console.print(f"\n  [bold]{window.start:%a %d %b %H:%M} to {window.end:%a %H:%M}[/bold]  {incident.title}")
        for page, words in incident.shows.items():
            console.print(f"    {page:<16} {words}")
    if not schedule.entries:
        console.print("  Nothing was made to go wrong: all pages should be quiet.")
    console.print("\n  [bold]At any time[/bold]")
    for page, words in ALWAYS.items():
        console.print(f"    {page:<16} {words}")
    console.print(f"\n[bold]Open {address}[/bold]\n")
