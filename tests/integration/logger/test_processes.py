"""It in processes that fork, end, or import it and nothing else."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import weakref
from collections import Counter
from pathlib import Path

import pytest

from monitor.broker import ClientConfig, PredictionLogger, ensure_topics
from monitor.embedded.broker import Broker
from tests.integration.logger.conftest import Make, ids, read
from tests.pace import wait_for

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[3]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FORKING = """
import os, sys
from monitor.broker import PredictionLogger

servers, topic, when = sys.argv[1:]
log = PredictionLogger(servers, topic=topic, model="m", task="vqa")
if when == "used":
    for n in range(20):
        log.prediction(f"parent before {n}")
children = []
for child in range(3):
    if (pid := os.fork()) == 0:
        for n in range(20):
            log.prediction(f"child {child} {n}")
        counts = log.close(20)
        assert (counts.calls, counts.sent) == (20, 20), counts
        os._exit(0)
    children.append(pid)
for n in range(20):
    log.prediction(f"parent after {n}")
assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
counts = log.close(20)
assert counts.sent == counts.calls, counts
"""


@pytest.mark.parametrize("when", ["fresh", "used"])
def test_workers_that_are_forked_log_their_own_and_only_their_own(broker: str, topics: str, when: str) -> None:
    run(FORKING, broker, topics, when)
    expected = [f"child {child} {n}" for child in range(3) for n in range(20)] + [
        f"parent after {n}" for n in range(20)
    ]
    expected += [f"parent before {n}" for n in range(20)] if when == "used" else []
    assert Counter(ids(read(broker, topics, len(expected)))) == Counter(expected)


def test_its_threads_import_nothing(broker: str, topics: str) -> None:
    """A process that is forked meanwhile would inherit the lock of the module, which nobody gives back."""
    script = """
import sys
from monitor.broker import PredictionLogger
log, before = PredictionLogger(sys.argv[1], topic=sys.argv[2], model="m", task="vqa"), set(sys.modules)
log.prediction("a")
assert log.close(20).sent == 1
print(sorted(set(sys.modules) - before))
"""
    assert run(script, broker, topics).strip() == "[]"


def test_labels_are_forked_and_sent_at_the_end_of_a_process_as_predictions_are(broker: str, topics: str) -> None:
    script = """
import os, sys
from monitor.broker import PredictionLogger
log = PredictionLogger(sys.argv[1], labels_topic=sys.argv[2], model="m", task="vqa")
log.label("before", verdict="correct")
if (pid := os.fork()) == 0:
    log.label("child", verdict="correct")
    assert log.close(20).sent == 1
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
log.label("after", verdict="correct")
"""
    run(script, broker, f"{topics}.labels")
    assert ids(read(broker, f"{topics}.labels", 3)) == ["after", "before", "child"]


def test_what_waits_is_sent_when_the_process_ends(broker: str, topics: str) -> None:
    script = """
import sys
from monitor.broker import PredictionLogger
log = PredictionLogger(sys.argv[1], topic=sys.argv[2], model="m", task="vqa")
for n in range(700):
    log.prediction(f"{n:03}")
"""
    run(script, broker, topics)
    assert ids(read(broker, topics, 700)) == [f"{n:03}" for n in range(700)]


WORKERS = """
import multiprocessing, signal, sys
from concurrent.futures import ProcessPoolExecutor
from monitor.broker import PredictionLogger

servers, topic, how = sys.argv[1:]
log = PredictionLogger(servers, topic=topic, model="m", task="vqa")

def work(name):
    log.prediction(name)
    log.label(name, colour="red")  # starts the other thread too

def serve(ready):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work("r")
    ready.set()
    signal.pause()

fork = multiprocessing.get_context("fork")
if how == "process":
    child = fork.Process(target=work, args=("r",))
    child.start(); child.join()
elif how == "pool":
    pool = fork.Pool(1)
    pool.map(work, ["r"])
    pool.close(); pool.join()
elif how == "executor":
    with ProcessPoolExecutor(1, mp_context=fork) as pool:
        pool.submit(work, "r").result()
else:
    ready = fork.Event()
    child = fork.Process(target=serve, args=(ready,))
    child.start(); ready.wait(); child.terminate(); child.join()
"""


@pytest.mark.parametrize("how", ["process", "pool", "executor", "a handler of SIGTERM"])
def test_what_waits_is_sent_when_a_worker_of_multiprocessing_ends(broker: str, topics: str, how: str) -> None:
    """It passes `atexit` over. As docs/logger.md says, one that is terminated needs a handler."""
    run(WORKERS, broker, topics, how)
    assert ids(read(broker, topics, 1)) == ["r"]


def test_a_logger_that_is_closed_is_let_go(broker: str, topics: str) -> None:
    log = PredictionLogger(broker, topic=topics, labels_topic=f"{topics}.labels", model="m", task="vqa")
    log.prediction("r")
    log.label("r", verdict="correct")
    assert log.close(20).sent == 2
    alive = weakref.ref(log)
    del log
    wait_for(lambda: gc.collect() >= 0 and alive() is None, 20, "nothing holds it")


def test_it_imports_nothing_heavy() -> None:
    script = """
import sys
from monitor.broker import PredictionLogger
heavy = {"sqlalchemy", "psycopg", "torch", "open_clip", "pydantic", "pandas", "scipy", "streamlit", "evidently", "PIL"}
print(sorted(heavy & set(sys.modules)), "monitor.settings" in sys.modules, "monitor.store" in sys.modules)
"""
    assert run(script).strip() == "[] False False"


def test_the_example_of_the_docs_runs(own_broker: Broker) -> None:
    """As it stands, but for the address: so into the topics that other tests' collectors read unless told otherwise."""
    broker = own_broker.bootstrap_servers
    ensure_topics(ClientConfig(broker), ["snellen.predictions", "snellen.labels"], 2)
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "logger.md").read_text(), flags=re.DOTALL)
    assert "127.0.0.1:9092" in example
    assert run(example.replace("127.0.0.1:9092", broker)).startswith("LogCounts(calls=2, sent=2, waiting=0, dropped=0")


def test_threads_are_gone_after_closing(broker: str, topics: str, make: Make) -> None:
    before = threading.active_count()
    for _ in range(3):
        with make(broker) as log:
            log.prediction("r")
    wait_for(lambda: threading.active_count() <= before, 20, "its threads have ended")
