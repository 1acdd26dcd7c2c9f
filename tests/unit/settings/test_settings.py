"""Settings: environment before file before `snellen up`; every fault at once, with name and hint, no secret shown."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor import settings
from monitor.errors import SettingsError
from monitor.settings import Settings, load

SECRET = "hunter2"  # noqa: S105 (of nobody)
URL = f"postgresql+psycopg://user:{SECRET}@db:5432/snellen"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SNELLEN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def write_file(tmp_path: Path) -> Callable[[str], Path]:
    def write(content: str) -> Path:
        file = tmp_path / "snellen.toml"
        file.write_text(content)
        return file

    return write


def faults() -> list[str]:
    with pytest.raises(SettingsError) as raised:
        load()
    return raised.value.faults


def test_without_anything_the_defaults_hold() -> None:
    assert load() == Settings()
    assert load().database_url is None


def test_the_file_is_read_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, write_file: Callable[[str], Path]
) -> None:
    write_file('metrics_port = 9000\n[kafka]\ngroup = "file"\npartitions = 8\n[drift]\nwindow = "PT1H"\n')
    monkeypatch.setenv("SNELLEN_KAFKA__GROUP", "environment")
    found = load()
    assert (found.metrics_port, found.kafka.partitions, found.kafka.group) == (9000, 8, "environment")
    assert found.drift.window == timedelta(hours=1)


def test_an_override_wins_over_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SNELLEN_HOME", "/elsewhere")
    assert load(home=tmp_path).home == tmp_path


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", "")
    monkeypatch.setenv("SNELLEN_METRICS_PORT", "")
    assert load() == Settings()


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("metrics_port = 9001")
    monkeypatch.setenv(settings.CONFIG_VARIABLE, str(file))
    assert load().metrics_port == 9001


def test_a_file_that_is_named_but_not_there_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(settings.CONFIG_VARIABLE, str(tmp_path / "typo.toml"))
    [fault] = faults()
    assert settings.CONFIG_VARIABLE in fault
    assert "typo.toml" in fault


def test_a_broken_file_is_named_with_the_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(f"metrics_port = 1\nx = = '{SECRET}'")
    monkeypatch.setenv(settings.CONFIG_VARIABLE, str(file))
    [fault] = faults()
    assert "broken.toml" in fault
    assert "line 2" in fault
    assert SECRET not in fault


@pytest.mark.parametrize(
    ("content", "heading"),
    [
        ("[ingest]\ntopics = ['a']", "[ingest.topics]"),
        ("[ingest.topics]\na = 'otlp'", "[ingest.topics.a]"),
        ("[ingest.topics.a]\nslices = ['x']", "[ingest.topics.a.slices]"),
        ("ingest = 5", "[ingest]"),
    ],
)
def test_where_a_table_is_expected_its_heading_is_told(
    write_file: Callable[[str], Path], content: str, heading: str
) -> None:
    write_file(content)
    [fault] = faults()
    assert f"a table is expected, with a heading {heading}; see docs/settings.md" in fault


def test_all_faults_are_told_at_once_with_name_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, write_file: Callable[[str], Path]
) -> None:
    write_file('bogus = 1\n[ingest]\nlinger = 3\nmax_age = "soon"\n')
    monkeypatch.setenv("SNELLEN_METRICS_PORT", "70000")
    monkeypatch.setenv("SNELLEN_DRIFT__WINDOW", "PT90M")
    told = faults()
    assert [fault.split(" ")[0] for fault in sorted(told)] == [
        "bogus", "drift.window", "ingest.linger", "ingest.max_age", "metrics_port",
    ]  # fmt: skip
    everything = "\n".join(told)
    for expected in ("SNELLEN_METRICS_PORT", "70000", "65535", "SNELLEN_DRIFT__WINDOW", "whole hours", "'soon'"):
        assert expected in everything
    assert everything.count("docs/settings.md") == 2


@pytest.mark.parametrize(
    "content",
    [
        "database_url = 424242",
        "database_url = ['424242']",
        "[kafka]\nsasl_password = 424242",
        "[kafka]\nsasl_pasword = '424242'",
        "kafka = '424242'",
        "kafka = ['424242']",
        "[alerts.webhook]\nsecret = 424242",
        "[alerts]\nwebhook = '424242'",
        "database_url = 'mysql://u:424242@h/db'",
        "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_password = '424242'",
        "webhook_secret = '424242'",
    ],
)
def test_no_fault_shows_a_secret(write_file: Callable[[str], Path], content: str) -> None:
    write_file(content)
    assert "424242" not in "\n".join(faults())


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("SNELLEN_PRIVACY_PROMPTS", "is SNELLEN_PRIVACY__PROMPTS meant"),
        ("SNELLEN_PRIVCY__PROMPTS", "is SNELLEN_PRIVACY__PROMPTS meant"),
        ("SNELLEN_DATABSE_URL", "is SNELLEN_DATABASE_URL meant"),
        ("SNELLEN_ALERTS_WEBHOOK__SECRET", "is SNELLEN_ALERTS__WEBHOOK__SECRET meant"),
        ("SNELLEN_METRICS_PORT__X", "is SNELLEN_METRICS_PORT meant"),
        ("snellen_privacy_prompts", "is SNELLEN_PRIVACY__PROMPTS meant"),
        ("SNELLEN_QQQQ", "see docs/settings.md"),
        ("SNELLEN_DASHBOARD_PORT", "is SNELLEN_DASHBOARD__PORT meant"),
    ],
)
def test_a_variable_that_names_no_setting_is_a_fault_that_says_which_is_meant(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, SECRET)
    [fault] = faults()
    assert fault.startswith(f"{variable}: no setting")
    assert meant in fault
    assert SECRET not in fault


def test_variables_and_the_file_are_told_of_together(
    monkeypatch: pytest.MonkeyPatch, write_file: Callable[[str], Path]
) -> None:
    write_file("bogus = 1")
    monkeypatch.setenv("SNELLEN_DATABSE_URL", URL)
    assert [fault.split(" ")[0] for fault in faults()] == ["SNELLEN_DATABSE_URL:", "bogus"]
    monkeypatch.setenv(settings.CONFIG_VARIABLE, "nowhere.toml")
    assert [fault.split(" ")[0] for fault in faults()] == ["SNELLEN_DATABSE_URL:", settings.CONFIG_VARIABLE]


def test_variables_that_others_set_or_that_are_empty_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes tells every pod of its Services, also of those that are called as ours."""
    monkeypatch.setenv("SNELLEN_REAL_DATA", "/data")
    monkeypatch.setenv("SNELLEN_BOGUS", "")
    monkeypatch.setenv("SNELLEN_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("SNELLEN_DASHBOARD_SERVICE_PORT_HTTP", "8501")
    monkeypatch.setenv("SNELLEN_DASHBOARD_PORT", "tcp://10.0.0.1:8501")
    monkeypatch.setenv("SNELLEN_DASHBOARD_PORT_8501_TCP_ADDR", "10.0.0.1")
    assert load() == Settings()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('[ingest]\nslice_dimension = ["a"]', "of this name, is 'slice_dimensions' meant; see docs/settings.md"),
        ('[alerts.webhook]\nulr = "x"', "is 'url' meant"),
        ('[ingest.topics.t]\nmappin = "x"', "is 'mapping' meant"),
        ('[ingest]\nmax_age = "soon"', "no duration: write PT5M, PT3H or P30D (ISO 8601), or seconds; got 'soon'"),
        ('[labels]\nlease = "-PT5M"', "LABELS__LEASE): must be longer than nothing"),
        ('[ingest]\nmax_age = "-P1D"', "INGEST__MAX_AGE): must be longer than nothing"),
        ('[ingest]\npair_keep = "PT0S"', "INGEST__PAIR_KEEP): must be longer than nothing"),
        ('[kafka]\nlabels_topic = ""', "KAFKA__LABELS_TOPIC): String should have at least 1"),
        ('[kafka]\nlabels_topic = "snellen.predictions"', "must be three different topics"),
        ('[kafka]\nsession_timeout_ms = 1', "KAFKA__SESSION_TIMEOUT_MS): Input should be greater than or eq"),
        ('[kafka]\nssl_key_password = "x"', "PLAINTEXT makes no use of ssl_key_password"),
        ('[kafka]\nssl_check_hostname = false', "PLAINTEXT makes no use of ssl_check_hostname"),
        ('[alerts]\nlink_base = "ftp::://x"', "ALERTS__LINK_BASE): must be an http or https address"),
        ('[alerts]\nlink_base = "https://h/?a=b"', "ALERTS__LINK_BASE): must be the address alone"),
        ('[privacy]\nkeys = ["%s"]' % ("\u00e4" * 33), "must be 16 to 64 bytes long"),
        ('[privacy]\nkeys = ["short"]', "must be 16 to 64 bytes long"),
        ('[ingest.topics."a-b"]\nformat = "x"', 'ingest.topics.a-b.format: there is no format'),
    ],
)  # fmt: skip
def test_a_fault_says_what_to_write_instead(write_file: Callable[[str], Path], content: str, fault: str) -> None:
    write_file(content)
    [told] = faults()
    assert fault in told


def test_settings_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", URL)
    monkeypatch.setenv("SNELLEN_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_USERNAME", "user")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_PASSWORD", SECRET)
    monkeypatch.setenv("SNELLEN_KAFKA__SSL_KEY_PASSWORD", SECRET)
    monkeypatch.setenv("SNELLEN_PRIVACY__KEYS", f'["{SECRET}-of-16-characters"]')
    monkeypatch.setenv("SNELLEN_ALERTS__WEBHOOK__SECRET", SECRET)
    found = load()
    assert SECRET not in f"{found!r} {found} {found.model_dump()} {found.model_dump_json()}"
    assert found.database_url is not None
    assert found.database_url.get_secret_value() == URL


def test_a_section_that_is_no_json_is_told_as_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_INGEST__SLICE_DIMENSIONS", "device,site")
    [fault] = faults()
    assert fault.startswith("SNELLEN_INGEST__SLICE_DIMENSIONS: ")
    assert "JSON" in fault
    assert "snellen.toml" not in fault


def test_lists_and_sections_may_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_INGEST__SLICE_DIMENSIONS", '["device", "site"]')
    monkeypatch.setenv("SNELLEN_KAFKA", json.dumps({"group": "g"}))
    found = load()
    assert found.ingest.slice_dimensions == ("device", "site")
    assert found.kafka.group == "g"


