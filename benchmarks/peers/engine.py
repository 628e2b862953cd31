"""What a peer is to the driver, and the server process that most of them are."""

import ctypes
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Parameters = dict[str, Any]


class Session(Protocol):
    """One client's connection."""

    def prepare(self, parameters: Parameters, k: int, filtered: bool) -> None:
        """Sets what the next searches do; not timed."""
        ...

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        """Finds row numbers for queries of shape (n, d), n = 1 unless the caller asked for batches."""
        ...


class Engine(Protocol):
    """A peer: its server, its data, its parameters."""

    def start(self, folder: Path) -> None:
        """Starts the server with its data in the folder."""
        ...

    def stop(self) -> None:
        """Ends the server."""
        ...

    def versions(self) -> dict[str, str]:
        """What is being measured."""
        ...

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> None:
        """Stores the rows; the id of a row is its number."""
        ...

    def build(self, index: str) -> None:
        """Builds the index; called again, it replaces it. An empty name takes what is best for this peer."""
        ...

    def apply(self, parameters: Parameters) -> None:
        """Sets what of the parameters belongs to the server; called when they change."""
        ...

    def families(self, filtered: bool) -> list[list[Parameters]]:
        """Ways to search, each as a list of parameters from cheap to dear."""
        ...

    def address(self) -> str:
        """What a session needs to connect."""
        ...

    def session(self, address: str) -> Session:
        """Connects; runs in a client process, where the engine was not started."""
        ...


def end_with_parent(with_signal: int) -> Callable[[], None]:
    """For `preexec_fn`: the kernel ends the child when this process is killed."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return lambda: prctl(1, with_signal)  # PR_SET_PDEATHSIG


class Server:
    """A server process and its log."""

    def __init__(self, command: list[str], folder: Path, end: int = signal.SIGKILL, **options: Any) -> None:  # noqa: ANN401 (options of Popen)
        self._log, self._end = folder / "server.log", end
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=folder, preexec_fn=end_with_parent(end), **options
            )

    def wait_until(self, answers: Callable[[], object], timeout_seconds: float = 60) -> None:
        """Waits until the call raises nothing."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                answers()
                return
            except Exception as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = self._log.read_text(errors="replace")[-3000:]
                    raise RuntimeError(f"the server did not start: {error}; its log ends with\n{log}") from error
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it."""
        self._process.send_signal(self._end)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port() -> int:
    """Finds a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
