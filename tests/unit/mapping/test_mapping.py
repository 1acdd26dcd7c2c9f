"""A mapping file becomes events, and a wrong one a list of all its faults."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.domain.events import Label, Prediction, content_hash
from monitor.errors import SettingsError
from monitor.formats import native
from monitor.mapping import Mapping, Row, RowTimes, load_mapping
from monitor.mapping.expressions import RowFault
from monitor.mapping.mapping import Mapped

MINIMAL = """
prediction:
  request_id: $.id
  ts: $.at
  model: {name: clip}
  task: vqa
  status: ok
"""
ROW = {"id": "r1", "at": "2026-11-21T10:00:00Z"}
EXAMPLES = Path(__file__).parents[3] / "examples" / "mappings"


def mapping(folder: Path, text: str) -> Mapping:
    file = folder / "map.yaml"
    file.write_text(text)
    return load_mapping(file)


def events(folder: Path, text: str, row: dict[str, Any], times: RowTimes | None = None) -> list[Prediction | Label]:
    return list(mapping(folder, text).events(Row(1, row), times))


def test_a_minimal_mapping_gives_a_minimal_prediction(tmp_path: Path) -> None:
    (prediction,) = events(tmp_path, MINIMAL, ROW)
    assert isinstance(prediction, Prediction)
    assert (prediction.request_id, prediction.model.name, prediction.task) == ("r1", "clip", "vqa")
    assert prediction.ts == datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_paths_constants_lists_columns_and_concatenations_reach_every_depth(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + """
  input: {prompt: "$['the question']", image: {width: "$.size[0]"}}
  output: {answer: {column: "$odd name"}, candidates: {constant: [{answer: a, score: 0.5}]}}
  tokens: {in: $.usage.prompt}
  slices: {device: {concat: [$.maker, "/", $.revision]}}
  extra: {price: {constant: "$5"}, tags: [$.tag, {path: $.none, default: null}, fixed]}
label:
  ts: {after_prediction: 90s}
  annotator: {id: key, kind: code}
  answers: [$.truth]
"""
    )
    row = ROW | {
        "the question": "how many?", "size": [640, 480], "$odd name": "three", "usage": {"prompt": 12},
        "maker": "acme", "revision": 3, "tag": "t", "truth": "3",
    }  # fmt: skip
    prediction, label = events(tmp_path, text, row)
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    assert prediction.input.prompt == "how many?"
    assert prediction.input.image is not None
    assert prediction.input.image.width == 640
    assert prediction.output.answer == "three"
    assert prediction.output.candidates[0].score == 0.5
    assert prediction.tokens is not None
    assert prediction.tokens.input == 12
    assert prediction.slices == {"device": "acme/3"}
    assert prediction.extra == {"price": "$5", "tags": ["t", "fixed"]}
    assert label.request_id == "r1"
    assert label.ts == prediction.ts + timedelta(seconds=90)
    assert label.answers == ("3",)


def test_the_content_hash_is_the_one_that_the_collector_will_compute(tmp_path: Path) -> None:
    (event,) = events(tmp_path, MINIMAL, ROW | {"at": "2026-11-21T12:00:00.5+02:00"})
    mapped = Mapped.of(event)
    assert mapped.content_hash == content_hash(native.decode(mapped.raw))


@settings(max_examples=50)  # writes files
@given(st.text(max_size=50), st.floats(0, 1), st.dictionaries(st.text(max_size=5), st.integers() | st.text()))
def test_any_text_and_number_hashes_as_the_collector_does(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, confidence: float, extra: dict[str, Any]
) -> None:
    text = MINIMAL + "  input: {prompt: $.p}\n  output: {confidence: $.c}\n  extra: {all: $.e}\n"
    row = ROW | {"p": prompt.replace("\x00", ""), "c": confidence, "e": msgspec.json.decode(msgspec.json.encode(extra))}
    (event,) = events(tmp_path_factory.mktemp("map"), text, row)
    mapped = Mapped.of(event)
    if b"\\u0000" not in mapped.raw:
        assert mapped.content_hash == content_hash(native.decode(mapped.raw))


def test_a_null_leaves_the_field_out_and_passes_through_transforms(tmp_path: Path) -> None:
    text = MINIMAL + "  output: {answer: {transform: lower, of: $.answer}, confidence: {path: $.p, default: null}}\n"
    (prediction,) = events(tmp_path, text, ROW | {"answer": None})
    assert isinstance(prediction, Prediction)
    assert prediction.output.answer is None
    assert prediction.output.confidence is None


def test_a_row_without_an_outcome_gets_no_label(tmp_path: Path) -> None:
    text = MINIMAL + "label: {ts: $.at, annotator: {id: a, kind: human}, answers: [$.truth], verdict: $.verdict}\n"
    assert len(events(tmp_path, text, ROW | {"truth": None, "verdict": None})) == 1
    assert len(events(tmp_path, text, ROW | {"truth": None, "verdict": "unsure"})) == 2


APART = """
where: {exists: $.at}
prediction:
  where: {equals: [$.kind, answer]}
  request_id: $.id
  ts: $.at
  model: {name: clip}
  task: vqa
  status: ok
