"""`kill -9` of the real server while records stream in over gRPC."""

import json
import random
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

import early_server
from frostline.v1 import collection_service_pb2 as c
from frostline.v1.collection_service_pb2_grpc import CollectionServiceStub
from frostline.wire import tensors
from raw import create_request, upsert_request
from serving import start_server

DIMENSIONS, BATCH = 16, 20
COLLECTION = "collections/notes"


def record_id(batch, position):
    return f"{batch}/{position}"


def batch_request(batch):
    vectors = np.random.default_rng(batch).normal(size=(BATCH, DIMENSIONS)).astype(np.float32)
    records = [
        c.Record(id=record_id(batch, n), text=f"text {batch} " * 40, payload=json.dumps({"batch": batch}).encode())
        for n in range(BATCH)
    ]
    return upsert_request(*records, vectors=tensors.encode(vectors))


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
            for answer in CollectionServiceStub(channel).StreamUpsertRecords(requests()):
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


def batches_found(target):
    """Reads everything back: each record must be as it was sent, each batch whole."""
    with grpc.insecure_channel(target) as channel:
        stub = CollectionServiceStub(channel)
        request = c.ListRecordsRequest(
            collection=COLLECTION, page_size=1000, include_vectors=True, include_content=True
        )
        found = {}
        while True:
            page = stub.ListRecords(request)
            found |= {record.id: record for record in page.records}
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        assert stub.CountRecords(c.CountRecordsRequest(collection=COLLECTION)).count == len(found)
    batches = {int(each.split("/")[0]) for each in found}
    for batch in batches:
        request = batch_request(batch)
        for sent, vector in zip(request.records, tensors.decode(request.vectors), strict=True):
            record = found[sent.id]
            assert (record.text, record.payload) == (sent.text, sent.payload)
            np.testing.assert_array_equal(np.frombuffer(record.vector.data, "<f4"), vector)
    assert len(found) == len(batches) * BATCH
    return batches


def survive(folder, rounds, **start):
    acknowledged, first = set(), 0
    server = start_server(folder, encoders=[], **start)
    try:
        with grpc.insecure_channel(server.target) as channel:
            CollectionServiceStub(channel).CreateCollection(create_request(dimensions=DIMENSIONS))
        for _ in range(rounds):
            acknowledged |= set(stream_until_killed(server, first, random.randint(1, 40)))
            server = start_server(folder, encoders=[], **start)
            found = batches_found(server.target)
            assert acknowledged <= found, f"acknowledged, but lost: batches {sorted(acknowledged - found)}"
            first = max(found | acknowledged) + 1
        assert server.stop() == 0
    finally:
        server.kill()
    return acknowledged


def test_what_the_server_acknowledged_survives_kill(tmp_path):
    assert len(survive(tmp_path, 3)) >= 3


@pytest.mark.full
def test_what_the_server_acknowledged_survives_twenty_kills(tmp_path):
    assert len(survive(tmp_path, 20)) >= 20


def test_this_test_notices_a_server_that_acknowledges_before_the_commit(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged, but lost"):
        survive(tmp_path, 3, command=[str(Path(early_server.__file__))])
