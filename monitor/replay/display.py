"""The progress bar of a replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Show = Callable[[int, int, int, int], None]
"""(rows done, rows in all, events in flight, events sent again) -> the bar moves."""


@contextmanager
def progress_bar(title: str, console: Console) -> Iterator[Show]:
    """A bar that counts rows whose events are stored, not merely sent; where there is no terminal, its last state."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows stored, {task.fields[in_flight]:,} events on their way{task.fields[again]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None, in_flight=0, again="")

        def show(done: int, rows: int, in_flight: int, resent: int) -> None:
            again = f", {resent:,} sent again" if resent else ""
            bar.update(task, completed=done, total=rows, in_flight=in_flight, again=again)

        yield show
