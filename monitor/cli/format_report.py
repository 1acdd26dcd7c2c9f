"""The report of `snellen ingest check` for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitor.cli.terminal import folded
from monitor.services.check_format import FieldCount, Refusal, Report

LABEL_WIDTH = 14
PLACE_INDENT = 6
_CHECK_BOTH = "are in another topic: check both with `--format otlp_joined`."
_ALL_PASSED_OVER = {
    "mapping": "`where` of the mapping file holds for none of them: compare what it asks for with what stands there.",
    "otlp": "No spans of model calls, and no log records that are whole calls. If they are messages "
    f"(gen_ai.user.message, gen_ai.choice), their calls' spans {_CHECK_BOTH}",
    "other": "The format reads all of them as something else than calls: is it the right one, and the right topic?",
}
_NO_MESSAGES = (
    "Where messages are logged apart from spans (gen_ai.user.message, gen_ai.choice, operation details), they "
    f"{_CHECK_BOTH}"
)
_MESSAGES = {"input.prompt", "output.answer"}


def lines(report: Report, source: str, form: str) -> Iterator[str]:
    yield f"{source}: {report.records:,} records read as {form}"
    if not report.records:
        yield "  There is nothing in it. Does the service write here? Does Kafka keep it?"
        return
    yield from _summary(report)
    if report.passed_over == report.records:
        known = "otlp" if _is_otlp(report, form) else form
        yield folded(_ALL_PASSED_OVER.get(known, _ALL_PASSED_OVER["other"]), "  ", 2)
    for schema, fields in report.fields.items():
        yield ""
        yield from _table(schema, fields)
    for side, fields in report.unpaired.items():
        yield ""
        yield from _table(f"{side}s, unpaired", fields)
    yield from _section("never found, and what that costs", report.missing)
    if _is_otlp(report, form) and report.missing.keys() >= _MESSAGES:
        yield folded(_NO_MESSAGES, "  ", 2)
    yield from _refusals("refused", report.refused)
    yield from _refusals(
        "readable, but collectors would refuse the time now (`snellen replay` takes old ones)", report.late
    )
    if report.paths and not report.decoded:
        yield ""
        yield from _table("paths for a mapping file (docs/replay.md)", report.paths)


def _is_otlp(report: Report, form: str) -> bool:
    return form == "otlp" or (form == "auto" and report.detected.keys() == {"otlp"})


def _summary(report: Report) -> Iterator[str]:
    facts: dict[str, str] = {}
    if report.detected:
        facts["detected"] = _counts(report.detected)
    facts["events"] = _counts({schema: count for schema, count in report.events.items() if count}) or "none"
    halves = report.halves
    if halves.requests or halves.responses:
        facts["halves"] = f"{halves.requests:,} requests, {halves.responses:,} responses; {halves.met:,} pairs met"
    for name, count in (("duplicates", report.duplicates), ("passed over", report.passed_over)):
        if count:
            facts[name] = f"{count:,}"
    refused = sum(one.count for one in report.refused)
    if refused:
        facts["refused"] = f"{refused:,}"
    yield from (f"  {name:<{LABEL_WIDTH}}{value}" for name, value in facts.items())


def _table(schema: str, fields: list[FieldCount]) -> Iterator[str]:
    width = max(len(schema), *(len(one.name) for one in fields if one.found))
    yield f"{schema:<{width + 2}}  {'found':>7}  share  example"
    for one in fields:
        if one.found:
            yield f"  {one.name:<{width}}  {one.found:>7,}  {_percent(one.share):>5}  {one.example}"
    absent = [one.name for one in fields if not one.found]
    if absent:
        yield folded(", ".join(absent), "  not found: ")


def _section(title: str, facts: Mapping[str, str]) -> Iterator[str]:
    if facts:
        width = max(map(len, facts))
        yield ""
        yield title
        yield from (folded(value, f"  {name:<{width}}  ") for name, value in facts.items())


def _refusals(title: str, refusals: list[Refusal]) -> Iterator[str]:
    if refusals:
        yield ""
        yield title
    for one in refusals:
        yield f"  {one.reason} {one.count:,}"
        yield from (folded(f"{place}: {message}", "    ", PLACE_INDENT) for place, message in one.examples)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _percent(share: float) -> str:
    """Never 0% of something, nor 100% of not all."""
    return "<1%" if share < 0.01 else ">99%" if 0.99 < share < 1 else f"{share:.0%}"
