"""`kill -9` at random moments loses nothing that was acknowledged, and leaves nothing half written."""

import random
import subprocess
import sys
import time

import numpy as np
import pytest

import writes_until_killed
from collecting import config
from frostline.server.collections.catalogue import Catalogue
from writes_until_killed import DIMENSIONS, deleted_by, is_deletion, vector_of, written_by


def write_and_kill(folder, first, planted):
    """Returns the operations that were tried and those that were acknowledged."""
    command = [sys.executable, writes_until_killed.__file__, folder, str(first), *planted]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    tried, acknowledged = [], []
    enough = random.randint(1, 60)
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


def state_after(operations):
    """Which operation last wrote each record."""
    state = {}
    for operation in operations:
        if is_deletion(operation):
            for name in deleted_by(operation):
                state.pop(name, None)
        else:
            state |= {record.id: operation for record in written_by(operation)}
    return state


def state_found(folder):
    """Reads everything back; each record must be whole."""
    catalogue = Catalogue(folder)
    notes = catalogue.get("notes")
    state, after = {}, 0
    while after is not None:
        records, after = notes.page(after, 500, vectors=True, content=True)
        for record in records:
            operation = int(record.payload.removeprefix(b'{"operation": ').removesuffix(b"}"))
            assert record.text == f"text {operation} " * 50
            np.testing.assert_array_equal(record.vector, vector_of(record.id, operation))
            state[record.id] = operation
    assert notes.count() == len(state)
    if state:
        found = notes.search(np.ones((1, DIMENSIONS), np.float32), 10_000)
        assert sorted(found.ids[0]) == sorted(state)
    catalogue.close()
    return state


def survive(folder, rounds, *planted):
    """Kills a writing child again and again.

    The state found must be that after all acknowledged operations and some of those in flight, in order.
    """
    catalogue = Catalogue(folder)
    catalogue.create(config(dimensions=DIMENSIONS))
    catalogue.close()
    applied, first = [], 0
    for _ in range(rounds):
        tried, acknowledged = write_and_kill(folder, first, planted)
        assert acknowledged == tried[: len(acknowledged)]
        found = state_found(folder)
        for end in range(len(acknowledged), len(tried) + 1):
            if state_after(applied + tried[:end]) == found:
                break
        else:
            expected = state_after(applied + acknowledged)
            lost = {name for name in expected if found.get(name, -1) < expected[name]}
            raise AssertionError(f"acknowledged, but lost: {sorted(lost)[:10]}; acknowledged {acknowledged[-5:]}")
        applied, first = applied + tried[:end], tried[-1] + 1
    return applied


def test_what_was_acknowledged_survives_kill(tmp_path):
    assert len(survive(tmp_path, 3)) >= 3


@pytest.mark.full
def test_what_was_acknowledged_survives_twenty_kills(tmp_path):
    assert len(survive(tmp_path, 20)) >= 20


def test_this_test_notices_an_acknowledgement_before_the_commit(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged, but lost"):
        survive(tmp_path, 3, "planted")
