"""Memory and segments of a collection a vector, beside a FAISS HNSW of the same vectors with the same recall."""

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from frostline.client import Client
from server_process import ServerProcess
from timing import Rows
from vector_data import exact, recall

K, LINKS, TARGET = 10, 32, 0.95
_WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256)


def measure(
    empty: ServerProcess,
    server: ServerProcess,
    client: Client,
    collection: str,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    rows: Rows,
) -> str:
    """Compares both.

    Args:
        empty: a server without collections, whose memory is taken off.
        server: that holds the collection.
        client: of that server.
        collection: indexed, in one segment.
        vectors: float32 of shape (n, d); those of the collection.
        queries: float32 of shape (q, d).
        rows: takes the raw rows.

    Returns:
        A line with the bytes a vector of both, and their ratio.
    """
    client.search_batch(collection, queries, limit=K, include_payloads=False)
    anonymous = server.anonymous_bytes() - empty.anonymous_bytes()
    stats = client.collection_stats(collection)
    segments = sum(each.size_bytes for each in stats.segments) - stats.vectors_bytes
    count = len(vectors)
    ours = (anonymous + segments) / count
    hnsw = _hnsw(vectors, queries, rows)
    row = {
        "section": "memory",
        "rows": count,
        "anonymous bytes a vector": round(anonymous / count, 1),
        "segment bytes a vector": round(segments / count, 1),
        "float file bytes a vector": round(stats.vectors_bytes / count, 1),
        "database bytes a vector": round(stats.records_bytes / count, 1),
        "hnsw bytes a vector": round(hnsw, 1),
        "ratio": round(ours / hnsw, 4),
    }
    rows.add(row)
    return (
        f"anonymous memory {anonymous / count:.1f} and segments {segments / count:.1f} bytes a vector, "
        f"{ours / hnsw:.3f} of HNSW's {hnsw:.0f}; apart from that on disk: floats {stats.vectors_bytes / count:.0f}, "
        f"database {stats.records_bytes / count:.0f}"
    )


def _hnsw(vectors: NDArray[np.float32], queries: NDArray[np.float32], rows: Rows) -> float:
    """Bytes a vector of an HNSW that was shown to reach the recall."""
    index: Any = faiss.IndexHNSWFlat(vectors.shape[1], LINKS)
    index.hnsw.efConstruction = 80
    index.add(vectors)
    truth = exact(vectors, queries, K)
    for width in _WIDTHS:
        index.hnsw.efSearch = width
        found = recall(index.search(queries, K)[1], truth)
        rows.add({"section": "hnsw", "links": LINKS, "ef": width, "recall": round(found, 4)})
        if found >= TARGET:
            break
    return float(len(faiss.serialize_index(index))) / len(vectors)
