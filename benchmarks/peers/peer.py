"""The benchmark's end of a peer: sends commands to the driver in the peer's own environment."""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from timing import Timings
from vector_data import recall

Parameters = dict[str, Any]

ENVIRONMENTS = Path(__file__).parents[2] / ".venv-peers"
_HERE = Path(__file__).parent
MODULES = {
    "frostline": "frostline_server",
    "pgvector": "postgres",
    "pgvector-newest": "postgres",
    "chroma": "chroma",
    "milvus-lite": "milvus",
}


@dataclass(frozen=True)
class Found:
    """What a sweep came to.

    Attributes:
        parameters: the fastest that reach the recall asked for, or else those with the best recall.
        recall: theirs on the tuning queries.
        rate: queries per second, on the tuning queries.
    """

    parameters: Parameters
    recall: float
    rate: float


class Peer:
    """One engine in processes of its own, from entering to leaving.

    Args:
        name: of the peer; one of `MODULES`.
        folder: where its data lie for the time; other users must be able to pass through it (PostgreSQL does not run
            as root). A temporary one by default, and either way what the peer wrote is deleted at the end.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self.name = name
        self.versions: dict[str, str] = {}
        self._parent = folder
        self._families: dict[str, list[list[Parameters]]] = {}

    def __enter__(self) -> Self:
        """Starts it."""
        environment = Path(sys.prefix) if self.name == "frostline" else ENVIRONMENTS / self.name
        python = environment / "bin" / "python"
        if not python.exists():
            raise SystemExit(f"{python} is missing; set it up: see {_HERE / '__main__.py'}")
        self._folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=self._parent))
        self._folder.chmod(0o711)
        command = [str(python), str(_HERE / "driver.py"), MODULES[self.name], str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.versions = self._read()["versions"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends its processes and deletes its data."""
        if self._process.stdin:
            self._process.stdin.close()  # the driver ends its server, then itself
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the kernel then ends the server
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> float:
        """Stores rows, whose ids are their numbers.

        Args:
            vectors: float32 of shape (rows, d).
            buckets: int32 of shape (rows,), the payload.

        Returns:
            Seconds it took.
        """
        files = {"vectors": self._file(vectors), "buckets": self._file(buckets)}
        seconds = float(self._ask("load", **files)["seconds"])
        for file in files.values():
            Path(file).unlink()
        return seconds

    def build(self, index: str = "") -> float:
        """Builds the index, the one that is best for this peer unless it is named.

        Returns:
            Seconds it took.
        """
        answer = self._ask("build", index=index)
        self._families = answer["families"]
        return float(answer["seconds"])

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        filtered: bool = False,
        clients: int = 1,
        batch: int = 1,
        parameters: Parameters | None = None,
    ) -> Timings:
        """Searches for every query, one after another.

        Args:
            queries: float32 of shape (n, d).
            k: neighbors to find.
            filtered: among rows with `bucket = 7` only.
            clients: how many client processes do so at once; each asks all queries, each beginning elsewhere.
            batch: queries in a call.
            parameters: of the peer; its defaults if none are given.
        """
        answer = self._ask(
            "search",
            queries=self._file(queries),
            k=k,
            filtered=filtered,
            clients=clients,
            batch=batch,
            parameters=parameters or {},
        )
        ids = np.full((len(queries), k), -1, np.int64)
        for row, found in zip(ids, answer["ids"], strict=True):
            row[: len(found)] = found
        return Timings(ids, np.array(answer["seconds"]), float(answer["elapsed_seconds"]), int(answer["queries"]))

    def tune(
        self, queries: NDArray[np.float32], truth: NDArray[np.int64], *, filtered: bool = False, target: float = 0.95
    ) -> Found:
        """Finds the fastest parameters that reach the recall, or else those with the best.

        Args:
            queries: float32 of shape (n, d); not those that are measured with.
            truth: int64 of shape (n, k).
            filtered: as in `search`.
            target: recall to reach.
        """
        families = self._families[str(filtered)]
        tried = [found for family in families for found in self._bisect(family, queries, truth, filtered, target)]
        enough = [found for found in tried if found.recall >= target]
        if enough:
            return max(enough, key=lambda found: found.rate)
        return max(tried, key=lambda found: (found.recall, found.rate))

    def _bisect(
        self,
        family: Sequence[Parameters],
        queries: NDArray[np.float32],
        truth: NDArray[np.int64],
        filtered: bool,
        target: float,
    ) -> list[Found]:
        """Looks by halves for the cheapest that reach the recall, which grows along the family."""
        tried: list[Found] = []
        low, high = 0, len(family) - 1
        while low <= high:
            middle = (low + high) // 2
            parameters = family[middle]
            self.search(queries[:20], truth.shape[1], filtered=filtered, parameters=parameters)  # warms up
            timings = self.search(queries, truth.shape[1], filtered=filtered, parameters=parameters)
            tried.append(Found(parameters, recall(timings.ids, truth), timings.rate))
            low, high = (low, middle - 1) if tried[-1].recall >= target else (middle + 1, high)
        return tried

    def _file(self, rows: NDArray[Any]) -> str:
        """Puts an array where the driver finds it; the same array is put there once."""
        file = self._folder / f"{hashlib.sha256(np.ascontiguousarray(rows)).hexdigest()[:16]}.npy"
        if not file.exists():
            np.save(file, rows)
        return str(file)

    def _ask(self, command: str, **fields: object) -> dict[str, Any]:
        """Sends one command and waits for its answer."""
        if not self._process.stdin:
            raise RuntimeError(f"{self.name} is not running")
        self._process.stdin.write(json.dumps({"command": command, **fields}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the driver of {self.name} ended; what it said is above")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer
