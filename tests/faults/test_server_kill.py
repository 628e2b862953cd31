"""`kill -9` of the real server while records stream in, segments are built, names change and snapshots are made."""

import json
import random
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

import early_server
from frostline.client import Client, Retry
from frostline.client.errors import FrostlineError, Unavailable
from frostline.v1.record_service_pb2_grpc import RecordServiceStub
from frostline.wire import tensors
from raw import record, upsert_request
from serving import start_server

DIMENSIONS, BATCH = 16, 20
NAMES = ("odd", "even")
ALIAS = "notes"
"""Leads to the one collection, whatever it is called."""


def record_id(batch, position):
    return f"{batch}/{position}"


def vectors_of(batch):
    return np.random.default_rng(batch).normal(size=(BATCH, DIMENSIONS)).astype(np.float32)


def text_of(batch):
    return f"text {batch} " * 40


def batch_request(batch):
    payload = json.dumps({"batch": batch}).encode()
    records = [record(record_id(batch, n), text_of(batch), payload=payload) for n in range(BATCH)]
    return upsert_request(*records, collection=ALIAS, vectors=tensors.encode(vectors_of(batch)))


def stream_until_killed(server, first, acknowledgements):
    """Streams batches from `first` on and kills the server after so many acknowledgements; returns them."""
    acknowledged = []
    over = threading.Event()

    def requests():
        batch = first
        while not over.is_set():
            yield batch_request(batch)
            batch += 1

    with grpc.insecure_channel(server.target) as channel:
        try:
            for answer in RecordServiceStub(channel).StreamUpsertRecords(requests()):
                assert (answer.upserted_count, len(answer.errors)) == (BATCH, 0)
                acknowledged.append(first + len(acknowledged))
                if len(acknowledged) == acknowledgements:
                    server.kill()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
        finally:
            over.set()
    return acknowledged


class Upheaval:
    """Renames the collection to and fro, makes snapshots and deletes them, until the server is gone.

    Attributes:
        possible: the names that the collection may have now.
        kept: snapshots that must be there.
        uncertain: whether one more, or one less, may be there.
        ended_by: what the last run ended with.
    """

    def __init__(self, name):
        self.possible = {name}
        self.kept = set()
        self.uncertain = False
        self.ended_by = None

    def run(self, target):
        with Client(target, retry=Retry(attempts=1), timeout_seconds=20) as client:
            try:
                while True:
                    self._rename(client)
                    self._snapshots(client)
            except FrostlineError as error:
                self.ended_by = error

    def settle(self, client):
        """Looks at what a restart has made of it."""
        (found,) = client.list_collections()
        assert found.name in self.possible
        assert found.aliases == (ALIAS,)
        there = {each.name for each in client.list_snapshots()}
        assert len(there ^ self.kept) <= self.uncertain, f"{there} are there, {self.kept} should be"
        self.possible, self.kept, self.uncertain = {found.name}, there, False

    def _rename(self, client):
        (name,) = self.possible
        new = NAMES[1 - NAMES.index(name)]
        self.possible = {name, new}
        client.rename_collection(name, new)
        self.possible = {new}

    def _snapshots(self, client):
        self.uncertain = True
        self.kept.add(client.create_snapshot(ALIAS).name)
        if len(self.kept) > 2:
            client.delete_snapshot(min(self.kept))
            self.kept.remove(min(self.kept))
        self.uncertain = False


def batches_found(client, collection=ALIAS):
    """Reads everything back: each record must be as it was sent, each batch whole, and the search must find them."""
    found = {each.id: each for each in client.list_records(collection, include_vectors=True, include_content=True)}
    assert client.count(collection) == len(found)
    batches = {each.payload["batch"] for each in found.values()}
    for batch in batches:
        for position, vector in enumerate(vectors_of(batch)):
            stored = found[record_id(batch, position)]
            assert (stored.text, stored.payload) == (text_of(batch), {"batch": batch})
            np.testing.assert_array_equal(stored.vector, vector)
    assert len(found) == len(batches) * BATCH
    asked = sorted(batches)
    if not asked:  # a snapshot may be older than the first batch
        return batches
    hits = client.search_batch(collection, np.array([vectors_of(batch)[-1] for batch in asked]), limit=1, exact=True)
    assert [each.ids for each in hits] == [[record_id(batch, BATCH - 1)] for batch in asked]
    return batches


def survive(folder, rounds, **start):
    """Kills a server over and over; returns the batches it acknowledged."""
    acknowledged, first = set(), 0
    upheaval = Upheaval(NAMES[0])
    server = start_server(folder, encoders=[], max_tail_rows=100, **start)
    try:
        with Client(server.target) as client:
            client.create_collection(NAMES[0], dimensions=DIMENSIONS)
            client.set_alias(ALIAS, NAMES[0])
        for _ in range(rounds):
            beside = threading.Thread(target=upheaval.run, args=(server.target,))
            beside.start()
            acknowledged |= set(stream_until_killed(server, first, random.randint(1, 40)))
            beside.join()
            assert isinstance(upheaval.ended_by, Unavailable), upheaval.ended_by
            server = start_server(folder, encoders=[], max_tail_rows=100, **start)
            with Client(server.target) as client:
                found = batches_found(client)
                assert acknowledged <= found, f"acknowledged, but lost: batches {sorted(acknowledged - found)}"
                upheaval.settle(client)
            first = max(found | acknowledged, default=-1) + 1
        look_closely(server, upheaval, acknowledged)
        assert server.stop() == 0
    finally:
        server.kill()
    assert leftovers(folder) == []
    return acknowledged


def look_closely(server, upheaval, acknowledged):
    """One segment of everything holds everything; snapshots can be restored, and hold whole batches."""
    with Client(server.target) as client:
        assert [step for step, _ in client.optimize(ALIAS)][-1] == "done"
        assert acknowledged <= batches_found(client)
        for number, snapshot in enumerate(sorted(upheaval.kept)):
            client.restore_snapshot(snapshot, f"restored-{number}")
            batches_found(client, f"restored-{number}")


def leftovers(folder):
    return [str(path) for path in folder.rglob("*") if path.name.startswith((".new-", ".deleted-", ".building-"))]


def test_what_the_server_acknowledged_survives_kill(tmp_path):
    assert len(survive(tmp_path, 3)) >= 3


@pytest.mark.full
def test_what_the_server_acknowledged_survives_twenty_kills(tmp_path):
    assert len(survive(tmp_path, 20)) >= 20


@pytest.mark.full
def test_this_test_notices_a_server_that_acknowledges_before_the_commit(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged, but lost"):
        survive(tmp_path, 3, command=[str(Path(early_server.__file__))])
