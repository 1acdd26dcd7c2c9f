"""The errors that Snellen tells apart, because what is to be done about each differs.

SnellenError
├── SettingsError        a setting, SLO document or mapping is wrong; the message says which and how to mend it
├── InvalidEvent         a record that cannot be accepted; becomes a dead letter with `reason`
├── NotEnoughData        a statistic was asked for with too few or unusable numbers
├── UnreadableState      a stored statistic is damaged, or of a version that this one does not read: make it anew
├── FingerprintMismatch  vectors, sketches or references of different embedders (or fits) were about to be compared
├── StoreError           PostgreSQL is unmigrated or refused a statement
│   ├── StoreUnavailable PostgreSQL does not answer, takes no writes or broke a deadlock: the same again may succeed
│   │   └── StoreTooSlow PostgreSQL broke off a statement that took too long: less at once may succeed
│   ├── UnstorableValue  PostgreSQL refused a value: the same again will fail
│   ├── TooManyDays      the events of a batch are of more days than one transaction can store: halve it
│   ├── ClocksApart      this machine and PostgreSQL tell different times: nothing is deleted until one is set
│   └── Fenced           another consumer owns the partition: the batch was rolled back and must be dropped
├── BrokerError          Kafka is unreachable or refused a request
│   └── BrokerRefused    Kafka refused our credentials, certificate or rights: the same again will fail
├── RuntimeFailure       an embedded or supervised process did not start, stop or answer
├── ImageRefused         a picture that was not opened, with the `reason`: outside the allowed places, too large
└── NotificationError    a channel could not deliver; `permanent` stops retries

A value that is none of its kind is a ValueError or TypeError; who took it from people or from a record makes one of
these of it, or tells them. A drift finding, a breach or a dead letter is a result, never an exception.
"""

from __future__ import annotations


class SnellenError(Exception):
    """Base of the tree; `except SnellenError` at a process's edge prints the message and exits non-zero."""


class SettingsError(SnellenError):
    """Configuration is wrong. Collects all faults so that one run mends them all."""

    def __init__(self, faults: list[str] | str) -> None:
        self.faults = [faults] if isinstance(faults, str) else list(faults)
        super().__init__("\n".join(self.faults))


class InvalidEvent(SnellenError):
    """A record that cannot be accepted.

    `reason` is one of `monitor.domain.events.Rejection`, stable and countable; the message is for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class NotEnoughData(SnellenError):
    """Too few rows, no variation, or no usable (finite) numbers for the statistic that was asked for."""


class UnreadableState(SnellenError):
    """A fit, dispersion or sketch as it was stored is damaged, or of a version that this one does not read."""


class FingerprintMismatch(SnellenError):
    """Two things made by different embedders, or under different fits, were about to be compared."""


class StoreError(SnellenError):
    """PostgreSQL is not migrated, or refused a statement."""


class StoreUnavailable(StoreError):
    """PostgreSQL does not answer, is out of space, is read-only, or broke a deadlock; the same again may succeed."""


class StoreTooSlow(StoreUnavailable):
    """PostgreSQL broke off a statement at its time limit; less at once may succeed."""


class UnstorableValue(StoreError):
    """PostgreSQL refused a value; the same again will fail."""


class TooManyDays(StoreError):
    """Events of more days than one transaction can hold the locks for; fewer of them at once will succeed."""


class ClocksApart(StoreError):
    """The clocks of this machine and of PostgreSQL differ by so much that what is old is not known."""


class Fenced(StoreError):
    """The partition's stored offset is not the one expected: another consumer owns it now."""


class BrokerError(SnellenError):
    """Kafka is unreachable or refused a request."""


class BrokerRefused(BrokerError):
    """Kafka refused our credentials, certificate or rights; the same again will fail."""


class RuntimeFailure(SnellenError):
    """An embedded or supervised process did not start, stop or answer in time."""


class ImageRefused(SnellenError):
    """A picture that was not opened. `reason` is one of `monitor.embedding.refusals.Refusal`."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class NotificationError(SnellenError):
    """A channel could not deliver."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        self.permanent = permanent
        super().__init__(message)
