"""Kills a loaded server over and over and looks for what it lost; then loads one for long and watches its memory.

Part 1, `--kills` rounds: two writers upsert, patch and delete records with vectors, a searcher searches with and
without filters, an embedder embeds, one client renames the collection and swaps an alias, one makes and deletes
snapshots, and since `--max-tail-rows` is small, segments are built all the time. After a random time the server is
killed with SIGKILL and started again on the same folder. Every id must hold what was acknowledged last, or what was in
flight; searches and filters must find it; names and snapshots likewise. Every tenth round a snapshot is restored and
read. Part 2, `--minutes`: the same load on one server; its memory is read every few seconds. The exit code is 1 when
anything was lost or damaged.

    .venv/bin/python benchmarks/soak.py [--kills 200] [--minutes 10] [--out benchmarks/results/soak.jsonl]
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from frostline.client import Client
from frostline.client.errors import FrostlineError
from server_process import ServerProcess
from soak_load import ALIAS, Load, restored

SEED = 0
UNFINISHED = (".new-", ".deleted-", ".building-")


def kill_rounds(folder: Path, rounds: int, tail_rows: int) -> Iterator[dict[str, object]]:
    """Yields one raw row a round."""
    load = Load()
    with server_in(folder, tail_rows) as server, Client(server.target) as client:
        load.create(client)
    for number in range(rounds):
        with server_in(folder, tail_rows) as server:
            with Client(server.target) as client:
                wrong = load.settle(client)
                if number % 10 == 9:
                    wrong += restored(client)
                load.failures.clear()
                load.start(server.target)
                time.sleep(random.uniform(0.2, 3.0))
                building = is_building(client)
            server.kill()
            load.stop()
        yield {
            "round": number,
            "found": len(load.acknowledged),
            "killed_while_building": building,
            "wrong": wrong[:5],
            "wrong_count": len(wrong),
            "calls": dict(load.calls),
        }
    with server_in(folder, tail_rows) as server, Client(server.target) as client:
        wrong = load.settle(client) + restored(client)
    wrong += [f"{path} was left" for path in folder.rglob("*") if path.name.startswith(UNFINISHED)]
    yield {"round": rounds, "found": len(load.acknowledged), "wrong": wrong[:5], "wrong_count": len(wrong)}


def long_run(folder: Path, minutes: float, tail_rows: int) -> Iterator[dict[str, object]]:
    """Yields one raw row every ten seconds, the last after a clean stop of the load."""
    load = Load()
    with server_in(folder, tail_rows) as server:
        with Client(server.target) as client:
            load.create(client)
        load.start(server.target)
        start = time.monotonic()
        while (elapsed := time.monotonic() - start) < minutes * 60:
            time.sleep(10)
            yield {
                "seconds": round(elapsed),
                "resident_bytes": server.resident_bytes(),
                "anonymous_bytes": server.anonymous_bytes(),
                "disk_bytes": sum(path.stat().st_size for path in existing(folder)),
                "calls": dict(load.calls),
            }
        load.stop()
        with Client(server.target) as client:
            wrong = load.failures + load.settle(client) + restored(client)
        yield {"seconds": round(time.monotonic() - start), "wrong_count": len(wrong), "wrong": wrong[:5]}


def server_in(folder: Path, tail_rows: int) -> ServerProcess:
    """A server whose segments are small."""
    return ServerProcess(folder, "--max-tail-rows", str(tail_rows))


def is_building(client: Client) -> bool | None:
    """Whether a segment is being built; None where the server is too busy to say."""
    try:
        return client.collection_stats(ALIAS, timeout_seconds=5).building
    except FrostlineError:
        return None


def existing(folder: Path) -> Iterator[Path]:
    """The files of a folder that changes meanwhile."""
    return (path for path in list(folder.rglob("*")) if path.is_file())


def main() -> int:
    """Runs both parts, writes raw rows, prints a summary; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--max-tail-rows", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "soak.jsonl")
    arguments = parser.parse_args()
    random.seed(SEED)
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for part in (
            kill_rounds(Path(folder) / "kills", arguments.kills, arguments.max_tail_rows),
            long_run(Path(folder) / "long", arguments.minutes, arguments.max_tail_rows),
        ):
            for row in part:
                rows.append(row)
                print(json.dumps(row), file=sys.stderr, flush=True)
    arguments.out.parent.mkdir(exist_ok=True)
    arguments.out.write_text("".join(json.dumps(row) + "\n" for row in rows))
    wrong = sum(int(str(row.get("wrong_count", 0))) for row in rows)
    building = sum(row.get("killed_while_building") is True for row in rows)
    print(
        f"{arguments.kills} kills, {building} of them while a segment was built, {arguments.minutes:g} minutes: "
        f"{wrong} records, names or snapshots lost or wrong"
    )
    for what in ("resident", "anonymous"):
        memory = [int(str(row[f"{what}_bytes"])) >> 20 for row in rows if f"{what}_bytes" in row]
        if memory:
            print(
                f"{what} memory, MiB: {memory[0]} at first, {memory[len(memory) // 2]} halfway, {memory[-1]} at the end"
            )
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
