"""`freckle ui` in a process of its own, for every test that wants a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path


class Server:
    """A running server with memory, settings and temporary files of its own in a folder.

    Args:
        folder: empty; keeps the log and all that the server writes.
        options: more of `freckle ui`, as on the command line.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = folder / "server.log"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        (folder / "freckle.toml").touch()
        self._environment = os.environ | {
            "TMPDIR": str(self.temporary),
            "FRECKLE_DATABASE_URL": f"sqlite:///{folder / 'memory.db'}",
            "FRECKLE_CONFIG": str(folder / "freckle.toml"),
        }
        self._options = options
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once the page can be asked for; after `stop`, the port is the same again."""
        call = [sys.executable, "-m", "ui.cli", "ui", "--port", str(self.port), *self._options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(call, env=self._environment, stdout=log, stderr=log)
        limit = time.monotonic() + 180
        while "Freckle is at" not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > limit:
                self.process.kill()
                raise RuntimeError(f"the server did not start: {self.log.read_text()}")
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def left(self) -> set[str]:
        """Names of the temporary files that are there, without onnxruntime's own (a number)."""
        return {path.name for path in self.temporary.iterdir()} - {".ses"}
