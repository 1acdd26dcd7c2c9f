"""Every setting, read once: environment (`SNELLEN_...`), then `snellen.toml`, then what `snellen up` started.

Nothing else reads the environment. All faults are reported at once, with name and hint. docs/settings.md lists
every field; a test compares the two.
"""

from __future__ import annotations

import difflib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings.exceptions import SettingsError as UnreadableVariable

from monitor.embedded.state import read_state
from monitor.errors import SettingsError
from monitor.formats import FORMATS
from monitor.privacy import Subjects
from monitor.privacy.patterns import compile_patterns

CONFIG_VARIABLE = "SNELLEN_CONFIG"
"""Environment variable that names the settings file, if it is not `snellen.toml` in the working folder."""

Rate = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0, le=1e6)]


REFERENCE_WINDOWS = 16
"""Half of them calibrate, and with fewer than eight the dispersion between windows is not known."""


def _whole_hours(value: timedelta) -> timedelta:
    if value <= timedelta(0) or value % timedelta(hours=1):
        raise ValueError("must be whole hours, at least one: sketches are kept by the hour")
    return value


def _whole_day(value: timedelta) -> timedelta:
    if value < timedelta(days=1):
        raise ValueError("must be at least a day: what is kept by day goes by day")
    return value


Keep = Annotated[timedelta, AfterValidator(_whole_day)]


