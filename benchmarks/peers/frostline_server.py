"""Frostline itself, through its public client: one more engine, so that all sides are driven alike."""

import json
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from engine import Parameters, Server
from numpy.typing import NDArray

from frostline.client import Client

BUCKET, BATCH = 7, 2_000


class FrostlineSession:
    """A client and what it asks."""

    def __init__(self, address: str) -> None:
        self._client = Client(address)
        self._k, self._filter = 10, ""

    def prepare(self, parameters: Parameters, k: int, filtered: bool) -> None:
        """Keeps what travels with every query; there is nothing to tune, the collection knows its recall."""
        self._k, self._filter = k, f"bucket = {BUCKET}" if filtered else ""

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        """Asks for ids and scores, all queries in one call."""
        found = self._client.search_batch("items", queries, limit=self._k, include_payloads=False, filter=self._filter)
        return [[int(hit.id) for hit in hits] for hits in found]


class Frostline:
    """A Frostline server of the benchmark's own."""

    def start(self, folder: Path) -> None:
        """Starts it on a socket file, as PostgreSQL is."""
        self._folder = folder
        self._serve()

    def _serve(self) -> None:
        listening = ["--host", f"unix:{self._folder / 'frostline.sock'}"]
        command = [sys.executable, "-m", "frostline.server", *listening, "--data-dir", str(self._folder / "data")]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FROSTLINE_")}
        self._server = Server(
            [*command, "--index-threads", "2"],
            self._folder,
            signal.SIGTERM,
            env=environment | {"FROSTLINE_ENCODERS": ""},
        )
        self._server.wait_until(self.address)

    def stop(self) -> None:
        """Ends the server."""
        if hasattr(self, "_server"):
            self._server.stop()

    def versions(self) -> dict[str, str]:
        """Of the server, its FAISS and gRPC."""
        return {name: version(name) for name in ("frostline", "faiss-cpu", "grpcio", "protobuf")}

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> None:
        """Stores the rows, durably, with `bucket` declared."""
        with Client(self.address()) as client:
            client.create_collection("items", dimensions=vectors.shape[1], fields={"bucket": "integer"})
            for start in range(0, len(vectors), 20 * BATCH):
                rows = range(start, min(start + 20 * BATCH, len(vectors)))
                payloads = [{"bucket": int(buckets[row])} for row in rows]
                part = vectors[start : start + 20 * BATCH]
                client.upsert_vectors("items", [str(row) for row in rows], part, payloads, batch_size=BATCH)

    def build(self, index: str) -> None:
        """Has everything indexed in one segment."""
        with Client(self.address()) as client:
            for _ in client.optimize("items"):
                pass

    def apply(self, parameters: Parameters) -> None:
        """Has nothing to set."""

    def families(self, filtered: bool) -> list[list[Parameters]]:
        """One way: as it comes."""
        return [[{}]]

    def address(self) -> str:
        """Host and port, once it serves."""
        return str(json.loads((self._folder / "data" / "server.json").read_text())["target"])

    def session(self, address: str) -> FrostlineSession:
        """Connects."""
        return FrostlineSession(address)


ENGINE = Frostline
