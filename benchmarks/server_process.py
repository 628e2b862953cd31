"""A server process of a benchmark's own."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Self


class ServerProcess:
    """`python -m frostline.server` on a free port, from entering to leaving.

    Args:
        data_dir: its data folder.
        flags: further settings of the server.
    """

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.target = ""
        self._announcement = data_dir / "server.json"
        command = [sys.executable, "-m", "frostline.server", "--port", "0", "--data-dir", str(data_dir)]
        self._command = [*command, "--log-level", "warning", *flags]

    def __enter__(self) -> Self:
        """Starts it and waits until it answers."""
        self._announcement.unlink(missing_ok=True)  # left by one that was killed
        self._process = subprocess.Popen(self._command)
        while not self._announcement.exists():
            if self._process.poll() is not None:
                raise SystemExit("the server did not start; its log is above")
            time.sleep(0.02)
        self.target = json.loads(self._announcement.read_text())["target"]
        return self

    def __exit__(self, *_: object) -> None:
        """Stops it, if it still runs."""
        self._process.terminate()
        self._process.wait()

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self._process.kill()
        self._process.wait()

    def resident_bytes(self) -> int:
        """Memory it holds, pages of mapped files among it."""
        return self._status("VmRSS")

    def anonymous_bytes(self) -> int:
        """Memory it holds that is no file's."""
        return self._status("RssAnon")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split(f"{name}:")[1].split()[0]) * 1024