def _psycopg_url(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().startswith("postgresql+psycopg://"):
        raise ValueError("must be written postgresql+psycopg://user:password@host:port/database")
    return value


class Strict(BaseModel, extra="forbid", frozen=True):
    """A section of the settings: unknown names are faults, not ignored wishes."""


class Kafka(Strict, frozen=True):
    bootstrap_servers: str | None = None
    """`host:port[,host:port]`; empty: the broker that `snellen up` started."""
    predictions_topic: str = "snellen.predictions"
    """Where `prediction/v1` records are read; the other two kinds are accepted in any of the three topics."""
    labels_topic: str = "snellen.labels"
    """Where `label/v1` records are read."""
    deployments_topic: str = "snellen.deployments"
    """Where `deployment/v1` records are read."""
    partitions: Positive = 4
    """Of topics that Snellen creates; existing topics are left as they are."""
    group: str = "snellen"
    """Consumer groups are `<group>-ingest` and `<group>-embed`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """With one of the SASL protocols."""
    sasl_username: str | None = None
    """With one of the SASL protocols."""
    sasl_password: SecretStr | None = None
    """With one of the SASL protocols; better in the environment than in a file."""
    ssl_cafile: Path | None = None
    """Certificates of the authorities to trust (PEM), instead of the system's."""
    ssl_certfile: Path | None = None
    """Our own certificate with its chain (PEM), where the brokers demand one."""
    ssl_keyfile: Path | None = None
    """Its key (PEM), unless it stands in `ssl_certfile`."""
    ssl_key_password: SecretStr | None = None
    """Of an encrypted key."""
    ssl_check_hostname: bool = True
    """Whether the brokers' certificates must be of the hosts that we connect to. Without it, whoever has any
    certificate of the same authority can pose as a broker."""
    session_timeout_ms: Positive = 6000
    """The embedded broker's group join waits about half of it."""

    @model_validator(mode="after")
    def _complete_sasl(self) -> Self:
        names = ("sasl_mechanism", "sasl_username", "sasl_password")
        missing = [name for name in names if getattr(self, name) is None]
        if self.security_protocol.startswith("SASL") and missing:
            raise ValueError(f"{self.security_protocol} also needs {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _secured_as_meant(self) -> Self:
        """Credentials that would not be used are a sign that the connection is less secure than was meant."""
        unused = []
        if not self.security_protocol.startswith("SASL"):
            unused += ["sasl_mechanism", "sasl_username", "sasl_password"]
        if not self.security_protocol.endswith("SSL"):
            unused += ["ssl_cafile", "ssl_certfile", "ssl_keyfile"]
        given = [name for name in unused if getattr(self, name) is not None]
        if given:
            raise ValueError(f"security_protocol {self.security_protocol} makes no use of {', '.join(given)}")
        return self


class Topic(Strict, frozen=True):
    """What is in a topic; see docs/formats.md."""

    format: str = "auto"
    """Log format of its records; `auto` tells it record by record."""
    task: str = "vqa"
    """Task of predictions whose records do not name one."""
    model: str | None = None
    """Model name where the records do not carry one."""
    slices: dict[str, str] = {}
    """Slice dimension -> the name under which the format's records say it."""
    fields: dict[str, str] = {}
    """One of our fields -> the tensor or key that holds it, for formats whose payloads are free in it."""
    mapping: Path | None = None
    """Mapping file of the format `mapping`."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.format not in FORMATS:
            raise ValueError(f"there is no format {self.format!r}; there are {', '.join(FORMATS)}")
        if (self.format == "mapping") is (self.mapping is None):
            raise ValueError('a mapping file and format = "mapping" belong together; name both or neither')
        return self


class Ingest(Strict, frozen=True):
    topics: dict[str, Topic] = {}
    """Further topics to read, and what is in them, each a table `[ingest.topics."NAME"]`. The three topics of `kafka`
    are read in any case, as `auto`; naming one here says how."""
    max_record_bytes: Positive = 1024 * 1024
    """Larger records are dead letters."""
    max_future: timedelta = timedelta(minutes=5)
    """Events dated further ahead are dead letters."""
    max_age: timedelta = timedelta(days=30)
    """Older events are dead letters; replays are exempt."""
    batch_records: Positive = 4000
    """Records of one transaction, at most."""
    batch_bytes: Positive = 32 * 1024 * 1024
    """Bytes of one transaction, about; the records of one poll stay together."""
    linger_ms: Positive = 200
    """How long a batch that is not full waits for more."""
    slice_dimensions: tuple[str, ...] = ("device",)
    """Slices that get rollups and sketches of their own."""
    max_slice_values: Positive = 100
    """Per dimension; later values count as `__other__`."""
    pair_patience: timedelta = timedelta(minutes=5)
    """Where request and response are logged in two records: how long one waits for the other before it counts as
    logging loss. A side that comes later still joins, and the loss is taken back."""
    pair_keep: timedelta = timedelta(days=1)
    """How long a side that counts as lost still waits, before it becomes a dead letter."""
    store_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of live predictions that are stored in full, with their vectors, beside those drawn for labelling. All of
    them count in minute rollups and sketches. Replays are stored whole."""
    max_waiting: Positive = 1_000_000
    """Sides that wait at once; beyond it the oldest become dead letters."""


class Embedder(Strict, frozen=True):
    model: str | None = None
    """An open_clip architecture such as `ViT-B-32`, or `local-dir:PATH` of a folder with open_clip_config.json and
    weights. None: no embed worker; drift then rests on the embeddings that predictions carry."""
    pretrained: str | None = None
    """An open_clip tag such as `laion2b_s34b_b79k`, or a checkpoint file; none for `local-dir:`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: CUDA where there is one."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the model computes in. `auto`: bfloat16 where the processor multiplies it, else float32. Name it where
    workers differ: vectors of two precisions are never compared."""
    batch_size: Positive = 64
    """Pictures or texts encoded at once."""
    threads: Positive = 1
    """CPU threads of one embed worker."""
    sample_rate: Rate = 1.0
    """Share of predictions that get embeddings."""
    image_roots: tuple[Path, ...] = ()
    """Folders below which `file:` and plain path image references may be opened; none: no image is."""
    max_image_bytes: Positive = 20 * 1024 * 1024
    """Larger pictures are not opened."""
    max_image_pixels: Positive = 50_000_000
    """Pictures with more pixels are not decoded."""
    image_hosts: tuple[str, ...] = ()
    """Hosts that pictures may be fetched from: `host`, `*.host`, `host:port`, `http://host` (else https)."""
    image_buckets: dict[str, str] = {}
    """S3 bucket -> the address below which its keys lie, such as `https://BUCKET.s3.eu-west-1.amazonaws.com`."""
    image_networks: tuple[str, ...] = ()
    """Networks such as `10.1.0.0/16` that names of these hosts may lead to although they are not public."""
    image_cafile: Path | None = None
    """Certificates of the authorities to trust when pictures are fetched (PEM), instead of the system's."""
    image_timeout_s: Positive = 10
    """To fetch one picture, redirects and a second attempt included."""
    image_requests: Positive = 8
    """At once, per entry of image_hosts and image_buckets."""


def _safe_patterns(expressions: dict[str, str]) -> dict[str, str]:
    try:
        compile_patterns(expressions)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    return expressions


def _subject_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return Subjects(paths).paths
    except SettingsError as error:
        raise ValueError(str(error)) from None


Handling = Literal["keep", "redact", "hide"]


class Privacy(Strict, frozen=True):
    prompts: Handling = "redact"
    """`keep` prompts as they come, `redact` personal data in them, or `hide` them whole; see privacy.md."""
    contexts: Handling = "redact"
    """The same for `input.context`."""
    answers: Handling = "redact"
    """The same for answers and candidates of predictions, and acceptable answers of labels."""
    comments: Handling = "redact"
    """The same for comments and corrections of labels, and notes of deployments."""
    extra: Handling = "redact"
    """The same for `extra`; hidden, nothing of it is kept."""
    pictures: Literal["keep", "drop"] = "keep"
    """Pictures inside the record (`data:` references): `keep` them, or `drop` them once they are embedded."""
    dead_letters: Literal["keep", "redact", "drop"] = "redact"
    """The bytes of refused records: `keep`, `redact`, or `drop` all but reason and place."""
    find: tuple[Literal["email", "phone", "card"], ...] = ("email", "phone", "card")
    """What counts as personal data, besides `privacy.patterns`."""
    patterns: Annotated[dict[str, str], AfterValidator(_safe_patterns)] = {}
    """Name -> regular expression of what else is removed, such as `{"employee_number": "E-\\d{6}"}`."""
    subject: Annotated[tuple[str, ...], AfterValidator(_subject_paths)] = (
        "extra.subject",
        "extra.user_id",
        "extra.user.id",
    )
    """Where a record names the person it is about, for `snellen erase --subject`; the first that is there counts."""
    keys: tuple[Annotated[SecretStr, Field(min_length=16, max_length=64)], ...] = ()
    """Keys of the hash of that person's id: the first for new rows, all for finding. None: an unkeyed hash."""


class Labels(Strict, frozen=True):
    sample_rate: Rate = 0.1
    """Share of predictions drawn for labelling, at least. Set 1 when all are labelled, or when you draw them at random.
    With a `daily_budget` it holds until the first plan is made."""
    uncertainty_boost: Annotated[float, Field(ge=1, le=100)] = 2.0
    """How much more often an answer that is as likely wrong as right is drawn than one that is sure; 1: not at all."""
    daily_budget: Positive | None = None
    """Labels that people can give a day. Rates then follow the traffic so that no more is asked of them; none: they
    are those of `sample_rate`."""
    slice_minimum: Annotated[int, Field(ge=0)] = 20
    """With a `daily_budget`: draws a day that every value of `ingest.slice_dimensions` gets if the budget allows."""
    annotators: Annotated[int, Field(ge=1, le=10)] = 1
    """How many people answer each task."""
    overlap: Rate = 0.1
    """Share of the tasks that at least two people answer, so that their agreement is known."""
    lease: timedelta = timedelta(minutes=15)
    """How long a task stays with whoever took it, before others are offered it."""
    lifetime: Annotated[timedelta, AfterValidator(_whole_day)] = timedelta(days=14)
    """Tasks that nobody answered for so long expire: they leave the queue and the backlog."""


class Drift(Strict, frozen=True):
    window: Annotated[timedelta, AfterValidator(_whole_hours)] = timedelta(hours=3)
    """Whole hours of current traffic that is compared with the reference at each hourly tick."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Expected share of false findings among the findings of one tick (Benjamini-Hochberg)."""
    reference_rows: Positive = 1500
    """Rows that a provisional reference waits for."""
    reference_span: Annotated[timedelta, AfterValidator(_whole_hours)] = timedelta(hours=48)
    """Whole hours that a provisional reference covers: at least 16 windows, half of which show how unchanged traffic
    varies from window to window."""

    @model_validator(mode="after")
    def _enough_windows(self) -> Self:
        if self.reference_span < REFERENCE_WINDOWS * self.window:
            raise ValueError(f"drift.reference_span must be at least {REFERENCE_WINDOWS} times drift.window")
        return self


class Retention(Strict, frozen=True):
    """How long rows are kept, by the time they speak of. What replays sent is exempt."""

    predictions: Keep = timedelta(days=30)
    """Predictions in full, by event time; whole UTC days go."""
    embeddings: Keep = timedelta(days=30)
    """Their vectors; no longer than the predictions."""
    arrivals: Keep = timedelta(days=45)
    """Ids and content hashes by which duplicates are known and labels find their prediction; no shorter than the
    predictions."""
    rollups: Keep = timedelta(days=400)
    """Minute counts, which availability, latency and cost come from; longer than the longest SLO window."""
    sketches: Keep = timedelta(days=90)
    """Hourly sums of embeddings."""
    drift_results: Keep = timedelta(days=400)
    """Comparisons with the reference."""
    slo_evaluations: Keep = timedelta(days=100)
    """One row per SLO and minute."""
    alerts: Keep = timedelta(days=400)
    """Resolved incidents with their transitions and notifications."""
    labels: Keep = timedelta(days=400)
    """What annotators said."""
    verdicts: Keep = timedelta(days=400)
    """Scored outcomes, which accuracy and calibration come from; longer than the longest SLO window."""
    label_tasks: Keep = timedelta(days=45)
    """What was drawn for labelling."""
    deployments: Keep = timedelta(days=400)
    """Roll-outs and roll-backs."""
    dead_letters: Keep = timedelta(days=30)
    """Records that were refused, as they came."""
    stream_gaps: Keep = timedelta(days=400)
    """Records that could not be read any more."""
    ingest_counters: Keep = timedelta(days=400)
    """Minute counts of what became of records."""
    audit_log: Keep = timedelta(days=400)
    """Who erased what, and when; what was erased is remembered for ever, so that it does not come back."""

    @model_validator(mode="after")
    def _arrivals_outlive_predictions(self) -> Self:
        if not self.embeddings <= self.predictions <= self.arrivals:
            raise ValueError("retention must keep embeddings <= predictions <= arrivals: each needs the next")
        return self


class Webhook(Strict, frozen=True):
    url: str | None = None
    """Where the webhook channel posts; none: it is not configured."""
    secret: SecretStr | None = None
    """Signs the body (HMAC-SHA256) so that the receiver can check the sender."""


class Alerts(Strict, frozen=True):
    slo_dir: Path = Path("slos")
    """Folder of OpenSLO documents."""
    webhook: Webhook = Webhook()
    link_base: str | None = None
    """Address of the dashboard as people reach it, put into messages; empty: the one `snellen up` printed."""


class Captions(Strict, frozen=True):
    human_rating: Weight = 0.5
    """How much people's ratings count in `caption_quality`. Only the proportions of these weights matter; a caption has
    a quality when all that count are known of it."""
    cider_d: Weight = 0.5
    """How much CIDEr-D counts: 1.0 gives full marks."""
    bleu_4: Weight = 0.0
    """How much BLEU-4 counts."""
    rouge_l: Weight = 0.0
    """How much ROUGE-L counts."""
    clip_score: Weight = 0.0
    """How much CLIPScore counts."""

    @model_validator(mode="after")
    def _something_counts(self) -> Self:
        if not any(weight for _, weight in self):
            raise ValueError("set at least one weight of captions.* above 0")
        return self


class Dashboard(Strict, frozen=True):
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    """Preferred; the next free one is taken when it is in use. Always bound to 127.0.0.1."""


class Explain(Strict, frozen=True):
    """What moved, and slices that nobody had named; see docs/explanation.md."""

    concepts: Path | None = None
    """YAML file of phrases that may name what moved, as `kind: {family: [phrase, ...]}`; none: those that ship."""
    rows: Annotated[int, Field(ge=200)] = 4000
    """Retained predictions of each window that an explanation looks at, at most."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Chance that an explanation confirms any cause though nothing moved, or that a search finds any slice though none
    is worse than the rest."""
    discovery_span: Annotated[timedelta, AfterValidator(_whole_day)] = timedelta(days=28)
    """Whose labels are searched for slices, once a day."""
    discovery_labels: Annotated[int, Field(ge=200)] = 10_000
    """Labels that a search looks at, at most."""


class Canary(Strict, frozen=True):
    """A canary beside the stable version; see docs/canary.md."""

    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """The chance that a canary is ever called better, worse or equivalent falsely, however often one looks."""
    label_margin: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """A difference of accuracy, or of the calibration gap, that does not matter."""
    request_margin: Annotated[float, Field(gt=0, lt=1)] = 0.005
    """A difference of the error rate, or of the share of slow answers, that does not matter."""


class Settings(BaseSettings):
    """All settings; see docs/settings.md."""

    model_config = SettingsConfigDict(
        env_prefix="SNELLEN_", env_ignore_empty=True, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Path(".snellen")
    """Where `snellen up` keeps its data, logs and runtime file."""
    database_url: Annotated[SecretStr, AfterValidator(_psycopg_url)] | None = None
    """`postgresql+psycopg://...`; empty: the PostgreSQL that `snellen up` started."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Prometheus metrics of a process on 127.0.0.1; 0: none."""
    kafka: Kafka = Kafka()
    ingest: Ingest = Ingest()
    embedder: Embedder = Embedder()
    privacy: Privacy = Privacy()
    labels: Labels = Labels()
    captions: Captions = Captions()
    drift: Drift = Drift()
    retention: Retention = Retention()
    alerts: Alerts = Alerts()
    explain: Explain = Explain()
    canary: Canary = Canary()
    dashboard: Dashboard = Dashboard()

    @model_validator(mode="after")
    def _accepted_is_kept(self) -> Self:
        if self.retention.embeddings < self.ingest.max_age:
            raise ValueError(
                "retention.embeddings, .predictions and .arrivals must be at least ingest.max_age: what is accepted "
                "must be kept, and known again when it comes twice"
            )
        return self

    @model_validator(mode="after")
    def _no_slice_per_person(self) -> Self:
        people = {f"slices.{name}" for name in self.ingest.slice_dimensions} & set(self.privacy.subject)
        if people:
            raise ValueError(
                f"privacy.subject names {', '.join(sorted(people))}, which is in ingest.slice_dimensions: counts per "
                "person outlive their erasure"
            )
        return self

    def at(self, database_url: str, bootstrap_servers: str) -> Settings:
        """The same settings on another database and broker."""
        kafka = self.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers})
        return self.model_copy(update={"database_url": SecretStr(database_url), "kafka": kafka})

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file())


