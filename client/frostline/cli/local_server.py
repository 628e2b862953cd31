"""A server of the demo's own: a process with a temporary data folder, gone when the demo ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from frostline.cli.failure import CommandFailed

_POLL_SECONDS = 0.05
_START_SECONDS = 300.0  # a first start may download an encoder
_STOP_SECONDS = 40.0  # a little more than the server takes for what it accepted
_LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that runs.

    Attributes:
        target: the address it answers at.
        folder: removed with it; the demo may use it too.
    """

    target: str
    folder: Path


@contextmanager
def local_server() -> Generator[LocalServer]:
    """Runs a server on a free port while its block runs, and removes its data afterwards.

    Yields:
        The server, which answers.

    Raises:
        CommandFailed: the server ended before it answered, or did not answer in time.

    The end of the server's log goes to stderr when the block fails.
    """
    with tempfile.TemporaryDirectory(prefix="frostline-demo-") as folder, _ended_by(signal.SIGTERM, signal.SIGHUP):
        log_path, data = Path(folder, "server.log"), Path(folder, "data")
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "frostline.cli", "serve", "--port", "0", "--data-dir", str(data)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,  # without the user's frostline.toml
                env={name: value for name, value in os.environ.items() if not name.startswith("FROSTLINE_")},
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the server
            )
        try:
            yield LocalServer(_wait(process, data / "server.json"), Path(folder))
        except Exception:
            lines = log_path.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            sys.stderr.write("".join(f"server: {line}\n" for line in lines))
            raise
        finally:
            _stop(process)


def _wait(process: "subprocess.Popen[bytes]", announcement: Path) -> str:
    end = time.monotonic() + _START_SECONDS
    while process.poll() is None:
        if time.monotonic() > end:
            raise CommandFailed(f"the server did not answer within {_START_SECONDS:g} s; its log is above")
        if announcement.exists():
            return str(json.loads(announcement.read_text())["target"])
        time.sleep(_POLL_SECONDS)
    raise CommandFailed(f"the server ended with exit code {process.returncode} before it answered; its log is above")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except BaseException as error:  # an impatient second Ctrl-C too
        process.kill()
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


@contextmanager
def _ended_by(*signals: signal.Signals) -> Generator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
