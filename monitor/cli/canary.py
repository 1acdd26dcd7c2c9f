"""`snellen canary`: is the canary better or worse than the stable version?"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.database import database
from monitor.cli.models import require_served
from monitor.cli.terminal import harmless
from monitor.cli.windows import aware, moment

if TYPE_CHECKING:
    from monitor.services.compare_canary import CanaryReport, Judged

WORSE = 3
"""Exit status."""


def canary(
    model: Annotated[str | None, typer.Option(help="Model; default: that of the newest canary.")] = None,
    version: Annotated[str | None, typer.Option(help="Canary version; default: the newest.")] = None,
    as_of: Annotated[
        datetime | None, typer.Option(parser=moment, help="As it was known then, RFC 3339 with a zone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare a canary with the stable version since its rollout: accuracy, calibration, errors, latency.

    May be asked as often as you like: the error rate of its verdicts holds at all times at once. Exit status 3 when the
    canary is worse.
    """
    from monitor import bootstrap, settings
    from monitor.services.compare_canary import Verdict, compare_canary
    from monitor.store.engine import transaction
    from monitor.store.queries.canary import canary_rollouts

    moment = aware(as_of) if as_of else bootstrap.now()
    config = settings.load()
    with database(config, "canary") as engine, transaction(engine) as connection:
        require_served(connection, model)
        known = canary_rollouts(connection, moment, model)
        chosen = next((one for one in known if version in (None, one.version)), None)
        if chosen is None:
            raise typer.BadParameter(
                "no such canary was rolled out; send a deployment/v1 event with variant canary and action rollout"
            )
        report = compare_canary(connection, chosen, moment, bootstrap.canary_options(config))
    typer.echo(json.dumps(_plain(report), indent=2) if as_json else harmless("\n".join(_lines(report))))
    if report.verdict == Verdict.WORSE:
        raise typer.Exit(WORSE)


def _lines(report: CanaryReport) -> list[str]:
    rollout = report.rollout
    until = f"rolled back {rollout.end:%Y-%m-%d %H:%M}" if rollout.end else "serving"
    head = f"{rollout.model} {rollout.version}: {report.verdict} (since {rollout.start:%Y-%m-%d %H:%M} UTC, {until})"
    return [head, *(line for one in report.measures for line in _measure_lines(one))]


def _measure_lines(one: Judged) -> list[str]:
    lines = [f"  {one.measure:<12} {one.verdict}: {one.reason}"]
    if one.comparison is not None and one.stable.mean is not None and one.canary.mean is not None:
        interval = one.comparison.interval
        lines.append(
            f"  {'':<12} stable {one.stable.mean:.4f} (n = {one.stable.n:,}), canary {one.canary.mean:.4f} "
            f"(n = {one.canary.n:,}), difference {one.comparison.estimate:+.4f} "
            f"({interval.lower:+.4f} to {interval.upper:+.4f})"
        )
    return lines


def _plain(report: CanaryReport) -> dict[str, Any]:
    rollout = report.rollout
    return {
        "model": rollout.model,
        "version": rollout.version,
        "since": rollout.start.isoformat(),
        "until": rollout.end.isoformat() if rollout.end else None,
        "as_of": report.as_of.isoformat(),
        "verdict": str(report.verdict),
        "slow_ms": report.slow_ms,
        **asdict(report.options),
        "measures": [_plain_measure(one) for one in report.measures],
    }


def _plain_measure(one: Judged) -> dict[str, Any]:
    found = one.comparison
    return {
        "measure": one.measure,
        "verdict": str(one.verdict),
        "reason": one.reason,
        "stable": asdict(one.stable),
        "canary": asdict(one.canary),
        "difference": found and found.estimate,
        "lower": found and found.interval.lower,
        "upper": found and found.interval.upper,
        "more": found and found.more,
    }