def load(**overrides: object) -> Settings:
    """Read the settings; where no database or broker is named, use those of a running `snellen up`.

    Raises:
        SettingsError: with every fault, its name and what was given, unless that may be a secret.
    """
    try:
        settings = Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise SettingsError([_fault(one) for one in error.errors()]) from None
    except UnreadableVariable as error:
        raise SettingsError(
            f'{_section_of(error)}: lists and tables in variables are JSON, such as ["device"]'
        ) from None
    except (ValueError, OSError) as error:  # a broken TOML file
        raise SettingsError(f"{_file()}: {error}") from None
    return _with_runtime(settings)


def _file() -> Path:
    """The settings file. The default one may be missing, one that is named may not.

    Raises:
        SettingsError: it is named and missing.
    """
    named = os.environ.get(CONFIG_VARIABLE)  # noqa: TID251 (this is the one reader)
    if named and not Path(named).exists():
        raise SettingsError(f"{CONFIG_VARIABLE} names {named}, which does not exist")
    return Path(named or "snellen.toml")


def _fault(error: ErrorDetails) -> str:
    path = [str(part) for part in error["loc"]]
    variable = "SNELLEN_" + "__".join(path).upper()
    place = ".".join(path) + (f" (or {variable})" if variable.isidentifier() else "")
    unknown = error["type"] == "extra_forbidden"
    shown = isinstance(error["input"], str | int | float) and not unknown and not _is_secret(path)
    return f"{place}: {_unknown(path) if unknown else _hint(error)}" + (f"; got {error['input']!r}" if shown else "")


