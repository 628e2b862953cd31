"""A real server process for tests: `python -m frostline.server` on a free port."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 180.0
STOP_SECONDS = 30.0


class ServerFailed(AssertionError):
    """The process ended before it served, or did not serve in time; carries its log."""


class RunningServer:
    """A server process and where it answers."""

    def __init__(self, process: "subprocess.Popen[bytes]", target: str, log_path: Path) -> None:
        self.process = process
        self.target = target
        self.pid = process.pid
        self._log_path = log_path

    def log(self) -> str:
        """What the process has written to stderr and stdout so far."""
        return self._log_path.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends the process as a power cut would (SIGKILL), and waits for its end."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Asks the process to end (SIGTERM) and returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerFailed(f"server did not stop in {STOP_SECONDS} s:\n{self.log()}") from None


def start_server(
    data_dir: Path | str, *, command: Sequence[str] = ("-m", "frostline.server"), **settings: object
) -> RunningServer:
    """Starts a server and returns once it answers.

    `settings` are the server's own, by name: `admin_token="x"`, `encoders=["a", "b"]`; they travel in the environment,
    so that a developer's own FROSTLINE_* never leak in; encoders take one thread unless told otherwise. `command` is
    what Python runs.
    """
    folder = Path(data_dir)
    folder.mkdir(parents=True, exist_ok=True)
    announcement = folder / "server.json"
    announcement.unlink(missing_ok=True)  # a killed server leaves it behind
    log_path = folder / "server.log"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("FROSTLINE_")}
    given = {"threads": 1} | settings  # other tests run beside it
    environment |= {f"FROSTLINE_{name.upper()}": _as_text(value) for name, value in given.items()}
    environment["PYTHONUNBUFFERED"] = "1"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command, "--port", "0", "--data-dir", str(folder)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )
    return RunningServer(process, _wait_for_target(process, announcement, log_path), log_path)


@contextmanager
def running_server(data_dir: Path | str, **settings: object) -> Iterator[RunningServer]:
    """Starts a server, yields it, and ends it."""
    server = start_server(data_dir, **settings)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def _wait_for_target(process: "subprocess.Popen[bytes]", announcement: Path, log_path: Path) -> str:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        if announcement.exists():
            return str(json.loads(announcement.read_text())["target"])
        if process.poll() is not None:
            raise ServerFailed(f"server ended with {process.returncode}:\n{log_path.read_text(errors='replace')}")
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise ServerFailed(f"server did not answer in {START_SECONDS} s:\n{log_path.read_text(errors='replace')}")


def _as_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
