"""Every file format for labels, held to the same promises."""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF8
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.events import Annotator, Label
from monitor.domain.label_tasks import TaskItem, TaskKey, TaskState, Word
from monitor.labelling import LABEL_FILES, Row
from monitor.labelling.label_studio import STARS
from monitor.labelling.rows import FIELDS, MAX_KEPT, MAX_TEXT, UNDATED

EVERY = pytest.mark.parametrize("name", LABEL_FILES)
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TASK = TaskItem(
    key=TaskKey(AT, "r1"), state=TaskState.OPEN, model="m", version="v", variant="stable", task="vqa",
    stratum="device=cam-1", annotators=1, answers=0,
    prompt='=1+2, "quoted"\nline two, ünïcode', context=None, answer="a mug",
    image_ref="file:///pictures/x.jpg", image_sha256=None, slices={"device": "cam-1"},
)  # fmt: skip
TASKS = [replace(TASK, key=TaskKey(AT, one)) for one in ("r1", "=r2", "'+r3", "plain-4")]
SAID: dict[str, dict[str, Any]] = {
    "r1": {"verdict": "incorrect", "answers": ["a cup", "=cup"], "comment": "dark", "safety_violation": False},
    "=r2": {"rating": 80.0, "safety_violation": True},
    "'+r3": {"verdict": "unsure"},
}
"""What annotators say; the last task is left as it is."""


def fill_jsonl(exported: bytes) -> bytes:
    rows = [json.loads(line) for line in exported.splitlines()]
    for row in rows:
        if row["request_id"] in SAID:
            row |= {"annotator": "ann", "labelled_at": AT.isoformat(), **SAID[row["request_id"]]}
    return b"\n".join(json.dumps(row).encode() for row in rows)


def fill_csv(exported: bytes) -> bytes:
    rows = list(csv.DictReader(io.StringIO(exported.decode(), newline="")))
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    for row, task in zip(rows, TASKS, strict=True):
        said = SAID.get(task.key.request_id)
        if said:
            answers = " | ".join(said.get("answers", []))
            row |= {"annotator": "ann", "labelled_at": AT.isoformat(), **said, "answers": answers}
        writer.writerow(row)
    return out.getvalue().encode("utf-8-sig")


def fill_label_studio(exported: bytes) -> bytes:
    """As https://labelstud.io/guide/task_format describes what it exports."""
    tasks = json.loads(exported)
    for number, task in enumerate(tasks, start=1):
        said = SAID.get(task["data"]["request_id"])
        task |= {"id": number, "project": 7, "predictions": [], "annotations": []}
        if said:
            regions = [region(name, value) for name, value in said.items()]
            task["annotations"].append(
                {
                    "id": 100 + number, "completed_by": {"id": 1, "email": "ann"}, "result": regions,
                    "was_cancelled": False, "ground_truth": False, "lead_time": 4.2,
                    "created_at": "2026-11-20T11:00:00Z", "updated_at": AT.isoformat(),
                }
            )  # fmt: skip
    return json.dumps(tasks).encode()


def region(name: str, value: Any) -> dict[str, Any]:
    kind, content = {
        "verdict": ("choices", {"choices": [value]}),
        "answers": ("textarea", {"text": value}),
        "comment": ("textarea", {"text": [value]}),
        "safety_violation": ("choices", {"choices": ["yes" if value else "no"]}),
        "rating": ("rating", {"rating": value if isinstance(value, list | str) else value * STARS / 100}),
    }[name]
    return {"id": "x", "from_name": name, "to_name": "image", "type": kind, "value": content}


FILL: dict[str, Callable[[bytes], bytes]] = {
    "jsonl": fill_jsonl, "csv": fill_csv, "label-studio": fill_label_studio,
}  # fmt: skip


def exported(name: str, tasks: list[TaskItem]) -> bytes:
    out = io.BytesIO()
    LABEL_FILES[name].write(tasks, out)
    return out.getvalue()


def read(name: str, content: bytes, annotator: str | None = None) -> list[Row]:
    return list(LABEL_FILES[name].read(io.BytesIO(content), annotator))


def test_every_format_is_filled_in_here() -> None:
    assert FILL.keys() == LABEL_FILES.keys()