def _hint(error: ErrorDetails) -> str:
    if error["type"] in ("time_delta_type", "time_delta_parsing"):
        return "no duration: write PT5M, PT3H or P30D (ISO 8601), or seconds"
    return error["msg"].removeprefix("Value error, ")


def _unknown(path: list[str]) -> str:
    """With the name that was probably meant."""
    kind: Any = Settings
    for name in path[:-1]:
        field = kind.model_fields.get(name)
        kind = next((one for one in _kinds_in(field.annotation if field else kind) if _is_section(one)), kind)
    meant = difflib.get_close_matches(path[-1], kind.model_fields, n=1)
    return f"no setting of this name{f', is {meant[0]!r} meant' if meant else ''}; see docs/settings.md"


def _section_of(error: UnreadableVariable) -> str:
    """pydantic-settings tells only the first word of the setting's name, in quotes."""
    _, field, _ = str(error).split('"', 2)
    begin = f"SNELLEN_{field.upper()}"
    return ", ".join(sorted(name for name in os.environ if name.upper().startswith(begin)))  # noqa: TID251


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_secret(path: list[str]) -> bool:
    """Is this a secret, or a section that may hold one?"""
    kind: Any = Settings
    for name in path:
        field = kind.model_fields.get(name) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if field is None:  # an entry of a list
            break
        kind = field.annotation
    return SecretStr in _kinds_in(kind) or _is_section(kind)


def _kinds_in(hint: Any) -> set[Any]:
    return {hint}.union(*(_kinds_in(arg) for arg in get_args(hint)))


def _with_runtime(settings: Settings) -> Settings:
    """Fill in addresses from what `snellen up` wrote. A setting that was given always wins."""
    state = read_state(settings.home)
    if state is None:
        return settings
    dashboard = next((one.status.address for one in state.components if one.status.name == "dashboard"), None)
    alerts = settings.alerts.model_copy(update={"link_base": settings.alerts.link_base or dashboard})
    return settings.model_copy(update={"alerts": alerts}).at(
        settings.database_url.get_secret_value() if settings.database_url else state.addresses.database_url,
        settings.kafka.bootstrap_servers or state.addresses.bootstrap_servers,
    )
