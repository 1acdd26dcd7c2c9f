"""The simulated service on the real model: what it answers, what it logs, and what its two defects do."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import torch
from msgspec import structs

from demo import service
from demo.clip.encoder import Encoder
from demo.conditions import Conditions
from demo.incidents import CHANGED_CAMERA, INCIDENTS, Schedule
from demo.labeller import ERROR_RATE, PEOPLE, Labellers
from demo.service import AUDIT_S, MODEL, RELEASES, SceneVqa, read_picture, variant_of
from demo.simulation import BATCH, Simulation
from demo.traffic import Case, Traffic
from monitor.domain.events import Prediction, encode
from monitor.domain.window import Window
from monitor.formats.native import decode
from monitor.sampling import LABEL_KEY, selected
from monitor.sampling.label_plan import annotators_needed
from monitor.services.draw_labels import LabelDesign

START = datetime(2026, 11, 14, 12, tzinfo=UTC)
HOURS = timedelta(hours=2)

Answered = list[tuple[Case, Prediction]]


class KeptTraffic(Traffic):
    """Remembers what was asked, so that tests know the truth."""

    def __init__(self) -> None:
        super().__init__("run", START, per_minute=4.0)
        self.cases: dict[str, Case] = {}

    def take(self, conditions: Conditions) -> Case:
        case = super().take(conditions)
        if not self.cases:
            case = replace(case, truncated_to=0.6)  # one upload breaks off for certain
        self.cases[case.request_id] = case
        return case


@pytest.fixture(scope="module")
def encoder() -> Iterator[Encoder]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the demo does: small batches are slower on two
    yield Encoder()
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def serve(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Answered]:
    """Two hours of requests under an incident, or none."""

    def run(incident: str | None = None, length: timedelta = HOURS) -> Answered:
        schedule = Schedule()
        if incident is not None:
            schedule = schedule.including(INCIDENTS[incident], Window(START, START + length))
        traffic = KeptTraffic()
        folder = tmp_path_factory.mktemp("images")
        simulation = Simulation(traffic, schedule, SceneVqa(encoder), Labellers(LabelDesign()), folder)
        events = [event for batch in simulation.advance(START + length) for event in batch]
        return [(traffic.cases[event.request_id], event) for event in events if isinstance(event, Prediction)]

    return run


def test_the_first_request_finds_a_warm_service(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []
    monkeypatch.setattr(
        encoder, "images", lambda pixels: shapes.append(pixels.shape) or Encoder.images(encoder, pixels)
    )
    SceneVqa(encoder)
    assert shapes == [(BATCH, 64, 64, 3)]


@pytest.fixture(scope="module")
def quiet(serve: Callable[..., Answered]) -> Answered:
    return serve()


def accuracy(answered: Sequence[tuple[Case, Prediction]]) -> float:
    right = [event.output.answer == case.truth for case, event in answered if event.status == "ok"]
    return float(np.mean(right))


def confidence(answered: Sequence[tuple[Case, Prediction]]) -> float:
    return float(np.mean([event.output.confidence for _, event in answered if event.output.confidence is not None]))


def of_device(answered: Answered, device: str) -> Answered:
    return [(case, event) for case, event in answered if case.device == device]


def test_in_quiet_times_it_answers_well_and_knows_how_well(quiet: Answered) -> None:
    assert accuracy(quiet) > 0.96
    assert confidence(quiet) == pytest.approx(accuracy(quiet), abs=0.03)


def test_a_record_tells_what_was_used_and_passes_the_wire(quiet: Answered) -> None:
    for case, event in quiet[:40]:
        assert decode(encode(event)) == event
        assert (event.model.name, event.model.version, event.model.variant) == (MODEL, "v1", "stable")
        assert event.ts == case.ts
        assert event.slices == {"device": case.device, "question": case.attribute}
        assert event.input.image is not None
        assert event.input.image.ref is not None
        content = Path(unquote(urlsplit(event.input.image.ref).path)).read_bytes()
        assert sha256(content).hexdigest() == event.input.image.sha256
        assert event.latency_ms is not None
        assert event.latency_ms > 0


def test_scores_are_a_distribution_whose_highest_is_the_answer_and_its_confidence(quiet: Answered) -> None:
    for case, event in quiet:
        if event.status != "ok":
            continue
        scores = {one.answer: one.score for one in event.output.candidates}
        assert tuple(scores) == case.candidates
        assert sum(scores.values()) == pytest.approx(1)
        assert event.output.confidence == max(scores.values())
        assert event.output.answer is not None
        assert scores[event.output.answer] == event.output.confidence


def test_an_upload_that_breaks_off_is_an_error_and_no_answer(quiet: Answered) -> None:
    case, event = quiet[0]
    assert case.truncated_to is not None
    assert (event.status, event.error_code) == ("error", "picture_unreadable")
    assert event.output.answer is None
    assert event.output.confidence is None
    assert all(other.status == "ok" for kept, other in quiet if kept.truncated_to is None)


def test_the_new_firmware_costs_one_camera_its_accuracy_and_leaves_its_confidence(
    serve: Callable[..., Answered], quiet: Answered
) -> None:
    altered = serve("camera")
    hit = of_device(altered, CHANGED_CAMERA)
    assert accuracy(hit) < 0.7
    assert confidence(hit) > 0.9
    others = [one for one in altered if one[0].device != CHANGED_CAMERA]
    untouched = [one for one in quiet if one[0].device != CHANGED_CAMERA]
    assert [event.output.answer for _, event in others] == [event.output.answer for _, event in untouched]


def test_the_canary_gets_its_share_and_answers_badly_while_the_stable_version_does_not(
    serve: Callable[..., Answered],
) -> None:
    answered = serve("canary")
    canary = [one for one in answered if one[1].model.variant == "canary"]
    assert len(canary) / len(answered) == pytest.approx(0.3, abs=0.07)
    assert {event.model.version for _, event in canary} == {"v2"}
    assert {event.preprocess_version for _, event in canary} == {RELEASES["canary"].preprocess_version}
    assert accuracy(canary) < 0.5
    assert accuracy([one for one in answered if one[1].model.variant == "stable"]) > 0.96


def test_prefetching_pairs_each_question_with_the_picture_before_it(
    serve: Callable[..., Answered], quiet: Answered
) -> None:
    swapped = serve("pairing")
    pictures = [event.input.image.sha256 for _, event in quiet if event.input.image]
    paired = [event.input.image.sha256 for _, event in swapped if event.input.image]
    assert paired[1:] == pictures[:-1]
    assert [event.input.prompt for _, event in swapped] == [event.input.prompt for _, event in quiet]
    assert accuracy(swapped) < 0.4


def test_the_campaign_costs_no_accuracy(serve: Callable[..., Answered]) -> None:
    assert accuracy(serve("campaign")) > 0.96


def test_the_audit_call_really_takes_its_time(serve: Callable[..., Answered]) -> None:
    slow = [event.latency_ms for _, event in serve("latency", timedelta(minutes=20)) if event.latency_ms is not None]
    assert min(slow) > AUDIT_S * 1000
    assert AUDIT_S > 0.3


def test_a_machine_that_does_something_else_meanwhile_makes_nobody_wait(
    serve: Callable[..., Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    def held_up(path: Path) -> service.Picture:
        time.sleep(AUDIT_S)
        return read_picture(path)

    monkeypatch.setattr(service, "read_picture", held_up)
    latencies = [event.latency_ms or 0.0 for _, event in serve(length=timedelta(minutes=5))]
    assert median(latencies) < AUDIT_S * 1000


def test_requests_are_routed_alike_everywhere_and_a_larger_share_keeps_those_of_a_smaller() -> None:
    ids = [f"r-{number}" for number in range(2000)]
    small = {one for one in ids if variant_of(one, 0.1) == "canary"}
    large = {one for one in ids if variant_of(one, 0.4) == "canary"}
    assert small < large
    assert len(large) / len(ids) == pytest.approx(0.4, abs=0.04)
    assert all(variant_of(one, 0.0) == "stable" for one in ids)


def test_v2_hands_over_blue_before_red_in_half_the_range() -> None:
    pixels = np.array([[[[0, 100, 255]]]], dtype=np.uint8)
    assert RELEASES["canary"].preprocess(pixels).tolist() == [[[[255, 177, 127]]]]
    assert RELEASES["stable"].preprocess(pixels) is pixels


def test_only_what_the_sampler_draws_is_labelled_some_time_later_by_three_people(quiet: Answered) -> None:
    labellers = Labellers(LabelDesign(0.4))
    for case, event in quiet:
        labellers.look_at(case, event)
    last = quiet[-1][1].ts
    early, late = labellers.given_by(last), labellers.given_by(last + timedelta(days=2))
    labels = {label.request_id: label for label in [*early, *late]}
    assert labels.keys() == {
        case.request_id for case, event in quiet if event.status == "ok" and selected(case.request_id, 0.4, LABEL_KEY)
    }
    assert [label.ts for label in early] == sorted(label.ts for label in early)
    assert early
    assert late
    assert {label.annotator.id for label in labels.values()} == set(PEOPLE)
    delays = [
        (labels[case.request_id].ts - case.ts) / timedelta(hours=1) for case, _ in quiet if case.request_id in labels
    ]
    assert min(delays) >= 0
    assert np.mean(delays) == pytest.approx(1.0, abs=0.3)


def test_people_turn_a_verdict_over_now_and_then(quiet: Answered) -> None:
    labellers = Labellers(LabelDesign(1.0))
    wrong = []
    for case, event in quiet:
        mistaken = replace(case, request_id=f"{case.request_id}-wrong")
        answer = next(one for one in case.candidates if one != case.truth)
        labellers.look_at(case, event)
        labellers.look_at(mistaken, _answering(event, answer))
        wrong.append((mistaken, answer))
    labels = {label.request_id: label for label in labellers.given_by(START + timedelta(days=9))}
    turned = [labels[case.request_id].answers != (case.truth,) for case, event in quiet if event.status == "ok"]
    accepted = [labels[case.request_id].answers == (answer,) for case, answer in wrong if case.request_id in labels]
    rate = np.mean([*turned, *accepted])
    assert rate == pytest.approx(ERROR_RATE, abs=0.02)


def test_what_two_people_judge_differently_is_settled_by_the_third_and_nothing_else_is(quiet: Answered) -> None:
    labellers, told = Labellers(LabelDesign(1.0, overlap=0.5)), defaultdict(list)
    for case, event in quiet:
        labellers.look_at(case, event)
    for label in labellers.given_by(START + timedelta(days=30)):
        told[label.request_id].append(label)
    truth = {case.request_id: case.truth for case, _ in quiet}
    settled = 0
    for request_id, labels in told.items():
        judges = [label for label in labels if not label.adjudicates]
        arbiters = [label for label in labels if label.adjudicates]
        assert len(judges) == annotators_needed(request_id, 1, 0.5)
        assert len({label.annotator.id for label in labels}) == len(labels)
        contradict = len({label.answers == (truth[request_id],) for label in judges}) == 2
        assert len(arbiters) == contradict
        assert all(label.ts >= max(judge.ts for judge in judges) for label in arbiters)
        settled += contradict
    pairs = sum(annotators_needed(request_id, 1, 0.5) == 2 for request_id in told)
    assert settled / pairs == pytest.approx(2 * ERROR_RATE * (1 - ERROR_RATE), abs=0.04)


def _answering(event: Prediction, answer: str) -> Prediction:
    return structs.replace(event, output=structs.replace(event.output, answer=answer))
