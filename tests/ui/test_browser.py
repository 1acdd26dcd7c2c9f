"""The user interface as a process, seen by a real browser."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from sqlalchemy import Engine, text

from tests.pace import exit_code, wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000  # the machine may be busy; nobody waits when it is not
TITLES = {
    "Overview": "",
    "On-call": "on_call",
    "Drift": "drift",
    "Calibration": "calibration",
    "Slices": "slices",
    "Canary": "canary",
    "Labels": "labels",
    "SLOs and alerts": "slos",
    "Ingest health": "ingest",
}
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)"),
]


@pytest.fixture
def address(
    engine: Engine, seed: ModuleType, database_url: str, slo_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A dashboard of its own on a free port, with everything in its database as of now."""
    with engine.begin() as connection:
        seed.everything(connection, datetime.now(UTC).replace(second=0, microsecond=0))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("SNELLEN_DATABASE_URL", database_url)
    monkeypatch.setenv("SNELLEN_ALERTS__SLO_DIR", str(slo_dir))
    monkeypatch.setenv("SNELLEN_HOME", str(tmp_path / "home"))
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "dashboards" / "app.py"), f"--server.port={port}"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)  # from any folder
    try:
        _wait_for_answer(f"http://127.0.0.1:{port}/_stcore/health", server, tmp_path / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        assert exit_code(server, 20) is not None


def _wait_for_answer(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (our own loopback address)
                return True
        except OSError:
            return False

    wait_for(answers, 60, lambda: f"the dashboard answers: {log.read_text()}")


@pytest.fixture
def tab(address: str) -> Iterator[sync_api.Page]:
    """A fresh browser; a request that leaves the machine fails the test."""
    outside: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1440, "height": 1000})
        tab.on("request", lambda request: outside.append(request.url) if _leaves(request.url, address) else None)
        tab.set_default_timeout(PATIENCE_MS)
        sync_api.expect.set_options(timeout=PATIENCE_MS)
        yield tab
        browser.close()
    assert outside == []


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, address.replace("http", "ws", 1), "data:", "blob:"))