@EVERY
def test_what_annotators_fill_in_comes_back_as_labels(name: str) -> None:
    rows = read(name, FILL[name](exported(name, TASKS)))
    who = Annotator(id="ann", kind="human")
    assert [row.fault for row in rows] == [""] * 4
    assert [row.label for row in rows] == [
        *(
            Label(request_id=one, ts=AT, annotator=who, **{**said, "answers": tuple(said.get("answers", ()))})
            for one, said in SAID.items()
        ),
        None,
    ]
    assert len({row.place for row in rows}) == 4


@EVERY
def test_tasks_that_nobody_filled_in_are_no_labels_and_no_faults(name: str) -> None:
    assert [(row.label, row.fault) for row in read(name, exported(name, TASKS))] == [(None, "")] * 4


@pytest.mark.parametrize("name", ["jsonl", "label-studio"])
def test_blank_answers_say_nothing(name: str) -> None:
    written = exported(name, TASKS)
    said = dict(zip(("r1", "=r2", "'+r3", "plain-4"), ([""], ["  ", "\n"], [], ["", "a cup"]), strict=True))
    if name == "jsonl":
        rows = [json.loads(line) for line in written.splitlines()]
        filled = "\n".join(json.dumps(row | {"verdict": " ", "answers": said[row["request_id"]]}) for row in rows)
    else:
        tasks = json.loads(written)
        for task in tasks:
            task["annotations"] = [{"result": [region("answers", said[task["data"]["request_id"]])]}]
        filled = json.dumps(tasks)
    found = read(name, filled.encode(), "ann")
    assert [row.fault for row in found] == [""] * 4
    assert [row.label and row.label.answers for row in found] == [None, None, None, ("a cup",)]


@EVERY
def test_neither_confidence_nor_probability_leaves_and_a_hidden_answer_does_not_either(name: str) -> None:
    shown, hidden = exported(name, TASKS), exported(name, [replace(one, answer=None) for one in TASKS])
    assert b"a mug" in shown
    assert b"a mug" not in hidden
    assert not {field.name for field in fields(TaskItem)} & {"confidence", "inclusion_probability", "in_base"}


@EVERY
def test_a_task_without_a_prompt_has_its_slices_and_of_a_disputed_one_what_was_said(name: str) -> None:
    task = replace(
        TASK, task="classification", prompt=None, slices={"question": "colour", "device": "cam-1"},
        words=(Word("ann", "incorrect; red"), Word("bo", "correct")),
    )  # fmt: skip
    written = exported(name, [task])
    assert b"device = cam-1, question = colour" in written
    assert b"incorrect; red | correct" in written
    assert [(row.label, row.fault) for row in read(name, written, "ann")] == [(None, "")]


def test_each_task_for_label_studio_has_every_field() -> None:
    """A file that lacks what its labelling shows is refused there."""
    (task,) = json.loads(exported("label-studio", [replace(TASK, prompt=None, answer=None, slices={})]))
    assert task["data"].keys() == set(FIELDS)
    assert (task["data"]["prompt"], task["data"]["model_answer"], task["data"]["slices"]) == ("", "", "")


@EVERY
def test_no_tasks_make_a_file_that_reads_as_nothing(name: str) -> None:
    assert read(name, exported(name, [])) == []


@EVERY
@given(content=st.binary(max_size=400))
def test_any_bytes_give_rows_or_faults_and_never_an_error(name: str, content: bytes) -> None:
    assert all(isinstance(row, Row) for row in read(name, content, "ann"))


