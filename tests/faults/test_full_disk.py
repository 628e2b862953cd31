"""A full disk refuses writes, keeps answering, and needs no restart once there is room again."""

import json
import os
import subprocess
import sys

WRITE = """
import json, resource, sys
from pathlib import Path
import numpy as np
from collecting import config, record
from frostline.server.collections.catalogue import Catalogue
from frostline.server.errors import StorageFull

QUERY = np.ones((1, 4), np.float32)
catalogue = Catalogue(Path(sys.argv[1]))
notes = catalogue.create(config())

def batch(name, size):
    return [record(f"{name}-{number}", image=b"x" * size) for number in range(4)]

def write(name, size):
    return notes.upsert(batch(name, size)).result(20)

def found():
    return sorted(notes.search(QUERY, 10_000).ids[0])

for number in range(10):
    write(f"before-{number}", 1000)
kept = [f"before-{number}-{each}" for number in range(10) for each in range(4)]
assert found() == sorted(kept)

# The largest file this process may write: about 1 MB more than now.
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
room = max(path.stat().st_size for path in (Path(sys.argv[1]) / "notes").iterdir()) + 1_000_000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
refused, written = 0, 0
for number in range(20):
    name = f"meanwhile-{number}"
    try:
        write(name, 100_000)
    except StorageFull as error:
        message = str(error)
        refused += 1
    else:
        kept += [f"{name}-{each}" for each in range(4)]
        written += 1
    assert found() == sorted(kept), "a search shows exactly what was acknowledged"
    assert notes.count() == len(kept)
sequence = notes.sequence
several = [notes.upsert(batch(f"group-{number}", 100_000)) for number in range(8)]
assert all(isinstance(future.exception(20), StorageFull) for future in several)
assert (found(), notes.sequence) == (sorted(kept), sequence)

resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
for number in range(5):
    written_now = write(f"after-{number}", 100_000)
    assert written_now.sequence == sequence + 1 + number
    kept += [f"after-{number}-{each}" for each in range(4)]
assert found() == sorted(kept)
catalogue.close()
again = Catalogue(Path(sys.argv[1])).get("notes")
assert sorted(again.search(QUERY, 10_000).ids[0]) == sorted(kept)
assert [len(each.image) for each in again.get(["after-0-0", "before-0-0"], content=True).values()] == [100_000, 1000]
print(json.dumps({"refused": refused, "written": written, "message": message}))
"""


def test_a_full_disk_refuses_writes_and_nothing_else(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITE, tmp_path]
    child = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    said = json.loads(child.stdout)
    assert said["refused"] >= 10
    assert "no room for" in said["message"]
    assert "free some space" in said["message"]
