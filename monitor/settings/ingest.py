"""What is read, and how."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from monitor.formats import FORMATS
from monitor.settings.section import Positive, Strict, Time


def _known_format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return name


class Topic(Strict, frozen=True):
    """What is in a topic; see docs/formats.md."""

    format: Annotated[str, AfterValidator(_known_format)] = "auto"
    """Log format of its records; `auto` tells it record by record."""
    task: str = "vqa"
    """Task of predictions whose records do not name one."""
    model: str | None = None
    """Model name where the records do not carry one."""
    slices: dict[str, str] = {}
    """Slice dimension -> the name under which the format's records say it."""
    subject: str | None = None
    """The name under which they say whose data they are, beside what the format knows; becomes `extra.user_id`."""
    fields: dict[str, str] = {}
    """One of our fields -> the tensor or key that holds it, for formats whose payloads are free in it."""
    mapping: Path | None = None
    """Mapping file of the format `mapping`."""

    @model_validator(mode="after")
    def _mapping_and_its_file(self) -> Self:
        if (self.format == "mapping") is (self.mapping is None):
            raise ValueError('a mapping file and format = "mapping" belong together; name both or neither')
        return self


class Ingest(Strict, frozen=True):
    topics: dict[str, Topic] = {}
    """Further topics to read, and what is in them, each a table `[ingest.topics."NAME"]`. The three topics of `kafka`
    are read in any case, as `auto`; naming one here says how."""
    max_record_bytes: Positive = 1024 * 1024
    """Larger records are dead letters."""
    max_future: Time = timedelta(minutes=5)
    """Events dated further ahead are dead letters."""
    max_age: Time = timedelta(days=30)
    """Older events are dead letters; replays are exempt."""
    batch_records: Positive = 4000
    """Records of one transaction, at most."""
    batch_bytes: Positive = 32 * 1024 * 1024
    """Bytes of one transaction, about; the records of one poll stay together. What they decode to may be twice as much,
    or they are stored in several."""
    linger_ms: Positive = 200
    """How long a batch that is not full waits for more."""
    slice_dimensions: tuple[str, ...] = ("device",)
    """Slices that get rollups and sketches of their own."""
    max_slice_values: Positive = 100
    """Per dimension; later values count as `__other__`."""
    max_models: Positive = 200
    """Models, each name, version and task of which something came in the last 7 days. Predictions of further ones
    become dead letters: behind a gateway whoever asks may choose the name."""
    max_embedders: Annotated[int, Field(gt=0, le=30_000)] = 1000
    """Embedders that records with vectors of their own may ever name. Predictions that name further ones become dead
    letters: what is stored of an embedder names it by one of 32,767 numbers, which are never used again."""
    pair_patience: Time = timedelta(minutes=5)
    """Where request and response are logged in two records: how long one waits for the other before it counts as
    logging loss. A side that comes later still joins, and the loss is taken back."""
    pair_keep: Time = timedelta(days=1)
    """How long a side that counts as lost still waits, before it becomes a dead letter. In the embed group it is then
    forgotten."""
    store_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of live predictions that are stored in full, with their vectors, beside those drawn for labelling. All of
    them count in minute rollups and sketches. Replays are stored whole."""
    max_waiting: Positive = 1_000_000
    """Sides that wait at once; beyond it the oldest become dead letters."""