WRONG: dict[str, bytes] = {
    "jsonl": b"\n".join(
        [
            b'{"request_id": "a", "verdict": "correct"}',
            b'{"request_id": "b", "verdict": "maybe", "annotator": "ann"}',
            b'{"request_id": "c", "rating": 101, "annotator": "ann"}',
            b"[1, 2]",
            b"{",
            b"\xff\xfe",
            b'{"verdict": "correct", "annotator": "ann"}',
            b'{"request_id": "d", "verdict": "correct", "annotator": "ann", "comment": "%s"}' % (b"x" * (MAX_TEXT + 1)),
            b'{"request_id": "e\\u0000", "verdict": "correct", "annotator": "ann"}',
            b'{"request_id": "f", "verdict": "correct", "annotator": "ann", "labelled_at": "yesterday"}',
            b'{"request_id": "g", "safety_violation": "maybe", "annotator": "ann"}',
            b'{"request_id": "ok", "verdict": "correct", "annotator": {"id": "judge", "kind": "llm"}}',
        ]
    ),
    "csv": b"\n".join(
        [
            b"request_id,annotator,verdict,rating",
            b"a,,correct,",
            b"b,ann,maybe,",
            b"c,ann,,101",
            b"d,ann,,high",
            b"e,ann,correct,,,more",
            b",ann,correct,",
            b"\xff,ann,correct,",
            b"%s,ann,correct," % (b"x" * 200),
            b'f,ann,"correct" or so,',
            b"ok,judge, Correct ,",
        ]
    ),
    "label-studio": json.dumps(
        [
            {"data": {}, "annotations": []},
            17,
            *(
                {"data": {"request_id": one}, "annotations": [annotation]}
                for one, annotation in {
                    "a": {"result": [region("verdict", "correct")]},
                    "b": {"result": [region("verdict", "maybe")], "completed_by": 3},
                    "c": {"result": [region("rating", 200.0)], "completed_by": 3},
                    "d": {"result": "nothing", "completed_by": 3},
                    "e": {"completed_by": 3},
                    "f": 5,
                    "g": {"result": [{"from_name": "verdict", "type": "labels", "value": {}}], "completed_by": 3},
                    "ok": {"result": [region("verdict", "correct")], "completed_by": {"email": "judge"}},
                }.items()
            ),
        ]
    ).encode(),
}


@EVERY
def test_what_is_wrong_is_told_by_its_place_and_the_rest_is_read(name: str) -> None:
    *wrong, right = read(name, WRONG[name])
    assert all(row.fault and row.label is None for row in wrong)
    assert len(wrong) >= 8
    assert len({row.place for row in wrong}) == len(wrong)
    assert right.label is not None
    assert (right.label.request_id, right.label.annotator.id, right.label.ts) == ("ok", "judge", UNDATED)


@pytest.mark.parametrize(("word", "found"), [("yes", True), (" TRUE ", True), ("1", True), ("No", False), ("0", False)])
def test_a_violation_is_a_word_of_its_own(word: str, found: bool) -> None:
    (row,) = read("csv", f"request_id,safety_violation\nr1,{word}\n".encode(), "ann")
    assert row.label is not None
    assert (row.label.safety_violation, row.label.verdict) == (found, None)


def test_a_native_label_keeps_all_that_it_says() -> None:
    native = b'{"schema": "label/v1", "request_id": "r", "ts": "2026-11-20T12:00:00Z", "verdict": "correct", '
    native += b'"annotator": {"id": "j", "kind": "llm"}, "safety_violation": true, "rubric": 3}'
    (row,) = read("jsonl", native)
    assert row.label is not None
    assert (row.label.safety_violation, row.label.extra, row.label.ts) == (True, {"rubric": 3}, AT)


def test_a_line_that_is_too_long_is_a_fault_and_the_next_one_is_read() -> None:
    rows = read("jsonl", b'{"x": "' + b"y" * 1_100_000 + b'"}\n{"request_id": "r", "verdict": "correct"}', "ann")
    assert [bool(row.fault) for row in rows] == [True, False]
    rows = read("csv", b"request_id,verdict\n" + b"y" * 1_100_000 + b",correct\nr,correct", "ann")
    assert [(row.place, row.fault, len(row.content)) for row in rows] == [
        ("line 2", "longer than 1048576 characters", MAX_KEPT), ("line 3", "", 0),
    ]  # fmt: skip


@EVERY
def test_a_byte_order_mark_costs_no_label_and_the_case_of_a_verdict_does_not_count(name: str) -> None:
    content = FILL[name](exported(name, TASKS)).removeprefix(BOM_UTF8)
    for word in (b"incorrect", b"unsure"):
        content = content.replace(word, word.capitalize() + (b" " if name != "label-studio" else b""))
    rows = read(name, BOM_UTF8 + content)
    assert [row.fault for row in rows] == [""] * 4
    assert [row.label.verdict for row in rows if row.label] == ["incorrect", None, "unsure"]


@EVERY
def test_a_task_with_a_very_long_prompt_comes_back(name: str) -> None:
    tasks = [replace(one, prompt="x" * 140_000, context="y" * 140_000) for one in TASKS]
    rows = read(name, FILL[name](exported(name, tasks)))
    assert [row.label.request_id for row in rows if row.label] == list(SAID)
    assert not any(row.fault for row in rows)


