"""Writes until it is killed, and says on stdout what it tries and what was acknowledged.

    python writes_until_killed.py FOLDER FIRST [PLANTED]

What operation n does follows from n; see `KINDS`. Four operations are in flight at any time. Meanwhile segments are
built of every 60 rows, the collection changes its name, an alias is swapped and snapshots are made and deleted.
"""

import json
import os
import sys
import threading
import time
from collections import deque
from functools import partial
from pathlib import Path

import numpy as np

from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.rows.operations import PayloadPatch, Write
from frostline.server.collections.rows.records import Record
from frostline.server.collections.rows.writer import Writer
from frostline.server.collections.segments.compaction import Compactor
from frostline.server.collections.segments.shaping import Upkeep
from inline_builder import InlineBuilder

DIMENSIONS = 96
TAIL_ROWS = 60
NAMES = ("notes", "renamed")
KINDS = ("upsert", "upsert", "absent", "patch", "delete", "upsert", "unchanged", "delete_matching", "upsert", "delete")


def vector_of(record_id, operation):
    seed = [operation, *record_id.encode()]
    return np.random.default_rng(seed).standard_normal(DIMENSIONS, dtype=np.float32)


def text_of(operation):
    return f"text {operation} " * 50


def new(operation, number):
    return f"new-{operation}-{number}"


def old(operation):
    return f"old-{operation % 3}"


def kind_of(operation):
    return KINDS[operation % len(KINDS)]


def after(state, operation):
    """What is stored after an operation: payloads by id. `vectors` says which operation the vectors are of."""
    state = dict(state)
    written = {"operation": operation, "vectors": operation}
    match kind_of(operation):
        case "upsert":
            state |= dict.fromkeys([*(new(operation, number) for number in range(3)), old(operation)], written)
        case "absent":
            state |= {new(operation, 0): written, new(operation, 1): written}
            state.setdefault(old(operation), written)
        case "patch":
            patched = state.keys() & {old(operation), new(operation - 3, 2)}
            state |= {name: state[name] | {"patched": operation} for name in patched}
        case "unchanged":
            there = state.keys() & {new(operation - 5, 2)}
            state |= {name: {"operation": operation, "vectors": operation - 5} for name in there}
        case "delete":
            gone = {new(operation - 3, number) for number in range(2)}
            state = {name: payload for name, payload in state.items() if name not in gone}
        case "delete_matching":
            state = {name: payload for name, payload in state.items() if payload["operation"] != operation - 7}
    return state


def write(name, operation, **condition):
    payload = json.dumps({"operation": operation, "vectors": operation}).encode()
    record = Record(name, {"default": vector_of(name, operation)}, payload, text_of(operation))
    return Write(record, **condition)


def unchanged(collection, operation):
    """A write that takes over the vectors, of a record that nothing in flight changes; and one that comes too late."""
    name, other = new(operation - 5, 2), new(operation - 5, 0)
    stored = collection.stored([name, other])
    payload = json.dumps({"operation": operation, "vectors": operation - 5}).encode()
    kept = Record(name, {}, payload, text_of(operation))
    late = stored[other].sequence + 1 if other in stored else 1
    return [
        Write(kept, expected_sequence=stored[name].sequence if name in stored else 1, keeps_vectors=True),
        write(other, operation, expected_sequence=late),
    ]


def submit(collection, operation):
    match kind_of(operation):
        case "upsert":
            names = [*(new(operation, number) for number in range(3)), old(operation)]
            return collection.upsert([write(name, operation) for name in names])
        case "absent":
            names = [new(operation, 0), old(operation), new(operation, 1)]
            return collection.upsert([write(name, operation, expected_sequence=0) for name in names])
        case "patch":
            names = [old(operation), "missing", new(operation - 3, 2)]
            return collection.patch([PayloadPatch(name, {"patched": operation}) for name in names])
        case "unchanged":
            return collection.upsert(unchanged(collection, operation))
        case "delete":
            return collection.delete([new(operation - 3, number) for number in range(2)])
        case "delete_matching":
            return collection.delete_matching(parse(f"operation = {operation - 7}"))


def opened(folder, compactor=None):
    upkeep = Upkeep(InlineBuilder(), compactor, tail_rows=TAIL_ROWS, idle_seconds=0.1)
    return Catalogue(Path(folder), open_collection=partial(Collection, upkeep=upkeep))


def the_one(catalogue):
    (collection,) = [each for each in catalogue.list() if each.config.id in NAMES]
    return collection


def change_names(catalogue):
    """Goes on beside the writes."""
    while True:
        for name in NAMES:
            now = the_one(catalogue).config.id
            if now != name:
                catalogue.rename(now, name)
            catalogue.set_alias("current", ("other", name)[catalogue.aliases().get("current") == "other"])
            catalogue.create_snapshot(name)
            for snapshot in catalogue.snapshots()[1:]:
                catalogue.delete_snapshot(snapshot.id)


def acknowledge_before_commit(writer, group):
    """The planted bug: `Writer._write` with its last two steps exchanged, and some time between them."""
    outcomes = writer._store.apply([each.operation for each in group])
    for waiting, outcome in zip(group, outcomes, strict=True):
        waiting.future.set_result(outcome)
    time.sleep(0.05)
    writer._store.commit()


def say(word, operation):
    os.write(1, f"{word} {operation}\n".encode())


def main(folder, first, planted=""):
    if planted:
        Writer._write = acknowledge_before_commit
    catalogue = opened(folder, Compactor())
    collection = the_one(catalogue)
    if not planted:
        threading.Thread(target=change_names, args=(catalogue,), daemon=True).start()
    operation, in_flight = int(first), deque()
    while True:
        say("try", operation)
        in_flight.append((operation, submit(collection, operation)))
        operation += 1
        if len(in_flight) == 4:
            acknowledged, future = in_flight.popleft()
            future.result()
            say("ack", acknowledged)


if __name__ == "__main__":
    main(*sys.argv[1:])
