"""Does each change of heads again and again, and ends before the first, the second, ... step on the disk.

    python heads_killed_at_each_step.py FOLDER

Says on stdout, one JSON line each: what was changed, before which step the process ended (null: it did all), and what
the next start finds: for each head the states of its versions, and which one predicts.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy.ma  # noqa: F401 - numpy imports it when first needed, which would be in every child

import made_heads
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import NotReady
from frostline.server.heads import artifact
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import HeadConfig
from killed_at_each_step import KILLED, in_a_process_of_its_own
from made_heads import DIMENSIONS, fitted

STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir"}
CONFIG = HeadConfig(space=EmbeddingSpace.plain(DIMENSIONS))


def trained(heads, name):
    version = made_heads.begun(heads, name, CONFIG).versions[0]
    write(heads, name, version)
    heads.finish(name, version, 0.1)


def write(heads, name, version):
    artifact.write(heads.folders.artifact(name, version), fitted())


def begun(heads, name="a"):
    return made_heads.begun(heads, name, CONFIG).versions[0]


def finish(heads):
    version = begun(heads)
    write(heads, "a", version)
    yield
    heads.finish("a", version, 0.1)


def fail(heads):
    version = begun(heads)
    yield
    heads.fail("a", version, "no luck")


def write_artifact(heads):
    version = begun(heads)
    yield
    write(heads, "a", version)


def at_once(change):
    def prepared(heads):
        yield
        change(heads)

    return prepared


CHANGES = {
    "begin a head": at_once(lambda heads: begun(heads, "b")),
    "begin a version": at_once(begun),
    "write": write_artifact,
    "finish": finish,
    "fail": fail,
    "roll back": at_once(lambda heads: heads.rollback("a")),
    "delete": at_once(lambda heads: heads.delete("a")),
}


def prepare(folder):
    heads = Heads(folder)
    for _ in range(2):
        trained(heads, "a")


def change(folder, kind, last_step):
    done = 0

    def count(event, arguments):
        nonlocal done
        if event in STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
            done += 1
            if done > last_step:
                os._exit(KILLED)

    steps = CHANGES[kind](Heads(folder))
    next(steps)
    sys.addaudithook(count)
    next(steps, None)


def look(folder, kind, step):
    heads = Heads(folder)
    found = {head.name: [[each.state, each.failure[:11]] for each in head.versions] for head in heads.list()}
    serving = {}
    for name in found:
        try:
            serving[name] = heads.predictor(name)[0].number
        except NotReady:
            serving[name] = 0
    assert sorted(path.name for path in folder.iterdir()) == sorted(found)
    os.write(1, json.dumps({"kind": kind, "step": step, "found": found, "serving": serving}).encode() + b"\n")


def main(folder):
    os.fsync = lambda _: None  # what the kernel holds survives the process
    before = Path(folder) / "before"
    assert in_a_process_of_its_own(prepare, before) == 0
    for kind in CHANGES:
        status, steps = KILLED, 0
        while status == KILLED:
            copy = Path(folder) / "copy"
            shutil.copytree(before, copy)
            status = in_a_process_of_its_own(change, copy, kind, steps)
            assert in_a_process_of_its_own(look, copy, kind, steps if status else None) == 0
            shutil.rmtree(copy)
            steps += 1
        assert status == 0


if __name__ == "__main__":
    main(sys.argv[1])
