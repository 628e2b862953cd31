"""Writes until it is killed, and says on stdout what it tries and what was acknowledged.

    python writes_until_killed.py FOLDER FIRST [PLANTED]

Operation n writes three new records and replaces one of three old ones, or deletes two of an earlier operation. Four
operations are in flight at any time.
"""

import os
import sys
import time
from collections import deque
from pathlib import Path

import numpy as np

from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.records import Record
from frostline.server.collections.writer import Writer

DIMENSIONS = 96


def vector_of(record_id, operation):
    seed = [operation, *record_id.encode()]
    return np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)


def written_by(operation):
    names = [f"new-{operation}-{number}" for number in range(3)] + [f"old-{operation % 3}"]
    payload = f'{{"operation": {operation}}}'.encode()
    return [Record(name, vector_of(name, operation), payload, f"text {operation} " * 50) for name in names]


def deleted_by(operation):
    return [f"new-{operation - 3}-{number}" for number in range(2)]


def is_deletion(operation):
    return operation % 5 == 4


def say(word, operation):
    os.write(1, f"{word} {operation}\n".encode())


def acknowledge_before_commit(writer, group):
    """The planted bug: `Writer._write` with its last two steps exchanged, and some time between them."""
    outcomes = writer._store.apply([each.operation for each in group])
    for waiting, outcome in zip(group, outcomes, strict=True):
        waiting.future.set_result(outcome)
    time.sleep(0.05)
    writer._store.commit()


def main(folder, first, planted=""):
    if planted:
        Writer._write = acknowledge_before_commit
    collection = Catalogue(Path(folder)).get("notes")
    operation, in_flight = int(first), deque()
    while True:
        say("try", operation)
        deletes = is_deletion(operation)
        future = collection.delete(deleted_by(operation)) if deletes else collection.upsert(written_by(operation))
        in_flight.append((operation, future))
        operation += 1
        if len(in_flight) == 4:
            acknowledged, future = in_flight.popleft()
            future.result()
            say("ack", acknowledged)


if __name__ == "__main__":
    main(*sys.argv[1:])
