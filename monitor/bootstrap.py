"""The only composition root: settings in, wired parts out.

What only the scheduler, the dashboard or a command uses is imported where it is made: collectors would hold a third
more memory, of statistics that they never run.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from monitor import settings as settings_module
from monitor.broker import ClientConfig, Sink
from monitor.embedding.embedder import Embedder
from monitor.embedding.fetching import Fetcher, FetchLimits
from monitor.embedding.images import ImageOpener
from monitor.embedding.places import Places
from monitor.errors import SettingsError
from monitor.formats import FORMATS, Decoder, FormatOptions
from monitor.mapping import load_mapping
from monitor.notify import CHANNELS, Channel, Log, Webhook
from monitor.privacy import PrivacyOptions, Redactor, Subjects
from monitor.services.deliver import Delivery
from monitor.services.draw_labels import LabelDesign
from monitor.services.embed import EmbedOptions, EmbedService
from monitor.services.erase import EraseService
from monitor.services.expire_halves import ExpiryOptions
from monitor.services.ingest import IngestOptions, IngestService
from monitor.services.protect import Privacy
from monitor.services.reading import Limits
from monitor.services.ship import Wire
from monitor.services.sketches import SketchService
from monitor.settings import Settings, Topic
from monitor.store.engine import make_engine
from monitor.store.label_tasks import Terms
from monitor.store.transport import weakness

if TYPE_CHECKING:
    from monitor.explain.bank import Bank
    from monitor.services.compare_canary import CanaryOptions
    from monitor.services.discover_slices import DiscoverOptions
    from monitor.services.evaluation import Evaluation
    from monitor.services.explain import ExplainOptions
    from monitor.services.label_tasks import LabelDesk
    from monitor.services.plan_labels import PlanOptions
    from monitor.services.references import ReferenceOptions
    from monitor.slo.objective import Objective
    from monitor.tasks import Task

log = logging.getLogger(__name__)


def now() -> datetime:
    """The clock of every process; everything below takes time as an argument."""
    return datetime.now(UTC)


def open_store(settings: Settings | None = None, application: str = "snellen") -> Engine:
    """The database of the settings.

    Raises:
        SettingsError: none is named and no embedded one runs.
    """
    settings = settings or settings_module.load()
    engine = make_engine(database_url(settings), application=application)
    _warn_once(weakness(engine.url))
    return engine


@cache
def _warn_once(message: str | None) -> None:
    if message is not None:
        log.warning("%s", message)


def database_url(settings: Settings) -> str:
    """Raises SettingsError when no database is named and no embedded one runs."""
    if settings.database_url is None:
        raise SettingsError(
            "database_url (or SNELLEN_DATABASE_URL) is not set and no embedded PostgreSQL runs: "
            "set it, or start one with `snellen up`"
        )
    return settings.database_url.get_secret_value()


def client_config(settings: Settings) -> ClientConfig:
    """Raises SettingsError when no broker is named and no embedded one runs."""
    kafka = settings.kafka
    if not kafka.bootstrap_servers:
        raise SettingsError(
            "kafka.bootstrap_servers (or SNELLEN_KAFKA__BOOTSTRAP_SERVERS) is not set and no embedded broker runs: "
            "set it, or start one with `snellen up`"
        )
    config = ClientConfig(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism,
        sasl_username=kafka.sasl_username,
        sasl_password=kafka.sasl_password.get_secret_value() if kafka.sasl_password else None,
        ssl_cafile=str(kafka.ssl_cafile) if kafka.ssl_cafile else None,
        ssl_certfile=str(kafka.ssl_certfile) if kafka.ssl_certfile else None,
        ssl_keyfile=str(kafka.ssl_keyfile) if kafka.ssl_keyfile else None,
        ssl_key_password=kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None,
        ssl_check_hostname=kafka.ssl_check_hostname,
    )
    _warn_once(config.weakness)
    return config


def own_topics(settings: Settings) -> tuple[str, ...]:
    """Those that Snellen makes where they lack."""
    kafka = settings.kafka
    return (kafka.predictions_topic, kafka.labels_topic, kafka.deployments_topic)


def topics(settings: Settings) -> tuple[str, ...]:
    """All that the ingest group reads."""
    return tuple(dict.fromkeys((*own_topics(settings), *settings.ingest.topics)))


def embed_topics(settings: Settings) -> tuple[str, ...]:
    """All that the embed group reads: those that predictions may be in."""
    kafka = settings.kafka
    return tuple(one for one in topics(settings) if one not in (kafka.labels_topic, kafka.deployments_topic))


def decoders(settings: Settings) -> dict[str, Decoder]:
    """Topic -> its decoder.

    Raises:
        SettingsError: with every fault of every topic, and of the mapping files that they name.
    """
    made: dict[str, Decoder] = {}
    faults: list[str] = []
    for name in topics(settings):
        topic = settings.ingest.topics.get(name, Topic())
        try:
            options = format_options(topic, settings.ingest.max_record_bytes)
            made[name] = FORMATS[topic.format](options)
        except SettingsError as error:
            faults += [f'ingest.topics."{name}": {fault}' for fault in error.faults]
    if faults:
        raise SettingsError(faults)
    return made


def format_options(topic: Topic, max_record_bytes: int) -> FormatOptions:
    """Raises SettingsError with every fault of its mapping file."""
    mapping = load_mapping(topic.mapping) if topic.mapping else None
    return FormatOptions(
        task=topic.task,
        model=topic.model,
        slices=topic.slices,
        subject=topic.subject,
        fields=topic.fields,
        mapping=mapping,
        max_record_bytes=max_record_bytes,
    )


def make_sink(settings: Settings) -> Sink:
    return Sink(client_config(settings))


def group(settings: Settings, kind: str) -> str:
    """Name of a consumer group; `kind` is ingest or embed."""
    return f"{settings.kafka.group}-{kind}"


def make_wire(settings: Settings) -> Wire:
    """Raises SettingsError when no broker is named."""
    kafka = settings.kafka
    return Wire.to(
        client_config(settings),
        kafka.predictions_topic,
        kafka.labels_topic,
        kafka.partitions,
        group(settings, "ingest"),
    )


def make_ingest(settings: Settings, engine: Engine) -> IngestService:
    ingest = settings.ingest
    options = IngestOptions(
        group=group(settings, "ingest"),
        decoders=decoders(settings),
        limits=limits(settings),
        slice_dimensions=ingest.slice_dimensions,
        max_slice_values=ingest.max_slice_values,
        max_models=ingest.max_models,
        max_embedders=ingest.max_embedders,
        labels=label_design(settings),
        store_rate=ingest.store_rate,
        pair_patience=ingest.pair_patience,
        privacy=make_privacy(settings),
    )
    return IngestService(engine, options, _sketches(settings, engine).update)


def label_design(settings: Settings) -> LabelDesign:
    """How answers are drawn for labelling until a stored plan says otherwise."""
    labels = settings.labels
    return LabelDesign(labels.sample_rate, labels.uncertainty_boost, labels.annotators, labels.overlap)


def label_terms(settings: Settings) -> Terms:
    """How long label tasks are held, and how long they live."""
    return Terms(settings.labels.lease, settings.labels.lifetime)


def make_label_desk(settings: Settings, engine: Engine) -> LabelDesk:
    """Raises SettingsError when a pattern of what is redacted is no regular expression."""
    from monitor.services.label_tasks import LabelDesk

    return LabelDesk(engine, make_privacy(settings), label_terms(settings))


def plan_options(settings: Settings) -> PlanOptions:
    """What sampling plans are made for."""
    from monitor.services.plan_labels import PlanOptions

    return PlanOptions(label_design(settings), settings.labels.daily_budget, settings.labels.slice_minimum)


def tasks(settings: Settings) -> dict[str, Task]:
    """All tasks by name, captions weighed as the settings say."""
    from monitor.tasks import TASKS
    from monitor.tasks.captioning import Captioning
    from monitor.tasks.captions import CaptionWeights

    return TASKS | {"captioning": Captioning(CaptionWeights(**dict(settings.captions)))}


def make_eraser(settings: Settings, engine: Engine) -> EraseService:
    return EraseService(engine, _subjects(settings), _sketches(settings, engine))


def make_privacy(settings: Settings) -> Privacy:
    """Raises SettingsError when a pattern is no regular expression, or explodes."""
    privacy = settings.privacy
    options = PrivacyOptions(**{one.name: getattr(privacy, one.name) for one in fields(PrivacyOptions)})
    return Privacy(Redactor(options), _subjects(settings))


def _subjects(settings: Settings) -> Subjects:
    keys = [key.get_secret_value().encode() for key in settings.privacy.keys]
    return Subjects(settings.privacy.subject, keys)


def make_embed(settings: Settings, engine: Engine) -> EmbedService:
    """Raises SettingsError when no model is set, or it cannot be loaded."""
    from monitor.services.concepts import embed_bank

    options = EmbedOptions(
        group=group(settings, "embed"),
        decoders=decoders(settings),
        limits=limits(settings),
        sample_rate=settings.embedder.sample_rate,
        store_rate=settings.ingest.store_rate,
        max_models=settings.ingest.max_models,
        labels=label_design(settings),
        pair_patience=settings.ingest.pair_patience,
        privacy=make_privacy(settings),
    )
    embedder = make_embedder(settings)
    encoder = embedder.encoder
    embed_bank(
        engine, text_bank(settings), encoder.fingerprint, encoder.dimension, encoder.detail, encoder.encode_texts
    )
    return EmbedService(engine, embedder, options, _sketches(settings, engine).update)


def text_bank(settings: Settings) -> Bank:
    """The phrases that may name what moved. Raises SettingsError with every fault of the file."""
    from monitor.explain.bank import CONCEPTS, parse_bank

    file = settings.explain.concepts or CONCEPTS
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"explain.concepts (or SNELLEN_EXPLAIN__CONCEPTS): {file} cannot be read: {error}"
        ) from None
    return parse_bank(content, str(file))


def explain_options(settings: Settings) -> ExplainOptions:
    """Raises SettingsError with every fault of the text bank."""
    from monitor.services.explain import ExplainOptions

    explain = settings.explain
    return ExplainOptions(text_bank(settings), explain.rows, explain.alpha, settings.ingest.slice_dimensions)


def discover_options(settings: Settings) -> DiscoverOptions:
    """Raises SettingsError with every fault of the text bank."""
    from monitor.services.discover_slices import DiscoverOptions

    explain = settings.explain
    return DiscoverOptions(
        text_bank(settings),
        explain.discovery_span,
        explain.discovery_labels,
        explain.alpha,
        settings.ingest.slice_dimensions,
    )


def make_embedder(settings: Settings) -> Embedder:
    """Raises SettingsError when no model is set, or it cannot be loaded."""
    from monitor.embedding.encoder import Encoder

    embedder = settings.embedder
    if embedder.model is None:
        raise SettingsError("embedder.model (or SNELLEN_EMBEDDER__MODEL) is not set: name an open_clip model")
    encoder = Encoder(
        embedder.model,
        embedder.pretrained,
        device=embedder.device,
        precision=embedder.precision,
        batch_size=embedder.batch_size,
        threads=embedder.threads,
    )
    fetches = bool(embedder.image_hosts or embedder.image_buckets)  # and waits for others, not for our cores
    openers = max(embedder.threads, embedder.image_requests) if fetches else embedder.threads
    return Embedder(encoder, make_image_opener(settings).open, threads=openers)


def make_image_opener(settings: Settings) -> ImageOpener:
    """Raises SettingsError when an image root is not a folder, or a host, bucket or network cannot be read."""
    embedder = settings.embedder
    places = Places(embedder.image_hosts, embedder.image_buckets, embedder.image_networks)
    limits = FetchLimits(embedder.max_image_bytes, total_s=embedder.image_timeout_s, at_once=embedder.image_requests)
    return ImageOpener(
        embedder.image_roots,
        max_bytes=embedder.max_image_bytes,
        max_pixels=embedder.max_image_pixels,
        fetcher=Fetcher(places, limits, embedder.image_cafile),
    )


def read_objectives(settings: Settings) -> list[Objective]:
    """Raises SettingsError with every fault of every SLO document."""
    from monitor.sli import SLIS
    from monitor.slo.openslo import parse_objectives

    folder = settings.alerts.slo_dir
    files = sorted(folder.glob("*.y*ml"))
    if not files:
        raise SettingsError(
            f"alerts.slo_dir (or SNELLEN_ALERTS__SLO_DIR): no YAML file in {folder.absolute()}; "
            "copy `slos/` of the checkout there, or name the folder that holds yours"
        )
    return list(parse_objectives({file.name: file.read_bytes() for file in files}, SLIS, CHANNELS))


def make_evaluation(settings: Settings) -> Evaluation:
    """Raises SettingsError with every fault of the SLO documents, or when no database is named."""
    from monitor.services.evaluate_drift import DriftOptions
    from monitor.services.evaluation import Evaluation

    return Evaluation(
        engine=open_store(settings, application="snellen-evaluate"),
        objectives=read_objectives(settings),
        drift=DriftOptions(reference_options(settings), settings.drift.alpha),
    )


def reference_options(settings: Settings) -> ReferenceOptions:
    """How drift references are made."""
    from monitor.services.references import ReferenceOptions

    return ReferenceOptions(
        window=settings.drift.window,
        rows=settings.drift.reference_rows,
        span=settings.drift.reference_span,
        slice_dimensions=settings.ingest.slice_dimensions,
        max_slice_values=settings.ingest.max_slice_values,
    )


def canary_options(settings: Settings) -> CanaryOptions:
    """How sure a verdict on a canary must be, and which differences do not matter."""
    from monitor.services.compare_canary import CanaryOptions

    canary = settings.canary
    return CanaryOptions(canary.alpha, canary.label_margin, canary.request_margin)


def expiry_options(settings: Settings) -> ExpiryOptions:
    """How long sides of calls that are logged in two records wait for each other."""
    ingest = settings.ingest
    groups = group(settings, "ingest"), group(settings, "embed")
    return ExpiryOptions(*groups, ingest.pair_keep, ingest.max_waiting, make_privacy(settings))


def make_delivery(settings: Settings, engine: Engine) -> Delivery:
    """Raises SettingsError when a channel's address is wrong."""
    return Delivery(engine, channels(settings), settings.alerts.link_base)


def channels(settings: Settings) -> dict[str, Channel]:
    """Those that are configured. Raises SettingsError when an address is wrong."""
    made: dict[str, Channel] = {"log": Log()}
    hook = settings.alerts.webhook
    if hook.url:
        made["webhook"] = Webhook(hook.url, hook.secret.get_secret_value() if hook.secret else None)
    return made


def limits(settings: Settings) -> Limits:
    """What a record may be."""
    ingest = settings.ingest
    return Limits(ingest.max_record_bytes, ingest.max_future, ingest.max_age, 2 * ingest.batch_bytes)


def _sketches(settings: Settings, engine: Engine) -> SketchService:
    return SketchService(engine, settings.ingest.slice_dimensions, settings.ingest.max_slice_values)