@pytest.mark.parametrize("url", ["postgres://u:p@h/db", "postgresql://u:p@h/db", "sqlite:///x", "db:5432", "x"])
def test_a_database_of_another_kind_is_a_fault_that_says_how_to_write_it(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SNELLEN_DATABASE_URL", url)
    [fault] = faults()
    assert fault.startswith("database_url")
    assert "postgresql+psycopg://" in fault


def test_sasl_needs_a_mechanism_a_name_and_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNELLEN_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_USERNAME", "me")
    [fault] = faults()
    assert "sasl_mechanism" in fault
    assert "sasl_password" in fault
    assert "sasl_username" not in fault
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_PASSWORD", SECRET)
    assert load().kafka.sasl_mechanism == "PLAIN"


@given(window=st.integers(1, 48), span=st.integers(1, 400))
def test_a_reference_spans_enough_windows_to_know_how_they_differ(window: int, span: int) -> None:
    hours = {"window": timedelta(hours=window), "reference_span": timedelta(hours=span)}
    if span >= settings.REFERENCE_WINDOWS * window:
        assert load(drift=hours).drift.reference_span == timedelta(hours=span)
    else:
        with pytest.raises(SettingsError, match="reference_span"):
            load(drift=hours)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().metrics_port = 1


def test_topics_have_a_format_and_its_options(write_file: Callable[[str], Path]) -> None:
    write_file("""
[ingest.topics."kserve-logs"]
format = "kserve"
task = "captioning"
slices = {tenant = "X-Tenant"}
[ingest.topics."snellen.predictions"]
format = "native"
""")
    topics = load().ingest.topics
    assert (topics["kserve-logs"].format, topics["kserve-logs"].slices) == ("kserve", {"tenant": "X-Tenant"})
    assert topics["snellen.predictions"].format == "native"


def test_faults_of_topics_are_told_with_their_place(write_file: Callable[[str], Path]) -> None:
    write_file("""
[ingest.topics.a]
format = "kserv"
[ingest.topics.b]
format = "mapping"
[ingest.topics.c]
mapping = "map.yaml"
[ingest.topics.d]
taks = "vqa"
[ingest.topics.e]
format = "maping"
taks = "vqa"
""")
    first, second, third, fourth, fifth, sixth = faults()
    assert first.startswith("ingest.topics.a.format ")
    assert "no format 'kserv'; there are auto, native, kserve" in first
    assert second.startswith("ingest.topics.b ")
    assert third.startswith("ingest.topics.c ")
    assert "belong together" in second
    assert "belong together" in third
    assert fourth.startswith("ingest.topics.d.taks ")
    assert fifth.startswith("ingest.topics.e.format ")
    assert sixth.startswith("ingest.topics.e.taks ")


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        ("[retention]\npredictions = 'P60D'\narrivals = 'P50D'", "embeddings <= predictions <= arrivals"),
        ("[retention]\nembeddings = 'P7D'", "at least ingest.max_age"),
        ("[ingest]\nmax_age = 'P60D'", "at least ingest.max_age"),
        ("[retention]\nrollups = 'PT1H'", "at least a day"),
    ],
)
def test_retention_keeps_what_something_else_needs(write_file: Callable[[str], Path], section: str, fault: str) -> None:
    write_file(section)
    with pytest.raises(SettingsError, match=fault):
        load()


