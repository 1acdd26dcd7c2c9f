"""Label tasks from the queue to a verdict: claims, several annotators, disputes, and what is set aside."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine

from monitor.domain.label_tasks import TaskKey, TaskState
from monitor.domain.records import Batch
from monitor.domain.results import Judgement
from monitor.domain.window import DAY, Window
from monitor.errors import InvalidEvent
from monitor.labelling.rows import MAX_TEXT
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.draw_labels import LabelDesign
from monitor.services.ingest import IngestService
from monitor.services.label_tasks import LabelDesk, Said
from monitor.services.protect import Privacy
from monitor.services.review import labels_of
from monitor.services.score_labels import score_labels
from monitor.store.engine import transaction
from monitor.store.label_tasks import Terms
from monitor.store.queries import label_tasks as queries
from tests.integration.conftest import make_service

pytestmark = pytest.mark.integration
Build = Callable[..., dict[str, Any]]
Send = Callable[..., Batch]
Rows = Callable[..., list[Any]]

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TERMS = Terms(lease=timedelta(minutes=15), lifetime=14 * DAY)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def desk(engine: Engine) -> LabelDesk:
    return LabelDesk(engine, Privacy(Redactor(PrivacyOptions()), Subjects(())), TERMS)


@pytest.fixture
def serve(engine: Engine, send: Send, prediction: Build) -> Callable[..., None]:
    """Store predictions, all of them drawn for labelling by so many people."""

    def run(*request_ids: str, annotators: int = 1, **changes: Any) -> None:
        labels = LabelDesign(rate=1.0, annotators=annotators)
        service = IngestService(engine, replace(make_service(engine)._options, labels=labels), lambda *_: None)
        first = datetime(2026, 11, 20, 11, tzinfo=UTC)
        events = [
            prediction(one, ts=(first + number * MINUTE).isoformat(), **changes)
            for number, one in enumerate(request_ids)
        ]
        service.write(send(*events), NOW)

    return run


def test_the_oldest_task_comes_first_and_to_one_person_at_a_time(desk: LabelDesk, serve: Callable[..., None]) -> None:
    serve("a", "b")
    first, second = desk.take("ann", NOW), desk.take("bo", NOW)
    assert first is not None
    assert second is not None
    assert [first.key.request_id, second.key.request_id] == ["a", "b"]
    assert first.state is TaskState.CLAIMED
    assert (first.prompt, first.answer, first.stratum) == ("What is it?", "a mug", "device=cam-1")
    again = desk.take("ann", NOW + MINUTE)
    assert again is not None
    assert again.key == first.key
    assert desk.take("chi", NOW) is None


def test_a_task_whose_lease_ended_is_offered_to_others(desk: LabelDesk, serve: Callable[..., None]) -> None:
    serve("a")
    desk.take("ann", NOW)
    assert desk.take("bo", NOW + TERMS.lease - MINUTE) is None
    later = desk.take("bo", NOW + TERMS.lease)
    assert later is not None
    desk.release(later.key, "bo")
    assert desk.take("chi", NOW + TERMS.lease) is not None


def test_an_answer_ends_the_task_and_becomes_a_verdict(desk: LabelDesk, serve: Callable[..., None], rows: Rows) -> None:
    serve("a")
    task = desk.take("ann", NOW)
    assert task is not None
    said = Said("incorrect", answers=(" a cup ", ""), comment="write to jo@example.com")
    assert desk.answer(task.key, " ann ", said, NOW + MINUTE) is TaskState.DONE
    assert rows("SELECT annotator_id, annotator_kind, verdict, answers, comment LIKE '%@%' FROM labels") == [
        ("ann", "human", "incorrect", ["a cup"], False)
    ]
    assert rows("SELECT correct, inclusion_probability, in_base FROM verdicts") == [(False, 1.0, True)]
    assert rows("SELECT answers, answered_at, claimed_by FROM label_tasks") == [(1, NOW + MINUTE, None)]
    assert desk.take("bo", NOW + MINUTE) is None


def test_a_task_for_two_waits_for_the_second_who_is_another_person(desk: LabelDesk, serve: Callable[..., None]) -> None:
    serve("a", annotators=2)
    task = desk.take("ann", NOW)
    assert task is not None
    assert desk.answer(task.key, "ann", Said("correct"), NOW) is TaskState.LABELLED
    assert desk.take("ann", NOW) is None
    assert desk.take("bo", NOW) is not None
    assert desk.answer(task.key, "bo", Said("correct"), NOW) is TaskState.DONE


def test_a_dispute_is_settled_by_a_third_person_against_any_majority(
    desk: LabelDesk, serve: Callable[..., None], rows: Rows
) -> None:
    serve("a", annotators=3)
    task = desk.take("ann", NOW)
    assert task is not None
    desk.answer(task.key, "ann", Said("correct"), NOW)
    desk.answer(task.key, "bo", Said("incorrect"), NOW)
    assert desk.answer(task.key, "chi", Said("correct"), NOW) is TaskState.ADJUDICATING
    assert rows("SELECT correct FROM verdicts") == [True]
    assert desk.take("dee", NOW) is None
    assert desk.take("ann", NOW, adjudicate=True) is None
    offered = desk.take("dee", NOW, adjudicate=True)
    assert offered is not None
    assert [(one.annotator, one.said) for one in offered.words] == [
        ("ann", "correct"), ("bo", "incorrect"), ("chi", "correct"),
    ]  # fmt: skip
    assert desk.answer(task.key, "dee", Said("incorrect"), NOW + MINUTE) is TaskState.DONE
    assert rows("SELECT correct FROM verdicts") == [False]
    assert rows("SELECT annotator_id FROM labels WHERE adjudicates") == ["dee"]


def disputed(desk: LabelDesk) -> TaskKey:
    """A task about which two contradict each other."""
    task = desk.take("ann", NOW)
    assert task is not None
    desk.answer(task.key, "ann", Said("correct"), NOW)
    assert desk.answer(task.key, "bo", Said("incorrect"), NOW) is TaskState.ADJUDICATING
    return task.key


def test_who_is_unsure_settles_nothing_and_the_dispute_goes_to_the_next(
    desk: LabelDesk, engine: Engine, serve: Callable[..., None], rows: Rows
) -> None:
    serve("a", annotators=2)
    key = disputed(desk)
    assert desk.answer(key, "dee", Said("unsure"), NOW) is TaskState.ADJUDICATING
    assert desk.take("dee", NOW, adjudicate=True) is None
    following = desk.take("eve", NOW, adjudicate=True)
    assert following is not None
    assert [one.said for one in following.words] == ["correct", "incorrect", "unsure"]
    with transaction(engine) as connection:
        found = labels_of(connection, Window.before(NOW, DAY), NOW)
    assert (found.maturity.drawn, found.maturity.to_come) == (1, 1.0)
    assert desk.answer(key, "eve", Said("correct"), NOW + MINUTE) is TaskState.DONE
    assert rows("SELECT correct FROM verdicts") == [True]


def test_adjudicators_who_contradict_each_other_leave_the_dispute_open_until_most_agree(
    desk: LabelDesk, ingest: IngestService, engine: Engine, serve: Callable[..., None], send: Send, label: Build,
    rows: Rows,
) -> None:  # fmt: skip
    serve("a", annotators=2)
    disputed(desk)
    state = "SELECT disputed, correct FROM label_tasks JOIN verdicts USING (request_id)"
    for place, (verdict, expected) in enumerate(
        [("correct", (False, True)), ("incorrect", (True, None)), ("incorrect", (False, False))]
    ):
        who = {"id": f"d{place}", "kind": "human"}
        ingest.write(send(label("a", verdict=verdict, annotator=who, adjudicates=True)), NOW)
        score_labels(engine)
        assert rows(state) == [expected]


def test_of_two_who_settle_a_dispute_at_once_the_first_does(
    desk: LabelDesk, serve: Callable[..., None], rows: Rows
) -> None:
    names = [f"r{number}" for number in range(10)]
    serve(*names, annotators=2)
    for _ in names:
        key = disputed(desk)
        together = Barrier(2)

        def settle(who: str, verdict: Judgement, key: TaskKey = key, together: Barrier = together) -> TaskState | None:
            together.wait()
            return desk.answer(key, who, Said(verdict), NOW + MINUTE)

        with ThreadPoolExecutor() as pool:
            states = list(pool.map(settle, ("dee", "eve"), ("correct", "incorrect")))
        assert states == [TaskState.DONE] * 2
    settled = "SELECT request_id, verdict = 'correct' FROM labels WHERE adjudicates ORDER BY 1"
    assert rows(settled) == rows("SELECT request_id, correct FROM verdicts ORDER BY 1")
    assert len(rows(settled)) == len(names)


def test_a_dispute_that_is_set_aside_is_left_to_others(
    desk: LabelDesk, engine: Engine, serve: Callable[..., None], rows: Rows
) -> None:
    serve("a", "b", annotators=2)
    for _ in range(2):
        task = desk.take("ann", NOW)
        assert task is not None
        desk.answer(task.key, "ann", Said("correct"), NOW)
        assert desk.answer(task.key, "bo", Said("incorrect"), NOW) is TaskState.ADJUDICATING
    verdicts = rows("SELECT request_id, correct, labelled_at FROM verdicts ORDER BY 1")

    offered = desk.take("dee", NOW, adjudicate=True)
    assert offered is not None
    assert offered.key.request_id == "a"
    for reason in ("no picture", "still none"):
        assert desk.skip(offered.key, "dee", reason, NOW + MINUTE)
    assert rows("SELECT passed_by, skip_reason, skipped_at, claimed_by FROM label_tasks WHERE request_id = 'a'") == [
        (["dee"], "dee: still none", None, None)
    ]
    following = desk.take("dee", NOW + MINUTE, adjudicate=True)
    assert following is not None
    assert following.key.request_id == "b"
    with transaction(engine) as connection:
        assert queries.disputes(connection).waiting == 2
        assert queries.states(connection, Window.before(NOW, DAY), TERMS, NOW) == {TaskState.ADJUDICATING: 2}
    assert rows("SELECT request_id, correct, labelled_at FROM verdicts ORDER BY 1") == verdicts

    by_another = desk.take("eve", NOW + MINUTE, adjudicate=True)
    assert by_another is not None
    assert by_another.key == offered.key
    assert desk.skip(offered.key, "dee", "again", NOW + MINUTE)
    assert rows("SELECT claimed_by FROM label_tasks WHERE request_id = 'a'") == ["eve"]
    assert desk.answer(offered.key, "eve", Said("incorrect"), NOW + MINUTE) is TaskState.DONE
    assert not desk.skip(offered.key, "dee", "too late", NOW + MINUTE)


def test_who_set_a_dispute_aside_may_still_settle_it(desk: LabelDesk, serve: Callable[..., None], rows: Rows) -> None:
    serve("a", annotators=2)
    task = desk.take("ann", NOW)
    assert task is not None
    desk.answer(task.key, "ann", Said("correct"), NOW)
    desk.answer(task.key, "bo", Said("incorrect"), NOW)
    assert desk.skip(task.key, "dee", "by mistake", NOW)
    assert desk.take("dee", NOW, adjudicate=True) is None
    assert desk.answer(task.key, "dee", Said("correct"), NOW + MINUTE) is TaskState.DONE
    assert rows("SELECT annotator_id FROM labels WHERE adjudicates") == ["dee"]


def test_an_annotator_who_comes_to_agree_ends_the_dispute(desk: LabelDesk, serve: Callable[..., None]) -> None:
    serve("a", annotators=2)
    task = desk.take("ann", NOW)
    assert task is not None
    desk.answer(task.key, "ann", Said("correct"), NOW)
    assert desk.answer(task.key, "bo", Said("incorrect"), NOW) is TaskState.ADJUDICATING
    assert desk.answer(task.key, "bo", Said("correct"), NOW + MINUTE) is TaskState.DONE


def test_labels_from_elsewhere_answer_tasks_too_but_complaints_do_not(
    ingest: IngestService, engine: Engine, desk: LabelDesk, serve: Callable[..., None], send: Send, label: Build
) -> None:
    serve("a", "b")
    ingest.write(send(label("a", annotator={"id": "u", "kind": "user"}), label("b")), NOW)
    score_labels(engine)
    task = desk.take("ann", NOW)
    assert task is not None
    assert (task.key.request_id, task.answers) == ("a", 0)
    with transaction(engine) as connection:
        found = queries.states(connection, Window.before(NOW, DAY), TERMS, NOW)
    assert found == {TaskState.CLAIMED: 1, TaskState.DONE: 1}


def test_who_spoke_of_safety_alone_is_still_asked(
    ingest: IngestService, engine: Engine, desk: LabelDesk, serve: Callable[..., None], send: Send, label: Build
) -> None:
    serve("a")
    by_ann = {"id": "ann", "kind": "human"}
    ingest.write(send(label("a", verdict=None, safety_violation=True, annotator=by_ann)), NOW)
    score_labels(engine)
    task = desk.take("ann", NOW)
    assert task is not None
    assert desk.answer(task.key, "ann", Said("correct"), NOW) is TaskState.DONE


@pytest.mark.parametrize(
    ("handling", "kept"),
    [("hide", "[hidden 13 characters]"), ("keep", "mail ann@b.co"), ("redact", "mail [email removed]")],
)
def test_a_reason_is_handled_as_comments_are(
    engine: Engine, serve: Callable[..., None], rows: Rows, handling: Any, kept: str
) -> None:
    serve("a")
    privacy = Privacy(Redactor(PrivacyOptions(comments=handling)), Subjects(()))
    desk = LabelDesk(engine, privacy, TERMS)
    task = desk.take("ann", NOW)
    assert task is not None
    assert desk.skip(task.key, "ann", " mail ann@b.co  ", NOW)
    assert rows("SELECT skip_reason FROM label_tasks") == [f"ann: {kept}"]
    with transaction(engine) as connection:
        [aside] = queries.set_aside(connection, Window(NOW - DAY, NOW))
    assert (aside.request_id, aside.why) == ("a", f"ann: {kept}")


def test_what_is_set_aside_leaves_the_queue_until_somebody_answers_it(
    desk: LabelDesk, engine: Engine, serve: Callable[..., None], rows: Rows
) -> None:
    serve("a")
    task = desk.take("ann", NOW)
    assert task is not None
    assert desk.skip(task.key, "ann", "no picture", NOW)
    assert rows("SELECT skip_reason, claimed_by FROM label_tasks") == [("ann: no picture", None)]
    assert desk.take("bo", NOW) is None
    with transaction(engine) as connection:
        assert queries.backlog_by_stratum(connection, TERMS, NOW) == []
    assert desk.answer(task.key, "bo", Said("correct"), NOW) is TaskState.DONE
    assert not desk.skip(task.key, "ann", "too late", NOW)


def test_a_label_ends_that_a_task_for_two_is_set_aside(
    ingest: IngestService, engine: Engine, desk: LabelDesk, serve: Callable[..., None], send: Send, label: Build
) -> None:
    serve("a", annotators=2)
    task = desk.take("ann", NOW)
    assert task is not None
    assert desk.skip(task.key, "ann", "no picture", NOW)
    ingest.write(send(label("a", annotator={"id": "bo", "kind": "human"})), NOW)
    score_labels(engine)
    assert desk.take("bo", NOW) is None
    assert desk.take("chi", NOW) is not None, "the picture was there after all"
    assert desk.skip(task.key, "chi", "no picture", NOW)
    assert desk.take("dee", NOW) is None
    assert desk.answer(task.key, "bo", Said("incorrect"), NOW + MINUTE) is TaskState.SKIPPED, "no further opinion"


def test_tasks_expire_by_their_age(desk: LabelDesk, engine: Engine, serve: Callable[..., None]) -> None:
    serve("a")
    late = NOW + TERMS.lifetime
    assert desk.take("ann", late) is None
    with transaction(engine) as connection:
        assert queries.states(connection, Window.before(NOW, DAY), TERMS, late) == {TaskState.EXPIRED: 1}
        assert queries.backlog_by_stratum(connection, TERMS, late) == []


def test_the_backlog_is_counted_by_stratum(desk: LabelDesk, engine: Engine, serve: Callable[..., None]) -> None:
    serve("a", "b", "c")
    serve("d", slices={"device": "cam-2"})
    task = desk.take("ann", NOW)
    assert task is not None
    desk.answer(task.key, "ann", Said("correct"), NOW)
    desk.take("ann", NOW, stratum="device=cam-2")
    with transaction(engine) as connection:
        found = queries.backlog_by_stratum(connection, TERMS, NOW)
        assert [(one.stratum, one.waiting, one.claimed) for one in found] == [
            ("device=cam-1", 2, 0), ("device=cam-2", 1, 1),
        ]  # fmt: skip
        assert found[0].oldest == datetime(2026, 11, 20, 11, 1, tzinfo=UTC)
        assert [one.key.request_id for one in queries.queue(connection, TERMS, NOW)] == ["d", "b", "c"]


@pytest.mark.parametrize(
    ("annotator", "said"),
    [
        ("ann", Said()),
        ("ann", Said(answers=("  ",))),
        ("ann", Said(rating=101.0)),
        ("ann", Said("correct", comment="x" * (MAX_TEXT + 1))),
        ("ann", Said("incorrect", answers=("x" * (MAX_TEXT + 1),))),
        ("  ", Said("correct")),
        ("a" * 129, Said("correct")),
    ],
    ids=["nothing", "blank", "rating", "comment", "answer", "nobody", "a long name"],
)
def test_what_is_no_answer_is_refused(
    desk: LabelDesk, serve: Callable[..., None], rows: Rows, annotator: str, said: Said
) -> None:
    serve("a")
    task = desk.take("bo", NOW)
    assert task is not None
    with pytest.raises(InvalidEvent):
        desk.answer(task.key, annotator, said, NOW)
    assert rows("SELECT count(*) FROM labels") == [0]
