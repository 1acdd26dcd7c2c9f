"""How a collector's threads share its processor: one reads while another stores."""

from __future__ import annotations

import sys

from threadpoolctl import threadpool_limits

SWITCH_S = 0.001
"""How long one of our threads may calculate while another has its answer from PostgreSQL or Kafka. By default it is
5 ms, and PostgreSQL takes less than that for what fits into its socket: it would wait for us. But each
hand-over costs: with 0.3 ms a collector took 1 to 23% more processor time (some runs, on a noisy machine)."""


def take_turns_quickly() -> None:
    """Hand the interpreter over after `SWITCH_S`."""
    sys.setswitchinterval(SWITCH_S)


def calculate_alone() -> None:
    """Have each thread do its own linear algebra. A batch is too small to gain by helpers, and they spin while they
    wait for work: under a drift reference, a third of a collector's processor time, taken from its neighbours."""
    threadpool_limits(limits=1, user_api="blas")
