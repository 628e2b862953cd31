"""Drives one engine for the benchmark, inside the engine's own environment: JSON lines in, JSON lines out.

    ENVIRONMENT/bin/python driver.py MODULE FOLDER

Commands: load, build, search; each is answered by one line. Every client is a process of its own that holds its
connection, so that no interpreter lock is shared, and times its own calls: neither the way to this process nor the
starting of clients is in the figures. Everything ends when the input does.
"""

import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from engine import Engine, Parameters, Session, end_with_parent
from numpy.typing import NDArray


def engine_of(module: str) -> Engine:
    """Makes the engine of a module beside this file."""
    return importlib.import_module(module).ENGINE()


def client(module: str, address: str, pipe: Connection) -> None:
    """Is one client: prepares, says so, waits for the word, searches, hands over ids and times."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver ends it
    session = engine_of(module).session(address)
    loaded: dict[str, NDArray[np.float32]] = {}
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        try:
            if order["queries"] not in loaded:
                loaded = {order["queries"]: np.load(order["queries"])}
            queries = np.roll(loaded[order["queries"]], -order["shift"], axis=0)
            batches = [queries[start : start + order["batch"]] for start in range(0, len(queries), order["batch"])]
            session.prepare(order["parameters"], order["k"], order["filtered"])
            pipe.send("ready")
            pipe.recv()
            pipe.send(searched(session, batches))
        except Exception:
            pipe.send({"error": traceback.format_exc()})


def searched(session: Session, batches: list[NDArray[np.float32]]) -> dict[str, Any]:
    """Searches batch after batch; the clock is the machine's, so that clients can be compared."""
    ids: list[list[int]] = []
    times = [time.perf_counter()]
    for batch in batches:
        ids += session.search(batch)
        times.append(time.perf_counter())
    return {"ids": ids, "times": times}


class Driver:
    """Answers the benchmark's commands."""

    def __init__(self, module: str, engine: Engine) -> None:
        self._module, self._engine = module, engine
        self._clients: list[Connection] = []
        self._applied: Parameters = {}

    def load(self, vectors: str, buckets: str) -> dict[str, Any]:
        """Stores the rows of two files."""
        start = time.perf_counter()
        self._engine.load(np.load(vectors, mmap_mode="r"), np.load(buckets))
        return {"seconds": time.perf_counter() - start}

    def build(self, index: str) -> dict[str, Any]:
        """Builds an index."""
        start = time.perf_counter()
        self._engine.build(index)
        families = {str(filtered): self._engine.families(filtered) for filtered in (False, True)}
        return {"seconds": time.perf_counter() - start, "families": families}

    def search(self, clients: int, **order: Any) -> dict[str, Any]:  # noqa: ANN401 (fields of JSON)
        """Lets that many clients search at once, each for all queries, each beginning elsewhere."""
        if order["parameters"] != self._applied:
            self._engine.apply(order["parameters"])
            self._applied = order["parameters"]
        self._connect(clients)
        n = len(np.load(order["queries"], mmap_mode="r"))
        pipes = self._clients[:clients]
        for number, pipe in enumerate(pipes):
            pipe.send({**order, "shift": number * n // clients})
        for pipe in pipes:
            self._answer(pipe)
        for pipe in pipes:
            pipe.send("go")
        answers = [self._answer(pipe) for pipe in pipes]
        times = [answer["times"] for answer in answers]
        return {
            "ids": answers[0]["ids"],
            "seconds": [float(value) for one in times for value in np.diff(one)],
            "elapsed_seconds": max(one[-1] for one in times) - min(one[0] for one in times),
            "queries": clients * n,
        }

    def _connect(self, count: int) -> None:
        """Starts clients until there are enough; they stay."""
        spawn = multiprocessing.get_context("spawn")
        while len(self._clients) < count:
            ours, theirs = spawn.Pipe()
            arguments = (self._module, self._engine.address(), theirs)
            spawn.Process(target=client, args=arguments, daemon=True).start()
            theirs.close()
            self._clients.append(ours)

    @staticmethod
    def _answer(pipe: Connection) -> Any:  # noqa: ANN401 (a message)
        answer = pipe.recv()
        if isinstance(answer, dict) and "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def main() -> None:
    """Starts the engine, answers lines until there are no more."""
    module, folder = sys.argv[1], Path(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no reply
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that `finally` runs
    end_with_parent(signal.SIGTERM)()  # a benchmark that was killed closes its pipe too late for a long load
    engine = engine_of(module)
    try:
        engine.start(folder)
        driver = Driver(module, engine)
        replies.write(json.dumps({"versions": engine.versions()}) + "\n")
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = getattr(driver, order.pop("command"))(**order)
            except Exception:
                answer = {"error": traceback.format_exc()}
            replies.write(json.dumps(answer) + "\n")
    finally:
        engine.stop()


if __name__ == "__main__":
    main()
