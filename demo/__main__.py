"""`python -m demo`: Snellen beside a simulated service with a week of history, then live, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from demo.home import Home, Week
from demo.incidents import INCIDENTS
from demo.play import play
from demo.stack import Stack
from demo.traffic import PER_MINUTE
from monitor import bootstrap
from monitor.domain.window import MINUTE, floor
from monitor.errors import SnellenError
from monitor.settings import CONFIG_VARIABLE
from monitor.store.engine import ROOT

CONFIG: Final = Path(__file__).with_name("snellen.toml")
WEEK_DAYS: Final = 7.0


def main(arguments: list[str] | None = None) -> int:
    """Run the demo until Ctrl-C; returns the exit status."""
    options = make_parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("kafka").setLevel(logging.ERROR)  # its warnings of a busy machine are no news to a visitor
    try:
        run(options, console)
    except SnellenError as error:
        console.print(f"demo: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
    return 0


def run(options: argparse.Namespace, console: Console) -> None:
    """Start Snellen, play, and leave nothing running.

    Raises:
        SnellenError: the home is in use, or something of Snellen did not start or failed.
    """
    home = Home(options.home.resolve())
    week = _week_in(home, options, console)
    _use_own_environment(home)
    stack = Stack(home.path)
    try:
        stack.start()
        play(home, week, stack, console, options)
    finally:
        stack.stop()


def _week_in(home: Home, options: argparse.Namespace, console: Console) -> Week:
    """The week that the home holds, or one to be made, entered there."""
    known = home.week()
    if known is not None and known.complete and not options.fresh:
        return known
    if known is not None:
        reason = "as asked" if options.fresh else "its week was not finished"
        console.print(f"removing the earlier demo in {home.path}: {reason}")
        home.wipe()
    end = floor(bootstrap.now(), MINUTE)
    week = Week(end - timedelta(days=options.days), end, tuple(options.without))
    home.enter(week)
    return week


def _use_own_environment(home: Home) -> None:
    """For this process and its children, before any of them loads torch; paths start at the repository's folder."""
    os.chdir(ROOT)
    os.environ.update(  # noqa: TID251 (nothing is read: this is how `snellen` is told its settings)
        {
            CONFIG_VARIABLE: str(CONFIG),
            "SNELLEN_HOME": str(home.path),
            "SNELLEN_EMBEDDER__IMAGE_ROOTS": json.dumps([str(home.images)]),
            "OMP_NUM_THREADS": "1",  # small matrices in many processes: more threads would only wait
        }
    )


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--home", type=Path, default=ROOT / ".snellen", help="folder of the demo's data")
    parser.add_argument("--fresh", action="store_true", help="remove what an earlier demo left, and begin anew")
    parser.add_argument(
        "--without", type=_incidents, default=[], metavar="NAMES", help=f"incidents to leave out: {','.join(INCIDENTS)}"
    )
    parser.add_argument("--live-incident", choices=INCIDENTS, help="let this one happen from the live part's start on")
    parser.add_argument("--days", type=float, default=WEEK_DAYS, help="length of the history")
    parser.add_argument("--per-minute", type=float, default=PER_MINUTE, help="requests, on average over a day")
    parser.add_argument("--seed", type=int, default=0, help="of times, scenes, questions and labels")
    return parser


def _incidents(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in INCIDENTS:
            raise argparse.ArgumentTypeError(f"no incident is called {name!r}; there are {', '.join(INCIDENTS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
