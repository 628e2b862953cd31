"""Each acknowledgement follows a sync of its own.

`kill -9` cannot show it: what the kernel holds survives the process. So a library loaded before the C library's notes
each sync of SQLite's log in a file, and the writing process notes each acknowledgement in the same file.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WRITE = """
import os, sys
from pathlib import Path
from collecting import config, record
from frostline.server.collections import database
from frostline.server.collections.catalogue import Catalogue

database.WRITER_PRAGMAS = (*database.WRITER_PRAGMAS, *sys.argv[2:])
from frostline.server.collections import ledger
ledger.WRITER_PRAGMAS = database.WRITER_PRAGMAS

log = os.open(os.environ["SYNC_LOG"], os.O_WRONLY | os.O_APPEND)
notes = Catalogue(Path(sys.argv[1])).create(config())
os.write(log, b"|")
for number in range(20):
    notes.upsert([record(f"{number % 5}", n=number)]).result()
    os.write(log, b"A")
notes.delete(["1"]).result()
os.write(log, b"A")
notes.update(description="new")
os.write(log, b"A")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler to build the sync counter with")
    library = tmp_path_factory.mktemp("sync") / "sync_counter.so"
    source = Path(__file__).with_name("sync_counter.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


def events(library, folder, *pragmas):
    """What happened after the collection was there: `s` a sync of the log, `A` an acknowledgement."""
    log = folder / "events"
    log.touch()
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "SYNC_LOG": str(log),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", WRITE, folder / "data", *pragmas], env=environment, check=True)
    return log.read_text().partition("|")[2]


def test_each_acknowledgement_follows_a_sync(library, tmp_path):
    happened = events(library, tmp_path)
    assert re.fullmatch("(s+A){22}s*", happened), happened


def test_this_test_notices_writing_without_sync(library, tmp_path):
    happened = events(library, tmp_path, "PRAGMA synchronous = NORMAL")
    assert happened.count("A") == 22
    assert "AA" in happened, happened