def test_retention_can_be_shorter_where_old_events_are_refused(write_file: Callable[[str], Path]) -> None:
    write_file("[ingest]\nmax_age = 'P7D'\n[retention]\nembeddings = 'P7D'\npredictions = 'P7D'\narrivals = 'P9D'")
    assert load().retention.arrivals == timedelta(days=9)


def test_the_address_of_the_dashboard_has_no_slash_behind_it(write_file: Callable[[str], Path]) -> None:
    write_file('[alerts]\nlink_base = "https://snellen.example.org/ui/"')
    assert load().alerts.link_base == "https://snellen.example.org/ui"


@pytest.mark.parametrize("key", ["k" * 16, "k" * 64, "\u00e4" * 32])
def test_a_key_that_is_taken_can_be_used(write_file: Callable[[str], Path], key: str) -> None:
    write_file(f'[privacy]\nkeys = ["{key}"]')
    [taken] = load().privacy.keys
    assert len(blake2b(b"jane", key=taken.get_secret_value().encode()).digest()) == 64


def test_credentials_that_would_not_be_used_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names an authority or a password means a connection that is secured."""
    monkeypatch.setenv("SNELLEN_KAFKA__SECURITY_PROTOCOL", "SASL_PLAINTEXT")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_USERNAME", "user")
    monkeypatch.setenv("SNELLEN_KAFKA__SASL_PASSWORD", SECRET)
    monkeypatch.setenv("SNELLEN_KAFKA__SSL_CAFILE", "ca.pem")
    [fault] = faults()
    assert "SASL_PLAINTEXT makes no use of ssl_cafile" in fault
    assert SECRET not in fault
