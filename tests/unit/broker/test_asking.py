"""One partition of which nobody knows holds up no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from monitor.broker.asking import ask

PLACES = [TopicPartition("t", number) for number in range(5)]


class Client:
    """Answers for all or none, as kafka-python does."""

    def __init__(self, silent: Sequence[TopicPartition], fault: Exception) -> None:
        self.silent, self.fault = set(silent), fault
        self.asked: list[int] = []

    def __call__(self, several: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        self.asked.append(len(several))
        if self.silent & set(several):
            raise self.fault
        return {one: 10 * one.partition for one in several}


FAULTS = [KeyError(PLACES[3]), KafkaTimeoutError("no answer")]


def test_all_are_asked_at_once_where_all_have_an_answer() -> None:
    client = Client([], FAULTS[0])
    assert ask(client, PLACES) == {one: 10 * one.partition for one in PLACES}
    assert client.asked == [5]


@pytest.mark.parametrize("fault", FAULTS, ids=["no leader", "not known to its broker"])
def test_the_others_are_known_where_one_is_not(fault: Exception) -> None:
    found = ask(Client([PLACES[3]], fault), PLACES)
    assert found == {one: 10 * one.partition for one in PLACES if one.partition != 3}


@pytest.mark.parametrize("fault", FAULTS, ids=["no leader", "not known to its broker"])
@pytest.mark.parametrize("asked", [PLACES, PLACES[:1]], ids=["several", "one"])
def test_where_none_is_known_that_is_an_error_of_kafka(asked: list[TopicPartition], fault: Exception) -> None:
    with pytest.raises(KafkaError, match="nobody knows of t/0"):
        ask(Client(PLACES, fault), asked)
