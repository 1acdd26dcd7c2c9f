"""Offsets of several partitions, where one of which nobody knows does not hold up the others."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

log = logging.getLogger(__name__)

TIMEOUT_MS = 2000
ONE_TIMEOUT_MS = 300
ONE_BY_ONE_S = 1.0
"""How long partitions are asked for one by one where asking for all of them failed. Who waits cannot be stopped."""

Offsets = dict[TopicPartition, int]


def ask(question: Callable[..., Offsets], several: Sequence[TopicPartition]) -> Offsets:
    """The client's `beginning_offsets` or `end_offsets` of those that have an answer.

    kafka-python 3.0.12 answers for all or none: it raises KeyError for a partition that has no leader, and waits in
    vain for one that its broker does not know.

    Raises:
        KafkaError: none has.
    """
    try:
        return question(list(several), timeout_ms=TIMEOUT_MS)
    except (KafkaError, KeyError) as error:
        fault = error
    found = _one_by_one(question, several) if len(several) > 1 else {}
    silent = ", ".join(f"{one.topic}/{one.partition}" for one in several if one not in found)
    if not found:
        raise KafkaTimeoutError(f"nobody knows of {silent}: {fault!r}")
    log.warning("partitions of which nobody knows are asked for again later", extra={"partitions": silent})
    return found


def _one_by_one(question: Callable[..., Offsets], several: Sequence[TopicPartition]) -> Offsets:
    found: Offsets = {}
    deadline = time.monotonic() + ONE_BY_ONE_S
    for one in random.sample(several, len(several)):  # or those behind a silent one might never have their turn
        left_ms = int((deadline - time.monotonic()) * 1000)
        if left_ms <= 0:
            break
        with suppress(KafkaError, KeyError):
            found |= question([one], timeout_ms=min(left_ms, ONE_TIMEOUT_MS))
    return found
