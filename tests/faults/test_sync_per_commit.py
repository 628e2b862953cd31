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
from following import Follower, upsert
from frostline.server.collections.rows import database
from frostline.server.collections.rows.ledger import Ledger
from frostline.server.collections.rows.operations import Configure, Delete, Patch, PayloadPatch
from frostline.server.collections.rows.writer import Writer

path = Path(sys.argv[1])
log = os.open(os.environ["SYNC_LOG"], os.O_WRONLY | os.O_APPEND)
database.create(path, config(durability=sys.argv[2]).model_dump_json())
writer = Writer(Ledger(path, Follower()), "notes")

def acknowledged(operation):
    writer.submit(operation).result()
    os.write(log, b"A")

os.write(log, b"|")
for number in range(20):
    acknowledged(upsert(record(f"{number % 5}", n=number, text="some words")))
acknowledged(Delete(["1"]))
acknowledged(Patch([PayloadPatch("2", {"n": -1})]))
acknowledged(Configure({"description": "new"}))
os.write(log, b"|")
acknowledged(Configure({"durability": "full"}))
acknowledged(upsert(record("a")))
os.write(log, b"|")
acknowledged(Configure({"durability": "relaxed"}))
for number in range(5):
    acknowledged(upsert(record("a", n=number)))
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


def events(library, folder, durability):
    """What happened once the collection was there: `s` a sync of the log, `A` an acknowledgement.

    Three pieces: as it was created, then fully durable, then relaxed.
    """
    log = folder / "events"
    log.touch()
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "SYNC_LOG": str(log),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", WRITE, folder / "records.sqlite", durability], env=environment, check=True)
    return log.read_text().split("|")[1:]


def test_each_acknowledgement_follows_a_sync(library, tmp_path):
    created, made_full, _ = events(library, tmp_path, "full")
    assert re.fullmatch("(s+A){23}s*", created), created
    assert re.fullmatch("s*(s+A){2}s*", made_full), made_full


def test_relaxed_durability_saves_the_syncs_and_full_brings_them_back(library, tmp_path):
    created, made_full, made_relaxed = events(library, tmp_path, "relaxed")
    assert created.count("A") == 23
    assert "AA" in created, created
    assert re.fullmatch("s*As+As*", made_full), made_full
    assert "AA" in made_relaxed, made_relaxed