label:
  where: {equals: [$.kind, feedback]}
  request_id: $.of
  ts: $.at
  annotator: {id: $.who, kind: human}
  verdict: $.said
"""


def test_answers_and_labels_may_be_rows_of_their_own(tmp_path: Path) -> None:
    (answer,) = events(tmp_path, APART, ROW | {"kind": "answer"})
    (label,) = events(
        tmp_path, APART, {"kind": "feedback", "of": "r0", "who": "ana", "said": "correct", "at": ROW["at"]}
    )
    assert isinstance(answer, Prediction)
    assert isinstance(label, Label)
    assert (answer.request_id, label.request_id, label.verdict) == ("r1", "r0", "correct")
    assert events(tmp_path, APART, {"kind": "heartbeat", "at": ROW["at"]}) == []
    assert events(tmp_path, APART, {"kind": "answer"}) == []
    with pytest.raises(RowFault, match=r"label.where: \$.feedback is not in the row"):
        events(tmp_path, APART.replace("{equals: [$.kind, feedback]}", "$.feedback"), ROW)


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("  where: {equals: [$.kind, answer]}\n", "", "prediction.where is missing: .* both sections have one"),
        ("  where: {equals: [$.kind, feedback]}\n", "", "label.where is missing: .* both sections have one"),
        ("  request_id: $.of\n", "", "label.request_id is missing: in a row that is no prediction"),
        ("  ts: $.at\n  annotator", "  ts: {after_prediction: 1s}\n  annotator", "prediction in the same row"),
    ],
)
def test_rows_of_their_own_say_which_they_are_and_whose(tmp_path: Path, line: str, instead: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        mapping(tmp_path, APART.replace(line, instead))


@pytest.mark.parametrize(
    ("lines", "row", "message"),
    [
        ("", {"id": "r1"}, r"prediction.ts: \$.at is not in the row"),
        ("", {"id": 7, "at": ROW["at"]}, "prediction.request_id: Expected `str`, got `int`; {transform: string"),
        ("", {"id": "r1", "at": "2026-11-21T10:00:00"}, "prediction.ts: .* timezone component; {transform: assume_utc"),
        ("", {"id": "r1", "at": 1795479400000}, "prediction.ts: .* got `int`; {transform: epoch, of: ..., unit: ...}"),
        ("  latency_ms: $.l", {"l": "0.2"}, "prediction.latency_ms: .* got `str`; {transform: number"),
        ("  tokens: {in: $.t}", {"t": "3"}, "prediction.tokens.in: .* got `str`; {transform: integer"),
        ("", {"id": "x" * 129, "at": ROW["at"]}, "length <= 128"),
        (
            "  output: {confidence: $.p}",
            {"p": 1.5},
            "output.confidence: .* <= 1.0; {transform: scale, of: ..., by: 0.01}",
        ),
        ("  output: {confidence: $.p}", {"p": float("nan")}, "confidence"),
        ("  output: {candidates: $.c}", {"c": [{"answer": "a", "score": float("nan")}]}, "score"),
        (
            "  output: {answer: {transform: python_literal, of: $.a}}",
            {"a": "["},
            "prediction.output.answer: python_literal",
        ),
        ("  slices: {run: {concat: [a, $.r]}}", {"r": None}, "prediction.slices.run: concat: part 2 is null"),
        ("  slices: {run: $.r.name}", {"r": "a"}, r"\$.r.name is not in the row"),
        ("  slices: {run: '$.r[1]'}", {"r": "abc"}, "not in the row"),
        ("  input: {prompt: $.p}", {"p": "x" * 8_400_000}, "bytes, 8388608 can be sent"),
        ("  extra: {thing: $.t}", {"t": object()}, "prediction: "),
    ],
)
def test_a_row_that_does_not_fit_says_which_field_and_why(
    tmp_path: Path, lines: str, row: dict[str, Any], message: str
) -> None:
    row = row if not lines else ROW | row
    with pytest.raises(RowFault, match=message):
        mapping(tmp_path, MINIMAL + lines).events(Row(1, row), None)


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = """
prediction:
  request_id: {concat: [$.id, "$..x"]}
  ts: {synthesize: {spacing: 1s, over: 7d}}
  model: {name: clip, colour: red}
  task: {transform: shout, of: $.task}
  output: {confidence: {transform: threshold, of: $.p}, answer: {path: $.a, column: b}}