def test_cells_are_as_long_as_a_spreadsheet_holds_and_longer_ones_of_others_are_read() -> None:
    before = csv.field_size_limit()
    (row,) = csv.DictReader(io.StringIO(exported("csv", [replace(TASK, prompt="=" * 140_000)]).decode()))
    assert (len(row["prompt"]), row["prompt"][0], row["prompt"][-1]) == (32_001, "'", "…")
    (read_back,) = read("csv", b"request_id,prompt,verdict\nr," + b"x" * 140_000 + b",correct\n", "ann")
    assert read_back.label is not None
    csv.field_size_limit(before)


@pytest.mark.parametrize(
    "stray",
    [
        'r1,correct,"oops\nr2,incorrect,\nr3,correct,\n',
        'r1,correct,"oops\nr2,incorrect,"blurry"\nr3,correct,\n',
        'r1,correct,"oops\nr2,incorrect,blurry"\nr3,correct,\n',
        '"r1,correct,\nr2,incorrect,\nr3,correct,"two\nlines"\n',
    ],
)
def test_a_quotation_mark_that_is_not_closed_costs_its_own_row_alone(stray: str) -> None:
    first, *rest = read("csv", f"request_id,verdict,comment\n{stray}".encode(), "ann")
    assert (first.place, first.label) == ("line 2", None)
    assert "quotation mark" in first.fault
    assert first.content == stray.splitlines()[0]
    assert [(row.label.request_id, row.label.verdict) for row in rest if row.label] == [
        ("r2", "incorrect"), ("r3", "correct"),
    ]  # fmt: skip
    assert not any(row.fault for row in rest)


def test_texts_over_several_lines_are_no_stray_quotation_marks() -> None:
    table = '"a, b, c\ncorrect, x, y\nr9,correct,z"'
    rows = read(
        "csv", f'prompt,request_id,verdict,comment\n{table},r1,correct,"one\ntwo, ""three"", four"\n'.encode(), "a"
    )
    assert [(row.label.request_id, row.label.comment) for row in rows if row.label] == [
        ("r1", 'one\ntwo, "three", four')
    ]
    assert [row.fault for row in rows] == [""]


def test_a_row_that_ends_before_its_request_id_names_none() -> None:
    (row,) = read("csv", b"verdict,request_id\ncorrect\n", "ann")
    assert row.fault == "names no request_id"


def test_a_header_may_be_written_by_hand_but_names_each_column_once() -> None:
    (row,) = read("csv", b" Request_ID ,VERDICT ,,\nr1,correct,,\n", "ann")
    assert row.label is not None
    assert row.label.request_id == "r1"
    (refused,) = read("csv", b"request_id,verdict,Verdict \nr1,correct,\n", "ann")
    assert (refused.place, refused.fault) == ("line 1", "names verdict twice; which one counts?")


def test_all_results_of_a_control_of_label_studio_count_and_two_that_differ_are_told() -> None:
    def of(*regions: dict[str, Any]) -> Row:
        task = {"data": {"request_id": "r"}, "annotations": [{"result": regions, "completed_by": 1}]}
        (row,) = read("label-studio", json.dumps([task]).encode())
        return row

    both = of(
        region("answers", ["red"]), region("answers", ["crimson"]), region("comment", "a"), region("comment", "b")
    )
    assert both.label is not None
    assert (both.label.answers, both.label.comment) == (("red", "crimson"), "a\nb")
    assert (
        "verdict has two results, unsure and correct"
        in of(region("verdict", "unsure"), region("verdict", "correct")).fault
    )
    assert of(region("verdict", "correct"), region("verdict", "correct")).label is not None


def test_skipped_annotations_of_label_studio_are_no_labels() -> None:
    task = {"data": {"request_id": "r"}, "annotations": [{"was_cancelled": True, "result": [], "completed_by": 1}]}
    assert [(row.label, row.fault) for row in read("label-studio", json.dumps([task]).encode())] == [(None, "")]


def test_a_label_may_be_dated_in_another_zone() -> None:
    (row,) = read(
        "jsonl", b'{"request_id": "r", "verdict": "correct", "labelled_at": "2026-11-20T13:00:00+01:00"}', "a"
    )
    assert row.label is not None
    assert row.label.ts - AT == timedelta()
