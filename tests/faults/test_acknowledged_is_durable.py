"""`kill -9` at random moments loses nothing that was acknowledged, and leaves nothing half written.

The moments fall into commits, renames, swaps of an alias, snapshots and the building of segments.
"""

import json
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

import writes_until_killed
from collecting import config
from frostline.server.collections.filters.grammar import parse
from frostline.server.collections.search.query import SearchOptions
from writes_until_killed import DIMENSIONS, KINDS, NAMES, after, opened, text_of, the_one, vector_of


def write_and_kill(folder, first, faults):
    """Returns the operations that were tried and those that were acknowledged."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, writes_until_killed.__file__, folder, str(first), *faults]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    tried, acknowledged = [], []
    enough = random.randint(1, 120)
    for line in child.stdout:
        word, operation = line.split()
        (tried if word == "try" else acknowledged).append(int(operation))
        if len(acknowledged) == enough:
            time.sleep(random.uniform(0, 0.005))
            child.kill()
            break
    for line in child.communicate()[0].splitlines():  # what it said before it died
        word, operation = line.split()
        (tried if word == "try" else acknowledged).append(int(operation))
    assert child.returncode == -9
    return tried, acknowledged


def read(collection):
    """Reads everything back; each record must be whole, and found in each way."""
    state, place = {}, 0
    while place is not None:
        records, place = collection.page(place, 500, vectors=True, content=True)
        for record in records:
            payload = state[record.id] = json.loads(record.payload)
            assert record.text == text_of(payload["operation"])
            np.testing.assert_array_equal(record.vectors["default"], vector_of(record.id, payload["vectors"]))
    assert collection.count() == collection.count(parse("operation:*")) == len(state)
    found = collection.search_vectors(np.ones((1, DIMENSIONS), np.float32), 0, SearchOptions(limit=10_000))
    assert sorted(found.ids[0]) == sorted(state)
    return state


def found_after_kill(folder):
    """What is stored, and what the newest snapshot holds, if there is one."""
    catalogue = opened(folder)
    collection = the_one(catalogue)
    while collection.compact():  # verifies segments, too
        pass
    state = read(collection)
    aliases, names = catalogue.aliases(), {each.config.id for each in catalogue.list()}
    assert names in [{"other", name} for name in NAMES]
    assert set(aliases.values()) <= names
    in_snapshot = None
    for snapshot in catalogue.snapshots():
        in_snapshot = read(catalogue.restore_snapshot(snapshot.id, "restored"))
        assert len(in_snapshot) == snapshot.record_count
        catalogue.delete("restored")
        catalogue.delete_snapshot(snapshot.id)
    catalogue.close()
    for part in (".new-*", ".deleted-*", "*/segments/.*"):
        assert not list(folder.glob(part))
    return state, in_snapshot


def survive(folder, rounds, *faults):
    """Kills a writing child again and again.

    The state found must be that after all acknowledged operations and some of those in flight, in order; that of a
    snapshot is one on the way there.
    """
    catalogue = opened(folder)
    catalogue.create(config(NAMES[0], dimensions=DIMENSIONS))
    catalogue.create(config("other", dimensions=DIMENSIONS))
    catalogue.close()
    state, first, applied = {}, 0, []
    for _ in range(rounds):
        tried, acknowledged = write_and_kill(folder, first, faults)
        assert acknowledged == tried[: len(acknowledged)]
        states = [state]
        for operation in tried:
            states.append(after(states[-1], operation))
        state, in_snapshot = found_after_kill(folder)
        possible = states[len(acknowledged) :]
        if state not in possible:
            expected = possible[0]
            wrong = sorted(name for name in expected | state if expected.get(name) != state.get(name))
            raise AssertionError(f"acknowledged, but lost or changed: {wrong[:10]}; acknowledged {acknowledged[-5:]}")
        assert in_snapshot is None or in_snapshot in states
        applied += tried[: len(acknowledged) + possible.index(state)]
        first = tried[-1] + 1
    return applied


def test_what_was_acknowledged_survives_kill(tmp_path):
    assert len(survive(tmp_path, 3)) >= 3


@pytest.mark.full
def test_what_was_acknowledged_survives_twenty_kills(tmp_path):
    assert len(survive(tmp_path, 20)) >= 20


def test_this_test_notices_an_acknowledgement_before_the_commit(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged, but lost"):
        survive(tmp_path, 3, "planted")


def test_the_operations_do_what_the_kill_tests_take_them_to_do(tmp_path):
    catalogue = opened(tmp_path)
    collection = catalogue.create(config(NAMES[0], dimensions=DIMENSIONS))
    state, refused, patched, kept = {}, 0, 0, 0
    for operation in range(4 * len(KINDS)):
        written = writes_until_killed.submit(collection, operation).result(20)
        refused += len(written.errors)
        state = after(state, operation)
        assert read(collection) == state, KINDS[operation % len(KINDS)]
        patched += any("patched" in each for each in state.values())
        kept += any(each["vectors"] < each["operation"] for each in state.values())
        collection.compact()
    assert min(refused, patched, kept) >= 4
    assert collection.stats().segments
    catalogue.close()
