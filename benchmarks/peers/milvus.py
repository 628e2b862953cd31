"""milvus-lite as a server process, over gRPC: HNSW or IVF."""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from engine import Parameters, Server, free_port
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient

BUCKET, BATCH = 7, 2_000
STEPS = (10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 200, 256, 320, 400, 600, 1000, 2000)
PROBES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 256)
DEFINITIONS = {
    "HNSW": {"M": 16, "efConstruction": 200},
    "HNSW_SQ": {"M": 16, "efConstruction": 200},
    "IVF_FLAT": {"nlist": 450},
}


NO_PINGS = {"grpc.keepalive_time_ms": 2**31 - 1}
"""Its server hangs up on clients that ping every ten seconds, as they do unless told, while it builds an index."""


def _connect(address: str, **options: object) -> MilvusClient:
    return MilvusClient(uri=address, grpc_options=NO_PINGS, **options)


class MilvusSession:
    """A client."""

    def __init__(self, address: str) -> None:
        self._client = _connect(address)
        self._options: Parameters = {}

    def prepare(self, parameters: Parameters, k: int, filtered: bool) -> None:
        """Keeps what travels with every search."""
        filters = f"bucket == {BUCKET}" if filtered else ""
        self._options = {
            "limit": k,
            "filter": filters,
            "search_params": {"metric_type": "COSINE", "params": parameters},
        }

    def search(self, queries: NDArray[np.float32]) -> list[list[int]]:
        """Asks for ids and distances, all queries in one call."""
        found = self._client.search("items", data=list(queries), **self._options)
        return [[hit["id"] for hit in hits] for hits in found]


class Milvus:
    """A milvus-lite server of the benchmark's own."""

    def start(self, folder: Path) -> None:
        """Starts it on a free port."""
        port = free_port()
        self._address = f"http://127.0.0.1:{port}"
        program = str(Path(sys.executable).parent / "milvus-lite")
        command = [program, "server", "--data-dir", str(folder / "milvus"), "--host", "127.0.0.1", "--port", str(port)]
        self._server = Server(command, folder)
        self._server.wait_until(lambda: _connect(self._address, timeout=1).close())

    def stop(self) -> None:
        """Ends the server."""
        if hasattr(self, "_server"):
            self._server.stop()

    def versions(self) -> dict[str, str]:
        """Of server, client and what the server searches with."""
        return {name: version(name) for name in ("milvus-lite", "pymilvus", "faiss-cpu", "grpcio")}

    def load(self, vectors: NDArray[np.float32], buckets: NDArray[np.int32]) -> None:
        """Stores the rows."""
        client = _connect(self._address)
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("bucket", DataType.INT64)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        client.create_collection("items", schema=schema)
        for start in range(0, len(vectors), BATCH):
            rows = range(start, min(start + BATCH, len(vectors)))
            client.insert(
                "items", [{"id": row, "bucket": int(buckets[row]), "embedding": vectors[row]} for row in rows]
            )
        client.flush("items")
        client.close()

    def build(self, index: str) -> None:
        """Builds "HNSW" (by default), "HNSW_SQ" or "IVF_FLAT" over the vectors and an index over bucket."""
        self._index = index or "HNSW"
        client = _connect(self._address)
        client.release_collection("items")
        for name in client.list_indexes("items"):
            client.drop_index("items", name)
        indexes = client.prepare_index_params()
        indexes.add_index("embedding", index_type=self._index, metric_type="COSINE", params=DEFINITIONS[self._index])
        indexes.add_index("bucket", index_type="INVERTED")
        client.create_index("items", indexes)
        client.load_collection("items")
        client.close()

    def families(self, filtered: bool) -> list[list[Parameters]]:
        """Sizes of the search."""
        name, steps = ("nprobe", PROBES) if self._index == "IVF_FLAT" else ("ef", STEPS)
        return [[{name: step} for step in steps]]

    def apply(self, parameters: Parameters) -> None:
        """Has nothing to do: parameters belong to the session."""

    def address(self) -> str:
        """As pymilvus wants it."""
        return self._address

    def session(self, address: str) -> MilvusSession:
        """Connects."""
        return MilvusSession(address)


ENGINE = Milvus