def settled(tab: sync_api.Page, title: str) -> None:
    """The page is there, has run to its end, and shows no defect."""
    sync_api.expect(tab.get_by_role("heading", name=title, exact=True, level=1)).to_be_visible()
    sync_api.expect(tab.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    sync_api.expect(tab.get_by_test_id("stException")).to_have_count(0)


def test_pages_work_keep_the_range_and_nothing_leaves_the_machine(tab: sync_api.Page, address: str) -> None:
    tab.goto(address)
    settled(tab, "Overview")
    assert tab.get_by_test_id("stAppDeployButton").count() == 0, "our configuration holds in any folder"
    tab.get_by_role("radio", name="6 h").click()
    sync_api.expect(tab.get_by_text("(6 h)").first).to_be_visible()
    for title, path in (*TITLES.items(), ("Overview", "")):
        tab.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        settled(tab, title)
        sync_api.expect(tab).to_have_title(f"{title} · Snellen")
        sync_api.expect(tab.get_by_text("(6 h)").first).to_be_visible()
        assert tab.locator("a[href*='evil']").count() == 0, "foreign text became a link"
        assert tab.url.startswith(f"{address}/{path}?range=6")


def test_a_card_leads_to_its_objective_in_the_same_range(tab: sync_api.Page, address: str) -> None:
    tab.goto(f"{address}/?range=24+h")
    settled(tab, "Overview")
    tab.get_by_role("link", name="Exam accuracy", exact=True).click()
    settled(tab, "SLOs and alerts")
    sync_api.expect(tab.get_by_text("(1 d)").first).to_be_visible()
    sync_api.expect(tab.get_by_role("heading", name="Exam accuracy", exact=True)).to_be_visible()
    assert "range=24" in tab.url


def test_one_step_back_is_the_page_before_with_its_range(tab: sync_api.Page, address: str) -> None:
    tab.goto(address)
    settled(tab, "Overview")
    tab.get_by_role("radio", name="6 h").click()
    sync_api.expect(tab.get_by_text("(6 h)").first).to_be_visible()
    go_to(tab, "Drift")
    tab.get_by_role("radio", name="24 h").click()
    sync_api.expect(tab.get_by_text("(1 d)").first).to_be_visible()
    go_to(tab, "Ingest health")
    sync_api.expect(tab.get_by_text("(1 d)").first).to_be_visible()
    for step, title, span in (
        (tab.go_back, "Drift", "(1 d)"),
        (tab.go_back, "Overview", "(6 h)"),
        (tab.go_forward, "Drift", "(1 d)"),
    ):
        step()
        settled(tab, title)
        sync_api.expect(tab.get_by_text(span).first).to_be_visible()


def test_back_from_an_objective_is_the_overview_in_two_steps_at_most(tab: sync_api.Page, address: str) -> None:
    tab.goto(f"{address}/?range=24+h")
    settled(tab, "Overview")
    tab.get_by_role("link", name="Exam accuracy", exact=True).click()
    settled(tab, "SLOs and alerts")
    tab.go_back()
    overview = tab.get_by_role("heading", name="Overview", exact=True, level=1)
    try:
        sync_api.expect(overview).to_be_visible(timeout=15_000)
    except AssertionError:  # the page has drawn a selector, which may be a step of its own
        tab.go_back()
    settled(tab, "Overview")
    sync_api.expect(tab.get_by_text("(1 d)").first).to_be_visible()


def go_to(tab: sync_api.Page, title: str) -> None:
    tab.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
    settled(tab, title)


def test_a_link_opens_its_alert_as_the_first_page_of_the_process(tab: sync_api.Page, address: str) -> None:
    tab.on("dialog", lambda dialog: pytest.fail(f"a prompt ran as a script: {dialog.message}"))
    tab.goto(f"{address}/on_call?alert=1")
    settled(tab, "On-call")
    sync_api.expect(tab.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first).to_be_visible()
    prompts = tab.get_by_test_id("stText").filter(has_text="<script>alert(1)</script>")
    sync_api.expect(prompts.first).to_be_visible()
    assert tab.locator("a[href*='evil']").count() == 0, "foreign text became a link"

    tab.get_by_role("button", name="Silence").click()
    tab.get_by_label("Why").fill("disks")
    tab.get_by_role("button", name="Silence it").click()
    sync_api.expect(tab.get_by_text("Say who silences it")).to_be_visible()
    assert tab.get_by_label("Why").input_value() == "disks", "what was typed stays until it is taken"
    tab.keyboard.press("Escape")
    tab.get_by_label("Your name").fill("Grace")
    tab.get_by_role("button", name="Acknowledge").click()
    sync_api.expect(tab.get_by_text("Acknowledged by Grace")).to_be_visible()

    tab.get_by_test_id("stSidebarNav").get_by_role("link", name="Overview", exact=True).click()
    settled(tab, "Overview")


def test_a_verdict_is_one_key_once_the_name_is_given(tab: sync_api.Page, address: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM labels WHERE request_id = 'today-b-66'"))
        connection.execute(
            text("UPDATE label_tasks SET answers = 0, answered_at = NULL WHERE request_id = 'today-b-66'")
        )
    tab.goto(f"{address}/labels")
    settled(tab, "Labels")
    tab.get_by_label("Your name").fill("dana")
    tab.keyboard.press("Enter")
    sync_api.expect(tab.get_by_role("button", name="Incorrect")).to_be_visible()
    sync_api.expect(tab.get_by_label("Your name")).to_have_count(0)  # while it is there it takes what is typed
    settled(tab, "Labels")
    tab.evaluate("() => new Promise(requestIdleCallback)")  # what was drawn a moment ago does not yet listen to keys
    tab.keyboard.press("2")
    sync_api.expect(tab.get_by_text("Before: today-b-66 → incorrect")).to_be_visible()
    with engine.connect() as connection:
        query = text("SELECT annotator_id, verdict FROM labels WHERE request_id = 'today-b-66'")
        assert [tuple(row) for row in connection.execute(query)] == [("dana", "incorrect")]


def test_a_page_that_goes_by_another_name_gets_no_data(address: str) -> None:
    """As one whose name was bound anew to 127.0.0.1 would ask."""
    ours = address.removeprefix("http://")
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    for host, status in ((ours, 101), ("evil.example:80", 403)):
        asked = http.client.HTTPConnection(ours, timeout=60)
        asked.request("GET", "/_stcore/stream", headers={**upgrade, "Host": host, "Origin": f"http://{host}"})
        assert asked.getresponse().status == status
        asked.close()


CONTRAST = """
chosen => {
  const numbers = colour => colour.match(/[0-9.]+/g).map(Number);
  const behind = node => {
    if (!node) return [255, 255, 255];
    const [r, g, b, alpha = 1] = numbers(getComputedStyle(node).backgroundColor);
    const below = alpha < 1 ? behind(node.parentElement) : [0, 0, 0];
    return [r, g, b].map((one, index) => alpha * one + (1 - alpha) * below[index]);
  };
  const luminance = colour => colour.slice(0, 3)
    .map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const both = [luminance(numbers(getComputedStyle(chosen).color)), luminance(behind(chosen))];
  return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
}
"""
"""Of an element's words with what is behind them: WCAG 2.2, 1.4.3."""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_on_a_phone_figures_have_their_whole_names_and_the_chosen_range_can_be_read(
    tab: sync_api.Page, address: str, scheme: Literal["dark", "light"]
) -> None:
    tab.emulate_media(color_scheme=scheme)
    tab.set_viewport_size({"width": 390, "height": 900})
    tab.goto(f"{address}/on_call?alert=1")
    settled(tab, "On-call")
    label = tab.get_by_test_id("stMetricLabel").get_by_text("Burn rate at opening")
    sync_api.expect(label).to_be_visible()
    assert label.evaluate("one => getComputedStyle(one).whiteSpace") == "normal"
    assert tab.get_by_role("radio", name="7 d").evaluate(CONTRAST) >= 4.5
    sync_api.expect(tab.locator("[aria-label^='Chart: burn rate, x budget over time.']")).to_be_visible()


def test_who_walks_by_keyboard_sees_where(tab: sync_api.Page, address: str) -> None:
    tab.goto(f"{address}/labels")
    settled(tab, "Labels")
    for name in ("Skip to main content", "Overview", "On-call"):
        tab.keyboard.press("Tab")
        link = tab.get_by_role("link", name=name, exact=True)
        sync_api.expect(link).to_be_focused()
        sync_api.expect(link).to_have_css("outline-style", "solid")


def test_all_that_a_labeller_may_choose_is_seen_without_scrolling_sideways(tab: sync_api.Page, address: str) -> None:
    tab.set_viewport_size({"width": 320, "height": 900})
    tab.goto(f"{address}/labels")
    settled(tab, "Labels")
    tab.get_by_text("Of: all strata").click()
    strata = tab.get_by_role("radiogroup", name="Stratum")
    sync_api.expect(strata).to_be_visible()
    assert strata.evaluate("one => getComputedStyle(one).flexWrap") == "wrap"
    assert strata.evaluate("one => one.scrollWidth <= one.clientWidth")
