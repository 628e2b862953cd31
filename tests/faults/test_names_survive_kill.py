"""`kill -9` in a change of names, in a snapshot or in its restoration leaves what was before or what comes after it."""

import itertools
import json
import os
import random
import subprocess
import sys
import time

import pytest

import killed_at_each_step
import names_until_killed
from frostline.server.collections.catalogue import Catalogue
from names_until_killed import Expected, found, planned


def child(program, *arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, program.__file__, *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def test_an_end_before_any_step_leaves_the_old_state_or_the_new_one(tmp_path):
    process = child(killed_at_each_step, tmp_path)
    lines = [json.loads(line) for line in process.communicate()[0].splitlines()]
    assert process.returncode == 0
    first, *lines = lines
    by_kind = {kind: list(each) for kind, each in itertools.groupby(lines, lambda line: line["kind"])}
    assert set(by_kind) == set(names_until_killed.OPERATIONS)
    for kind, runs in by_kind.items():
        before, after = first["found"], runs[-1]["found"]
        states = [run["found"] for run in runs]
        assert before != after
        assert len(runs) >= 3
        switched = states.index(after)
        assert states == [before] * switched + [after] * (len(runs) - switched), kind
        assert switched > 0


def change_and_kill(folder, first, most, seconds, faults):
    """Returns the number that was acknowledged last, and the one that was tried last."""
    process = child(names_until_killed, folder, str(first), *faults)
    numbers = {"try": first, "ack": first - 1}
    enough = first + random.randint(0, most)
    for line in process.stdout:
        word, number = line.split()
        numbers[word] = int(number)
        if word == "try" and int(number) == enough:
            time.sleep(random.uniform(0, seconds))
            process.kill()
            break
    for line in process.communicate()[0].splitlines():
        word, number = line.split()
        numbers[word] = int(number)
    assert process.returncode == -9
    return numbers["ack"], numbers["try"]


def survive(folder, rounds, *faults, most=20, seconds=0.06):
    """Kills a child again and again, so many changes after its first at most and within so many seconds of that one."""
    state, first = Expected(), 0
    for _ in range(rounds):
        acknowledged, tried = change_and_kill(folder, first, most, seconds, faults)
        for number in range(first, acknowledged + 1):
            *_, state = planned(number, state)
        possible = [state]
        if tried > acknowledged:
            possible.append(planned(tried, state)[-1])
        catalogue = Catalogue(folder)
        state = found(catalogue, folder)
        catalogue.close()
        assert state in possible, f"after {tried}"
        folders = [path for path in folder.iterdir() if path.is_dir() and path.name != ".snapshots"]
        assert len(folders) == len(state.collections)
        first = tried + 1
    return first


def test_names_survive_kill(tmp_path):
    assert survive(tmp_path, 3) >= 3


@pytest.mark.full
def test_names_survive_twenty_kills(tmp_path):
    assert survive(tmp_path, 20) >= 20


@pytest.mark.full
def test_this_test_notices_names_that_are_written_in_place(tmp_path):
    with pytest.raises(AssertionError, match="after"):
        survive(tmp_path, 20, "planted", most=6, seconds=0.25)  # a change takes 0.2 s
