"""Published against true recall, with and without filters, and how soon a large collection answers after a start.

Two payload fields: `bucket`, drawn at random, and `region`, which follows the position along a random direction, so
that the records of a filter on it lie together. Each is a number from 0 to 999; `< 500`, `< 100`, `< 10`, `< 1` let 50,
10, 1 and 0.1 % through.
"""

import time

import numpy as np
from numpy.typing import NDArray

from frostline.client import Client
from timing import Rows
from vector_data import exact, recall

K, STEPS = 10, 1000
SHARES = (500, 100, 10, 1)
QUERIES_A_CALL = 100


def fields_of(vectors: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """Values of both fields: int64 of shape (rows,), 0 to 999."""
    draw = np.random.default_rng(99)
    position = np.argsort(np.argsort(vectors @ draw.standard_normal(vectors.shape[1]).astype(np.float32)))
    return {"bucket": draw.integers(0, STEPS, len(vectors)), "region": position * STEPS // len(vectors)}


def load(client: Client, collection: str, vectors: NDArray[np.float32], rows: Rows) -> dict[str, NDArray[np.int64]]:
    """Writes all vectors with both fields, and has them indexed."""
    fields = fields_of(vectors)
    client.create_collection(collection, dimensions=vectors.shape[1], fields=dict.fromkeys(fields, "integer"))
    start = time.perf_counter()
    for begin in range(0, len(vectors), 50_000):
        part = range(begin, min(begin + 50_000, len(vectors)))
        payloads = [{name: int(values[row]) for name, values in fields.items()} for row in part]
        client.upsert_vectors(
            collection, [str(row) for row in part], vectors[begin : part[-1] + 1], payloads, batch_size=2_000
        )
    written = time.perf_counter()
    for _ in client.optimize(collection, timeout_seconds=3600):
        pass
    optimized = time.perf_counter()
    while any(each.state == "unverified" for each in client.collection_stats(collection).segments):
        time.sleep(0.1)  # hashing its files would take a core from what is measured next
    seconds = {"write": round(written - start, 2), "optimize": round(optimized - written, 2)}
    rows.add(
        {
            "section": "load",
            "rows": len(vectors),
            "seconds": seconds,
            "stats": repr(client.collection_stats(collection)),
        }
    )
    return fields


def measure(
    client: Client,
    collection: str,
    vectors: NDArray[np.float32],
    fields: dict[str, NDArray[np.int64]],
    queries: NDArray[np.float32],
    rows: Rows,
) -> list[tuple[str, float, float]]:
    """Measures recall at 10.

    Returns:
        For no filter and each filter: what it is, published recall, true recall.
    """
    filters: list[tuple[str, NDArray[np.bool_] | None]] = [("", None)]
    filters += [(f"{name} < {share}", values < share) for name, values in fields.items() for share in SHARES]
    table: list[tuple[str, float, float]] = []
    for text, matching in filters:
        truth = exact(vectors, queries, K, matching)
        found = np.full((len(queries), K), -1, np.int64)
        published: list[float] = []
        seconds: list[float] = []
        for start in range(0, len(queries), QUERIES_A_CALL):
            part = queries[start : start + QUERIES_A_CALL]
            began = time.perf_counter()
            results = client.search_batch(collection, part, limit=K, filter=text, include_payloads=False)
            seconds.append((time.perf_counter() - began) / len(part))
            published.append(results.recall)
            for row, hits in enumerate(results, start):
                found[row, : len(hits)] = [int(each) for each in hits.ids]
        row = (text, float(np.mean(published)), recall(found, truth))
        table.append(row)
        rows.add(
            {
                "section": "recall",
                "filter": text or "none",
                "queries": len(queries),
                "published": round(row[1], 4),
                "true": round(row[2], 4),
                "seconds a query in batches": round(float(np.median(seconds)), 7),
            }
        )
    return table
