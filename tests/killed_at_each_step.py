"""Does each change of names and snapshots again and again, and ends before the first, the second, ... step on the disk.

    python killed_at_each_step.py FOLDER

Says on stdout, one JSON line each: what was changed, before which step the process ended (null: it did all), and what
the next start finds.
"""

import dataclasses
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

import numpy.ma  # noqa: F401 - numpy imports it when first needed, which would be in every child

from collecting import config
from frostline.server.collections.catalogue import Catalogue
from names_until_killed import found, run

CHANGES = {
    "create": (config("new", description="of new"),),
    "rename": ("a", "new"),
    "delete": ("a",),
    "set_alias": ("x", "b"),
    "delete_alias": ("x",),
    "create_snapshot": ("a",),
    "restore_snapshot": (0, "new"),
    "delete_snapshot": (0,),
}
STEPS = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "sqlite3.connect"}
KILLED = 9


def in_a_process_of_its_own(do, *arguments):
    """Returns the exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        do(*arguments)
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    os._exit(status)


def prepare(folder):
    catalogue = Catalogue(folder)
    for name in ("a", "b"):
        catalogue.create(config(name, description=f"of {name}"))
    catalogue.set_alias("x", "a")
    catalogue.create_snapshot("b")
    catalogue.close()


def change(folder, kind, last_step):
    catalogue = Catalogue(folder)
    done = 0

    def count(event, arguments):
        nonlocal done
        if event in STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE):
            done += 1
            if done > last_step:
                os._exit(KILLED)

    sys.addaudithook(count)
    run(catalogue, kind, CHANGES[kind])


def look(folder, kind, step):
    catalogue = Catalogue(folder)
    state = dataclasses.asdict(found(catalogue, folder))
    catalogue.close()
    left = {path.name for path in folder.rglob("*") if path.name.startswith((".new-", ".deleted-"))}
    folders = len([path for path in folder.iterdir() if path.is_dir() and path.name != ".snapshots"])
    assert not left, left
    assert folders == len(state["collections"])
    os.write(1, json.dumps({"kind": kind, "step": step, "found": state}).encode() + b"\n")


def main(folder):
    os.fsync = lambda _: None  # what the kernel holds survives the process
    before = Path(folder) / "before"
    assert in_a_process_of_its_own(prepare, before) == 0
    assert in_a_process_of_its_own(look, before, "nothing", None) == 0
    for kind in CHANGES:
        status, steps = KILLED, 0
        while status == KILLED:
            copy = Path(folder) / "copy"
            shutil.copytree(before, copy, ignore=shutil.ignore_patterns("reserve"))
            status = in_a_process_of_its_own(change, copy, kind, steps)
            step = steps if status else None
            assert in_a_process_of_its_own(look, copy, kind, step) == 0
            shutil.rmtree(copy)
            steps += 1
        assert status == 0


if __name__ == "__main__":
    main(sys.argv[1])
