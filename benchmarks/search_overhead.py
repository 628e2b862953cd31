"""What the service adds to FAISS: batches of 64 against bare FAISS, one query against an echo and bare FAISS.

Bare FAISS is the same index file, read by FAISS, with the same number of lists, and `IndexRefineFlat` over the same
float vectors: the same recall without us. The echo is a gRPC server in Python that answers as many bytes with as many.
"""

import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import grpc
import numpy as np
from numpy.typing import NDArray

from echo_server import METHOD
from frostline.client import Client
from timing import Rows, Spread, spread, timed

K, BATCH = 10, 64


class BareFaiss:
    """The index of a collection's one segment, without Frostline.

    Args:
        folder: of the collection.
        probes: lists to search, as the service says it does.
        candidates: of each query, to be compared exactly.
    """

    def __init__(self, folder: Path, probes: int, candidates: int) -> None:
        segment = next(path for path in (folder / "segments").iterdir() if not path.name.startswith("."))
        base: Any = faiss.read_index(str(segment / "0.faiss"))
        vectors = np.fromfile(segment / "0.f32", np.float32).reshape(-1, base.d)
        self._index: Any = faiss.IndexRefineFlat(base, faiss.swig_ptr(vectors))
        self._parameters = faiss.IndexRefineSearchParameters(
            k_factor=candidates / K, base_index_params=faiss.SearchParametersIVF(nprobe=probes)
        )

    def search(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """Finds rows: int64 of shape (q, 10)."""
        faiss.omp_set_num_threads(1 if len(queries) == 1 else 2)
        rows: NDArray[np.int64] = self._index.search(queries, K, params=self._parameters)[1]
        return rows


@contextmanager
def echo(request_bytes: int, answer_bytes: int) -> Any:  # noqa: ANN401 (a context manager)
    """A call of an echo server, as a function without arguments."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "echo_server.py"), str(answer_bytes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        call = channel.unary_unary(METHOD)
        request = bytes(request_bytes)
        yield lambda: call(request)
    process.stdin.close()
    process.wait()


def measure(
    client: Client, collection: str, folder: Path, queries: NDArray[np.float32], rows: Rows
) -> dict[str, Spread]:
    """Measures both figures, sides in turn.

    Args:
        client: of the service.
        collection: indexed, in one segment.
        folder: of the collection, to read its index from.
        queries: float32 of shape (n, d).
        rows: takes the raw rows.
    """
    step = client.search_batch(collection, queries[:1], limit=K, include_payloads=False, explain=True).explanation
    if step is None or len(step.steps) != 1:
        raise SystemExit("the collection is not in one segment; optimize it first")
    bare = BareFaiss(folder, step.steps[0].probe_count, step.steps[0].candidate_count)
    agreement = _agreement(client, collection, bare, queries[:200])
    rows.add({"section": "overhead", "same ids as bare FAISS": agreement, "probes": step.steps[0].probe_count})
    return _batches(client, collection, bare, queries, rows) | _single(client, collection, bare, queries, rows)


def _agreement(client: Client, collection: str, bare: BareFaiss, queries: NDArray[np.float32]) -> float:
    found = client.search_batch(collection, queries, limit=K, include_payloads=False)
    pairs = zip(found, bare.search(queries).tolist(), strict=True)
    return float(np.mean([len({int(each) for each in hits.ids} & set(rows)) / K for hits, rows in pairs]))


def _batches(
    client: Client, collection: str, bare: BareFaiss, queries: NDArray[np.float32], rows: Rows
) -> dict[str, Spread]:
    def served(batch: NDArray[np.float32]) -> object:
        return client.search_batch(collection, batch, limit=K, include_payloads=False)

    ratios: list[float] = []
    for turn in range(30):
        batch = queries[(turn * BATCH) % (len(queries) - BATCH) :][:BATCH]
        seconds = {"bare": timed(bare.search, batch), "served": timed(served, batch)}
        rows.add({"section": "batch of 64", "turn": turn, **seconds})
        if turn >= 3:
            ratios.append(seconds["bare"] / seconds["served"])
    return {"batch of 64, served over bare FAISS": spread(ratios)}


def _single(
    client: Client, collection: str, bare: BareFaiss, queries: NDArray[np.float32], rows: Rows
) -> dict[str, Spread]:
    differences: list[float] = []
    with echo(4 * queries.shape[1] + 40, 10 * (8 + 4) + 60) as call:
        sides: dict[str, Callable[[NDArray[np.float32]], object]] = {
            "served": lambda query: client.search_batch(collection, query, limit=K, include_payloads=False),
            "echo": lambda query: call(),
            "bare": bare.search,
        }
        for turn in range(20):
            part = queries[(turn * 50) % (len(queries) - 50) :][:50]
            medians = {side: _median(work, part) for side, work in sides.items()}
            rows.add(
                {"section": "one query", "turn": turn, **{side: round(value, 7) for side, value in medians.items()}}
            )
            if turn >= 2:
                differences.append(1e3 * (medians["served"] - medians["echo"] - medians["bare"]))
    return {"one query, served - echo - bare FAISS, ms": spread(differences)}


def _median(work: Callable[[NDArray[np.float32]], object], queries: NDArray[np.float32]) -> float:
    return float(np.median([timed(work, queries[place : place + 1]) for place in range(len(queries))]))
