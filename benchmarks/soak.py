"""Kills a loaded server over and over and looks for what it lost; then loads one for long and watches its memory.

Part 1, `--kills` rounds: two writers upsert records with vectors, a searcher searches, an embedder embeds; after a
random time the server is killed with SIGKILL and started again on the same folder. Every acknowledged record must be
there with the vector that was acknowledged last, or one that was in flight. Part 2, `--minutes`: the same load on one
server; its memory is read every few seconds. The exit code is 1 when anything was lost or damaged.

    .venv/bin/python benchmarks/soak.py [--kills 200] [--minutes 10] [--out benchmarks/results/soak.jsonl]
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from frostline.client import Client, Retry
from frostline.client.errors import FrostlineError
from server_process import ServerProcess

DIMENSIONS, BATCH, IDS, WRITERS, SEED = 384, 16, 4000, 2, 0
ENCODER = "all-minilm-l6-v2"


class Load:
    """Clients at work until they are stopped or the server is gone.

    Attributes:
        acknowledged: the last acknowledged version of each id.
        in_flight: the last version of each id that was sent.
        calls: answered calls by kind.
        failures: what ended a client; the kill, or a fault.
    """

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.in_flight: dict[str, int] = {}
        self.calls = {"upsert": 0, "search": 0, "embed": 0}
        self.failures: list[str] = []
        self._version = 0
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, target: str) -> None:
        """Sets the clients to work."""
        self._stop.clear()
        works = [lambda client, part=part: self._write(client, part) for part in range(WRITERS)]
        works += [self._search, self._embed]
        self._threads = [threading.Thread(target=self._repeat, args=(target, work)) for work in works]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Waits for the clients to end their calls."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, target: str, work) -> None:  # noqa: ANN001 - one of the three below
        with Client(target, retry=Retry(attempts=1), timeout_seconds=20) as client:
            while not self._stop.is_set():
                try:
                    work(client)
                except FrostlineError as error:
                    self.failures.append(str(error))
                    return

    def _write(self, client: Client, part: int) -> None:
        self._version += 1
        version = self._version * WRITERS + part
        ids = [f"r{number * WRITERS + part}" for number in random.sample(range(IDS // WRITERS), BATCH)]
        self.in_flight.update(dict.fromkeys(ids, version))
        client.upsert_vectors(
            "soak", ids, np.stack([vector_of(each, version) for each in ids]), [{"v": version}] * BATCH
        )
        self.acknowledged.update(dict.fromkeys(ids, version))
        self.calls["upsert"] += 1

    def _search(self, client: Client) -> None:
        client.search("soak", vector_of(f"r{random.randrange(IDS)}", 1))
        self.calls["search"] += 1

    def _embed(self, client: Client) -> None:
        client.embed([f"text number {self.calls['embed']}"] * random.randint(1, 8), ENCODER)
        self.calls["embed"] += 1


def vector_of(record_id: str, version: int) -> np.ndarray:
    """The one vector that a version of a record can have; float32 of shape (384,)."""
    return np.random.default_rng([int(record_id[1:]), version]).standard_normal(DIMENSIONS, np.float32)


def lost(client: Client, load: Load) -> list[str]:
    """Says what is wrong with each record that is not what was acknowledged or in flight."""
    found = {record.id: record for record in client.list_records("soak", include_vectors=True)}
    wrong = [f"{each} was acknowledged and is gone" for each in load.acknowledged.keys() - found.keys()]
    wrong += [f"{each} was never sent" for each in found.keys() - load.in_flight.keys()]
    for record_id, record in found.items():
        version = record.payload["v"]
        if version not in (load.acknowledged.get(record_id), load.in_flight.get(record_id)):
            wrong.append(f"{record_id} has version {version}, acknowledged was {load.acknowledged.get(record_id)}")
        elif not np.array_equal(record.vector, vector_of(record_id, version)):
            wrong.append(f"{record_id} has another vector than version {version}")
    return wrong


def kill_rounds(folder: Path, rounds: int) -> Iterator[dict[str, object]]:
    """Yields one raw row a round."""
    load = Load()
    for number in range(rounds):
        with ServerProcess(folder) as server:
            with Client(server.target) as client:
                if number == 0:
                    client.create_collection("soak", dimensions=DIMENSIONS)
                wrong = lost(client, load)
                load.in_flight = dict(load.acknowledged) | {
                    record.id: record.payload["v"] for record in client.list_records("soak")
                }
                load.acknowledged = dict(load.in_flight)
            load.start(server.target)
            time.sleep(random.uniform(0.2, 3.0))
            server.kill()
            load.stop()
        row = {"round": number, "found": len(load.in_flight), "wrong": wrong[:5], "wrong_count": len(wrong)}
        yield row | {"calls": dict(load.calls)}


def long_run(folder: Path, minutes: float) -> Iterator[dict[str, object]]:
    """Yields one raw row every ten seconds, the last after a clean stop of the load."""
    load = Load()
    with ServerProcess(folder) as server:
        with Client(server.target) as client:
            client.create_collection("soak", dimensions=DIMENSIONS)
        load.start(server.target)
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < minutes * 60:
            time.sleep(10)
            yield {"seconds": round(elapsed), "resident_bytes": server.resident_bytes(), "calls": dict(load.calls)}
        load.stop()
        with Client(server.target) as client:
            wrong = load.failures + lost(client, load)
        yield {"seconds": round(time.monotonic() - start), "wrong_count": len(wrong), "wrong": wrong[:5]}


def main() -> int:
    """Runs both parts, writes raw rows, prints a summary; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "soak.jsonl")
    arguments = parser.parse_args()
    random.seed(SEED)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (
            kill_rounds(Path(folder) / "kills", arguments.kills),
            long_run(Path(folder) / "long", arguments.minutes),
        ):
            for row in part:
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wrong = sum(int(str(row.get("wrong_count", 0))) for row in rows)
    memory = [int(str(row["resident_bytes"])) >> 20 for row in rows if "resident_bytes" in row]
    print(f"{arguments.kills} kills, {arguments.minutes:g} minutes: {wrong} records lost or wrong")
    if memory:
        print(
            f"resident memory, MiB: {memory[0]} at first, {memory[len(memory) // 2]} halfway, {memory[-1]} at the end"
        )
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
