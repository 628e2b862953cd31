"""What durable writing costs: ready vectors through the service against SQLite alone.

The service takes batches of 64 records in a stream. SQLite alone inserts the same rows (id, payload, vector, checksum)
into one table with an index on the id, 64 at a time, one commit with `synchronous = FULL` for each. Sides take turns.
"""

import json
import sqlite3
import tempfile
import zlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frostline.client import Client
from timing import Rows, Spread, spread, timed

BATCH, BATCHES = 64, 100


def bare(path: Path, ids: list[str], payloads: list[str], vectors: NDArray[np.float32]) -> None:
    """Inserts rows into a table of their own."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA page_size = 8192")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS rows "
        "(row INTEGER PRIMARY KEY, id TEXT UNIQUE, crc INTEGER, payload TEXT, vector BLOB)"
    )
    for start in range(0, len(ids), BATCH):
        part = range(start, min(start + BATCH, len(ids)))
        blobs = [vectors[row].tobytes() for row in part]
        rows = [
            (ids[row], zlib.crc32(blob, zlib.crc32(payloads[row].encode())), payloads[row], blob)
            for row, blob in zip(part, blobs, strict=True)
        ]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO rows (id, crc, payload, vector) VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    connection.close()


def measure(client: Client, dimensions: int, rows: Rows, rounds: int = 12) -> dict[str, Spread]:
    """Measures rows a second on both sides, in turn.

    Args:
        client: of the service.
        dimensions: of the vectors.
        rows: takes the raw rows.
        rounds: turns of each side.
    """
    client.create_collection("ingest", dimensions=dimensions)
    write = partial(client.upsert_vectors, "ingest", batch_size=BATCH)
    draw = np.random.default_rng(0)
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(rounds):
            ids = [f"{turn}/{row}" for row in range(BATCH * BATCHES)]
            vectors = draw.standard_normal((len(ids), dimensions), np.float32)
            payloads = [{"n": row, "title": f"row {row}"} for row in range(len(ids))]
            texts = list(map(json.dumps, payloads))
            seconds = {
                "bare": timed(bare, Path(folder) / "bare.sqlite", ids, texts, vectors),
                "served": timed(write, ids, vectors, payloads),
            }
            rows.add({"section": "ingest", "turn": turn, "rows": len(ids), **seconds})
            if turn:
                ratios.append(seconds["bare"] / seconds["served"])
    client.delete_collection("ingest")
    return {"ingest, served over bare SQLite": spread(ratios)}
