"""What collections cost and find, beside FAISS, SQLite and other vector stores.

    make bench-search        (benchmarks/search.py [SECTION ...] [--rows 200000] [--million 1000000] [--out FILE])

Sections: `peers` (queries a second at equal recall, unfiltered and under a filter of 1 %, one and 8 clients),
`overhead` (batches and single queries over bare FAISS), `ingest` (durable writes over bare SQLite), `memory`
(beside HNSW), `million` (published and true recall, start). Peers need their environments: `cd benchmarks && python -m
peers`.
"""

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

import ingest
import search_memory
import search_overhead
import search_recall
import vector_data
from frostline.client import Client, CollectionStats
from peers import NAMES, Peer
from server_process import ServerProcess
from timing import Rows, Timings, ratios, spread, turns

K = 10
SLICES = {False: 200, True: 50}
ROUNDS = 8


def peers(arguments: argparse.Namespace, rows: Rows) -> None:
    """Frostline and each peer in turn, with the parameters that the peer's own sweep found."""
    data = vector_data.generate(arguments.rows)
    matching = data.buckets == vector_data.BUCKET
    cache = Path(tempfile.gettempdir()) / "frostline-truth"
    truth = {
        filtered: [
            vector_data.exact(data.vectors, part, K, matching if filtered else None, cache=cache)
            for part in (data.queries, data.tuning)
        ]
        for filtered in (False, True)
    }
    with Peer("frostline") as ours:
        _prepare(ours, data, rows)
        for name in arguments.peers:
            with Peer(name) as peer:
                _prepare(peer, data, rows)
                for filtered in (False, True):
                    few = 20 if name == "milvus-lite" else 40 if filtered else 300
                    found = peer.tune(data.tuning[:few], truth[filtered][1][:few], filtered=filtered)
                    rows.add({"section": "tuned", "peer": name, "filtered": filtered, **vars(found)})
                    for clients in (1, 8) if name.startswith("pgvector") else (1,):
                        options = {"filtered": filtered, "clients": clients}
                        sides: dict[str, Callable[..., Timings]] = {
                            "frostline": partial(ours.search, k=K, **options),
                            name: partial(peer.search, k=K, parameters=found.parameters, **options),
                        }
                        _compare(sides, data.queries, truth[filtered][0], options, rows)


def _prepare(peer: Peer, data: vector_data.Data, rows: Rows) -> None:
    seconds = {"load": round(peer.load(data.vectors, data.buckets), 1), "build": round(peer.build(), 1)}
    rows.add({"section": "prepared", "peer": peer.name, "versions": peer.versions, "seconds": seconds})


def _compare(
    sides: dict[str, Callable[..., Timings]],
    queries: np.ndarray,
    truth: np.ndarray,
    options: dict[str, object],
    rows: Rows,
) -> None:
    size = SLICES[bool(options["filtered"])]
    rates: dict[str, list[float]] = {name: [] for name in sides}
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn, name, timings in turns(sides, queries, size, ROUNDS):
        begin = size * (turn % (len(queries) // size))
        recall = vector_data.recall(timings.ids, truth[begin : begin + size])
        rates[name].append(timings.rate)
        found[name].append(recall)
        rows.add(
            {"section": "peers", "side": name, "turn": turn, **options, "recall": round(recall, 4), **timings.row()}
        )
    (ours, our_rates), (other, other_rates) = rates.items()
    print(
        f"{'1 % filter' if options['filtered'] else 'no filter':10} {options['clients']} clients  {other}: "
        f"{spread(our_rates)} against {spread(other_rates)} queries/s, ratio {ratios(our_rates, other_rates)}, "
        f"recall {np.mean(found[ours]):.4f} and {np.mean(found[other]):.4f}"
    )


def overhead(arguments: argparse.Namespace, rows: Rows) -> None:
    """The service over bare FAISS."""
    data = vector_data.generate(arguments.rows)
    with tempfile.TemporaryDirectory() as folder, _server(folder) as server, Client(server.target) as client:
        search_recall.load(client, "items", data.vectors, rows)
        place = next(Path(folder).glob("collections/items.*"))
        for name, figure in search_overhead.measure(client, "items", place, data.queries, rows).items():
            print(f"{name}: {figure}")


def writes(arguments: argparse.Namespace, rows: Rows) -> None:
    """Durable writes over bare SQLite."""
    with tempfile.TemporaryDirectory() as folder, _server(folder) as server, Client(server.target) as client:
        for name, figure in ingest.measure(client, vector_data.DIMENSIONS, rows).items():
            print(f"{name}: {figure}")


def million(arguments: argparse.Namespace, rows: Rows) -> None:
    """Recall, memory and start of a large collection."""
    data = vector_data.generate(arguments.million)
    with tempfile.TemporaryDirectory() as folder:
        with _server(folder) as server, Client(server.target) as client:
            fields = search_recall.load(client, "items", data.vectors, rows)
            for text, published, true in search_recall.measure(
                client, "items", data.vectors, fields, data.queries, rows
            ):
                print(
                    f"{text or 'no filter':16} published {published:.4f}, true {true:.4f}, off {published - true:+.4f}"
                )
            print(_bytes(client.collection_stats("items")))
        for turn in range(5):
            start = time.perf_counter()
            with _server(folder) as server, Client(server.target) as client:
                client.search_batch("items", data.queries[:1], limit=K, include_payloads=False)
                seconds = time.perf_counter() - start
            rows.add({"section": "start", "turn": turn, "seconds": round(seconds, 3)})
            print(f"start to first answer: {seconds:.2f} s")


def memory(arguments: argparse.Namespace, rows: Rows) -> None:
    """Memory and segments over those of HNSW."""
    data = vector_data.generate(arguments.rows)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as nothing:
        with _server(folder) as server, Client(server.target) as client:
            search_recall.load(client, "items", data.vectors, rows)
        # Both anew, so that nothing is left of writing.
        with _server(nothing) as empty, _server(folder) as server, Client(server.target) as client:
            print(search_memory.measure(empty, server, client, "items", data.vectors, data.queries, rows))


def _bytes(stats: CollectionStats) -> str:
    count = stats.record_count
    return (
        f"bytes a vector: memory and indexes {(stats.memory_bytes + stats.indexes_bytes) / count:.1f}, on disk floats "
        f"{stats.vectors_bytes / count:.0f} and rows {stats.records_bytes / count:.0f}"
    )


def _server(folder: str) -> ServerProcess:
    return ServerProcess(Path(folder), "--encoders", "", "--index-threads", "2")


SECTIONS = {"peers": peers, "overhead": overhead, "ingest": writes, "memory": memory, "million": million}


def main() -> None:
    """Runs sections, writes raw rows, prints medians and spread."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", default=list(SECTIONS))
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--peers", nargs="*", choices=NAMES, default=list(NAMES))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    packages = ("frostline", "faiss-cpu", "grpcio", "protobuf", "numpy")
    for section in arguments.sections:
        rows = Rows(arguments.out / f"search-{section}.jsonl", echo=sys.stderr)
        rows.add({"versions": {name: version(name) for name in packages} | {"python": platform.python_version()}})
        SECTIONS[section](arguments, rows)


if __name__ == "__main__":
    main()
