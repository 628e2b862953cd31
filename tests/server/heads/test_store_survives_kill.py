import json
import os
import signal
import subprocess
import sys
from itertools import groupby

import heads_killed_at_each_step
from frostline.server.heads.head_files import INTERRUPTED
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import State

READY, INTERRUPTED_, FAILED = ["ready", ""], ["failed", "interrupted"], ["failed", "no luck"]
BEFORE = {"a": [READY, READY]}, {"a": 2}
BEGUN = {"a": [INTERRUPTED_, READY, READY]}, {"a": 2}
"""What the next start may find, in the order in which it may come, for each change."""
FOUND = {
    "begin a head": [BEFORE, ({**BEFORE[0], "b": [INTERRUPTED_]}, {"a": 2, "b": 0})],
    "begin a version": [BEFORE, BEGUN],
    "write": [BEGUN],
    "finish": [BEGUN, ({"a": [READY, READY, READY]}, {"a": 3})],
    "fail": [BEGUN, ({"a": [FAILED, READY, READY]}, {"a": 2})],
    "roll back": [BEFORE, (BEFORE[0], {"a": 1})],
    "delete": [BEFORE, ({}, {})],
}


def child(*arguments):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)


def test_each_change_is_done_or_not_wherever_the_process_ends(tmp_path):
    process = child(heads_killed_at_each_step.__file__, tmp_path)
    lines = [json.loads(line) for line in process.communicate()[0].splitlines()]
    assert process.returncode == 0
    for kind, told in groupby(lines, key=lambda line: line["kind"]):
        found = [(line["found"], line["serving"]) for line in told]
        assert [each for each, _ in groupby(found)] == FOUND[kind], kind
        assert len(found) > len(FOUND[kind])
    assert {line["kind"] for line in lines} == set(FOUND)


BEGINS = """
import sys, time
from pathlib import Path
from heads_killed_at_each_step import begun, prepare
from frostline.server.heads.store import Heads
prepare(Path(sys.argv[1]))
begun(Heads(Path(sys.argv[1])))
print("begun", flush=True)
time.sleep(600)
"""


def test_a_server_that_is_killed_while_training_comes_back_with_the_earlier_version(tmp_path):
    with child("-c", BEGINS, tmp_path / "heads") as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGKILL)
    heads = Heads(tmp_path / "heads")
    newest = heads.get("a").versions[0]
    assert (newest.number, newest.state, newest.failure) == (3, State.FAILED, INTERRUPTED)
    assert heads.predictor("a")[0].number == 2
