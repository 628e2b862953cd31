import json
import random
import subprocess
import sys
import time

import numpy as np
import pytest

import tiny
from frostline.client import Client
from serving import running_server

ROWS = 1_600  # three kills take at most about 50 of its 100 batches
BATCH = 16
WORDS = "the a of to and is in it file line word text list key red blue cat dog house".split()

# One run of the job, as a process of its own; says on stdout how far it is.
JOB = """
import sys
from pathlib import Path
from frostline.client import Client
from frostline.indexer import IndexOptions, index

target, source, collection, folder = sys.argv[1:]
options = IndexOptions(
    collection=collection, encoder="tiny", id_field="id", work_dir=Path(folder), batch_size=16, payload_fields=("n",)
)
with Client(target) as client:
    summary = index(client, source, options, lambda state: print(state.done, flush=True))
print(summary.rows, summary.indexed, summary.rejected, summary.resumed, flush=True)
"""


ROUNDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(3, 20))]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("data"), encoders="") as server:
        with Client(server.target) as client:
            client.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path_factory.mktemp("tiny")))
        yield server


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Rows of which some are bad and some have an id that came before."""
    chance = random.Random(1)
    path = tmp_path_factory.mktemp("source") / "rows.jsonl"
    with path.open("w") as file:
        for number in range(ROWS):
            id = f"r{number if chance.random() < 0.95 else chance.randrange(ROWS)}"
            row = {"id": id, "text": " ".join(chance.choices(WORDS, k=chance.randint(1, 20))), "n": number}
            file.write('{"id": \n' if chance.random() < 0.03 else json.dumps(row) + "\n")
    return path


def start(server, source, collection, folder):
    arguments = [sys.executable, "-c", JOB, server.target, str(source), collection, str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return [int(number) for number in output.split("\n")[-2].split()]


def content(server, collection):
    with Client(server.target) as client:
        records = list(client.list_records(collection, include_content=True, include_vectors=True))
    ids = [record.id for record in records]
    assert len(ids) == len(set(ids))
    return {record.id: record for record in records}


def same(found, expected):
    """Equal, but for the last bits of vectors: rows are batched with others."""
    assert found == expected  # vectors are no part of equality
    for id, record in expected.items():
        np.testing.assert_allclose(found[id].vector, record.vector, atol=1e-5)


@pytest.fixture(scope="module")
def uninterrupted(server, source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    rows, indexed, rejected, resumed = finished(start(server, source, "whole", folder))
    assert (rows, resumed) == (ROWS, 0)
    assert indexed + rejected <= ROWS
    assert rejected > 10
    return content(server, "whole"), rejected, (folder / "rejected.jsonl").read_text()


@pytest.mark.parametrize("seed", ROUNDS)
def test_a_killed_job_ends_as_an_uninterrupted_one(server, source, uninterrupted, tmp_path, seed):
    expected, rejected, listed = uninterrupted
    chance = random.Random(seed)
    collection = f"killed-{seed}"
    kills = 0
    while kills < 3:
        process = start(server, source, collection, tmp_path)
        wait_for_batches(process, chance.randint(1, 15))
        time.sleep(chance.random() * 0.02)
        process.kill()
        process.communicate()
        kills += 1
    assert json.loads((tmp_path / "checkpoint.json").read_text())["state"]["rows"] >= 3 * BATCH
    rows, _, counted, resumed = finished(start(server, source, collection, tmp_path))
    assert rows == ROWS
    assert 0 < resumed < ROWS
    same(content(server, collection), expected)
    assert counted == rejected
    assert (tmp_path / "rejected.jsonl").read_text() == listed
    assert not (tmp_path / "checkpoint.json").exists()


def wait_for_batches(process, count):
    first = int(process.stdout.readline())
    for line in process.stdout:
        if int(line.split()[0]) >= first + count * BATCH:
            return
    raise AssertionError("the job was done before it could be killed")


def test_a_job_whose_server_is_killed_goes_on_with_the_next_server(source, uninterrupted, tmp_path):
    expected, rejected, listed = uninterrupted
    with running_server(tmp_path / "data", encoders="") as server:
        with Client(server.target) as client:
            client.add_encoder("tiny", folder=tiny.tiny_bert(tmp_path / "tiny"))
        process = start(server, source, "killed", tmp_path / "work")
        wait_for_batches(process, 5)
        server.kill()
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "JobStopped: stopped after " in errors
    assert "run the same command again" in errors
    with running_server(tmp_path / "data", encoders="") as server:
        rows, _, counted, resumed = finished(start(server, source, "killed", tmp_path / "work"))
        same(content(server, "killed"), expected)
    assert (rows, counted) == (ROWS, rejected)
    assert resumed >= 5 * BATCH
    assert (tmp_path / "work" / "rejected.jsonl").read_text() == listed