label:
  ts: {after_prediction: soon}
  annotator: {id: a}
"""
    with pytest.raises(SettingsError) as caught:
        mapping(tmp_path, text)
    expected = {
        "prediction.request_id": "'$..x' is no path",
        "prediction.ts.synthesize": "give either spacing",
        "prediction.model.colour": "no such field",
        "prediction.task": "transform 'shout' is unknown",
        "prediction.status": "missing",
        "prediction.output.confidence": "threshold: the argument at is missing",
        "prediction.output.answer": "exactly one of path, column",
        "label.ts.after_prediction": "'soon' is not a duration",
        "label.annotator.kind": "missing",
    }
    found = dict(fault.removeprefix("map.yaml: ").split(": ", 1) for fault in caught.value.faults)
    assert found.keys() == expected.keys()
    for where, message in expected.items():
        assert message in found[where]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "one YAML document"),
        ("[1, 2]", "one YAML document"),
        ("prediction: {request_id: [", "not readable YAML"),
        ("prediction: {task: a, task: b}", "a key stands twice"),
        ("label: {}", "label.annotator: missing"),
        ("where: true", "one of the sections prediction and label is needed"),
        (
            MINIMAL + "label: {request_id: $.id, ts: $.at, annotator: {id: a, kind: human}}",
            "request_id is the prediction's",
        ),
        ("label: {ts: $.at, annotator: {id: a, kind: human}}", "says whose label it is"),
        (
            "label: {request_id: $.id, ts: {after_prediction: 1s}, annotator: {id: a, kind: human}}",
            "needs the prediction in the same row",
        ),
        (MINIMAL + "  output: {answer: {first_of: $.a}}", "a list of choices"),
        (MINIMAL + "  output: {answer: {equals: [$.a]}}", "a list of two"),
        (MINIMAL + "  output: {answer: {transform: lower}}", "`of` is missing"),
        (MINIMAL + "  output: {answer: {transform: lower, of: $.a, by: 2}}", "'by' has no meaning here"),
        (MINIMAL + "  output: {answer: {concat: []}}", "a list of parts"),
        (MINIMAL + "  output: {answer: {}}", "it has none"),
        (MINIMAL + "  output: {answer: {path: 7}}", "'7' is no path"),
        (
            MINIMAL + "  output: {answer: {path: $.a, of: {transform: json, of: $.b}}}",
            r"map.yaml: prediction.output.answer: '\$.a' is no path into the value of `of`",
        ),
        (MINIMAL + "  output: {answer: {path: .a, of: $..b}}", r"prediction.output.answer: '\$..b' is no path"),
    ],
)
def test_a_wrong_file_says_what_to_mend(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        mapping(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load_mapping(tmp_path / "absent.yaml")


def test_comments_and_layout_do_not_change_what_a_mapping_is(tmp_path: Path) -> None:
    first = mapping(tmp_path, MINIMAL).digest
    assert mapping(tmp_path, "# a remark\n" + MINIMAL.replace("{name: clip}", "\n    name: clip")).digest == first
    assert mapping(tmp_path, MINIMAL.replace("clip", "siglip")).digest != first


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_examples_are_valid(file: Path) -> None:
    assert load_mapping(file).prediction is not None


def test_the_mmmu_example_keeps_the_two_runs_apart_and_reads_the_literal_columns() -> None:
    row = {
        "run": "vision-direct", "id": "test_Math_1", "question": "Which?", "options": "['one', \"it's two\"]",
        "answer": "B", "response": "(B)", "pred": "B", "subject": "Math", "difficulty": "Hard",
        "img_type": "['Tables', 'Maps']",
    }  # fmt: skip
    times = RowTimes(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=7), 3460)
    example = load_mapping(EXAMPLES / "mmmu_pro_gpt4o.yaml")
    prediction, label = example.events(Row(1, row), times)
    other, _ = example.events(Row(1, row | {"run": "standard-direct"}), times)
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    assert prediction.request_id == "mmmu-pro/vision-direct/test_Math_1" != other.request_id
    assert prediction.slices == {
        "run": "vision-direct", "subject": "Math", "difficulty": "Hard", "img_type": "Tables, Maps"
    }  # fmt: skip
    assert prediction.extra["options"] == ["one", "it's two"]
    assert (prediction.task, prediction.output.answer, label.answers) == ("multiple_choice", "B", ("B",))


def test_the_employment_example_answers_with_the_likelier_class_and_its_probability() -> None:
    columns = ("year", "SCHL", "MAR", "DIS", "CIT", "NATIVITY", "SEX", "RAC1P", "AGEP", "employed")
    row = dict.fromkeys(columns, 1) | {"id": 5, "year": 2016, "predicted_probability": 0.25, "employed": 0}
    times = RowTimes(datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=7), 10)
    example = load_mapping(EXAMPLES / "employment_ma.yaml")
    prediction, label = example.events(Row(1, row), times)
    assert isinstance(prediction, Prediction)
    assert isinstance(label, Label)
    assert (prediction.output.answer, prediction.output.confidence, label.answers) == ("0", 0.75, ("0",))
    assert prediction.slices["year"] == "2016"


def test_feedback_in_the_same_topic_is_read_as_the_page_on_own_models_says(tmp_path: Path) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "own-model.md").read_text()
    blocks = [yaml.safe_load(one) for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    whole = next(one for one in blocks if "request_id" in one.get("prediction", ()))
    apart = next(one for one in blocks if "label" in one)
    both = {"prediction": whole["prediction"] | apart["prediction"], "label": apart["label"]}
    record = {"type": "feedback", "answer_id": "q-81", "given_at": ROW["at"], "by": "shopper", "right": False}
    (label,) = events(tmp_path, yaml.safe_dump(both), record)
    assert isinstance(label, Label)
    assert (label.request_id, label.verdict, label.annotator.kind) == ("q-81", "incorrect", "user")


def test_the_remedies_of_that_page_are_mappings(tmp_path: Path) -> None:
    page = (EXAMPLES.parents[1] / "docs" / "own-model.md").read_text()
    remedies = dict(re.findall(r"^\| [^|]+ \| `(\w+): (\{.*?\})`(?: \||:)", page, re.MULTILINE))
    assert sorted(remedies) == ["answer", "confidence", "extra", "ts"]
    text = (
        MINIMAL.replace("ts: $.at", f"ts: {remedies['ts']}")
        + f"  output: {{answer: {remedies['answer']}, confidence: {remedies['confidence']}}}\n"
        + f"  extra: {remedies['extra']}\n"
    )
    row = {"id": "r", "meta": {"t_ms": 1763719200000, "user": "u-1"}, "res": {"percent": 81, "count": 3}}
    (prediction,) = events(tmp_path, text, row)
    assert isinstance(prediction, Prediction)
    assert prediction.output.answer == "3"
    assert prediction.output.confidence == pytest.approx(0.81)
    assert (prediction.extra, prediction.ts) == ({"user_id": "u-1"}, datetime(2025, 11, 21, 10, tzinfo=UTC))
    (failed,) = events(tmp_path, text, {**row, "res": None})
    assert isinstance(failed, Prediction)
    assert failed.output.answer is None
