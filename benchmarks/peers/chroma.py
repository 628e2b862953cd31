"""Chroma's server, over HTTP."""

import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings
from engine import Parameters, Server, free_port
from numpy.typing import NDArray

BUCKET, BATCH = 7, 2_000
STEPS = (10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 200, 256, 320, 400)
HNSW = {"space": "cosine", "max_neighbors": 16, "ef_construction": 100}  # Chroma's defaults but for the space


def connected(address: str) -> "chromadb.ClientAPI":
    """Opens a client that phones nobody."""
    host, port = address.split(":")
    return chromadb.HttpClient(host=host, port=int(port), settings=Settings(anonymized_telemetry=False))


class ChromaSession:
    """A client and its collection."""

    def __init__(self, address: str) -> None:
        self._collection = connected(address).get_collection("items", embedding_function=None)
        self._k, self._where = 10, None

    def prepare(self, parameters: Parameters, k: int, filtered: bool) -> None:
        """Keeps what travels with every query; parameters belong to the collection."""
        self._k, self._where = k, {"bucket": BUCKET} if filtered else None

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        """Asks for ids and distances, all queries in one call."""
        found = self._collection.query(
            query_embeddings=queries, n_results=self._k, where=self._where, include=["distances"]
        )
        return [[int(id) for id in ids] for ids in found["ids"]]


class Chroma:
    """A Chroma server of the benchmark's own."""

    def start(self, folder: Path) -> None:
        """Starts it on a free port."""
        self._folder, self._port = folder, free_port()
        self._serve()

    def _serve(self) -> None:
        program = str(Path(sys.executable).parent / "chroma")
        place = ["--path", str(self._folder / "chroma"), "--host", "127.0.0.1", "--port", str(self._port)]
        environment = os.environ | {"ANONYMIZED_TELEMETRY": "False"}
        self._server = Server([program, "run", *place], self._folder, signal.SIGTERM, env=environment)
        self._server.wait_until(lambda: connected(self.address()).heartbeat())

    def stop(self) -> None:
        """Ends the server."""
        if hasattr(self, "_server"):
            self._server.stop()

    def versions(self) -> dict[str, str]:
        """Of server and client: one package."""
        return {"chromadb": version("chromadb")}

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> None:
        """Stores the rows; Chroma indexes them while it does."""
        collection = connected(self.address()).create_collection(
            "items", embedding_function=None, configuration={"hnsw": HNSW}
        )
        for start in range(0, len(vectors), BATCH):
            rows = range(start, min(start + BATCH, len(vectors)))
            collection.add(
                ids=[str(row) for row in rows],
                embeddings=vectors[start : start + BATCH],
                metadatas=[{"bucket": int(buckets[row])} for row in rows],
            )

    def build(self, index: str) -> None:
        """Has nothing to do: the index is there since load."""

    def apply(self, parameters: Parameters) -> None:
        """Sets ef and starts the server again: one that runs keeps the ef it loaded the index with (1.5.9)."""
        collection = connected(self.address()).get_collection("items", embedding_function=None)
        collection.modify(configuration={"hnsw": parameters or {"ef_search": 100}})
        self._server.stop()
        self._serve()

    def families(self, filtered: bool) -> list[list[Parameters]]:
        """Sizes of the search."""
        return [[{"ef_search": step} for step in STEPS]]

    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._port}"

    def session(self, address: str) -> ChromaSession:
        """Connects."""
        return ChromaSession(address)


ENGINE = Chroma
