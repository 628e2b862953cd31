"""`kill -9` of the real server while interactions stream in: none that was acknowledged is lost, none counts twice."""

import random
import threading
from pathlib import Path

import grpc
import numpy as np
import pytest

import early_server
from frostline.client import Client, Record
from frostline.v1 import interaction_pb2 as i
from frostline.v1 import recommendation_service_pb2 as pb
from frostline.v1.recommendation_service_pb2_grpc import RecommendationServiceStub
from serving import start_server

USERS, RECORDS = 5, 20
COLLECTION = "movies"
IN_FLIGHT = 40
"""Batches that are sent ahead of their answers; more than the server takes into one commit."""
VECTOR = np.ones(2, np.float32)


def batch_request(batch):
    """Each user gives all records a new weight in every fifth batch; of one that comes twice, the later counts."""
    sent = [
        i.Interaction(user=f"u{batch % USERS}", record=f"r{n % RECORDS}", weight=batch + n / 100, kind="rating")
        for n in range(RECORDS + 1)
    ]
    return pb.RecordInteractionsRequest(
        collection=f"collections/{COLLECTION}", interactions=sent, request_id=f"batch {batch}"
    )


def after(state, batch):
    """What is stored after a batch: weights by user and record."""
    return state | {(each.user, each.record): each.weight for each in batch_request(batch).interactions}


def stream_until_killed(server, first, acknowledgements):
    """Streams batches from `first` on and kills the server after so many acknowledgements.

    Returns the sequences that were acknowledged, by batch, and the last batch that was sent.
    """
    acknowledged, sent = {}, [first - 1]
    over, room = threading.Event(), threading.Semaphore(IN_FLIGHT)

    def requests():
        while room.acquire() and not over.is_set():
            sent.append(sent[-1] + 1)
            yield batch_request(sent[-1])

    with grpc.insecure_channel(server.target) as channel:
        try:
            for answer in RecommendationServiceStub(channel).StreamRecordInteractions(requests()):
                assert (answer.recorded_count, len(answer.errors)) == (RECORDS, 0)
                acknowledged[first + len(acknowledged)] = answer.sequence
                room.release()
                if len(acknowledged) == acknowledgements:
                    server.kill()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
        finally:
            over.set()
            room.release()
    return acknowledged, sent[-1]


def found(client):
    """Reads everything back; what is counted must be what is there."""
    listed = list(client.list_interactions(COLLECTION))
    state = {(each.user, each.record): each.weight for each in listed}
    assert len(state) == len(listed) == client.count_interactions(COLLECTION)
    histories = [each for user in range(USERS) for each in client.list_interactions(COLLECTION, user=f"u{user}")]
    assert {(each.user, each.record): each.weight for each in histories} == state
    assert len(histories) == len(state)
    return state


def send_again(server, client, acknowledged, batches):
    """What a client does whose answers were lost; those that were done are answered and not done again."""
    before = found(client)
    with grpc.insecure_channel(server.target) as channel:
        calls = RecommendationServiceStub(channel)
        last = max(acknowledged)
        assert calls.RecordInteractions(batch_request(last)).sequence == acknowledged[last]
        assert found(client) == before
        for batch in batches:
            assert calls.RecordInteractions(batch_request(batch)).recorded_count == RECORDS


def survive(folder, rounds, **start):
    """Kills a server over and over; returns how many batches it acknowledged.

    What is found must be the state after all acknowledged batches and some of those in flight, in order.
    """
    server, state, first, total = start_server(folder, encoders=[], **start), {}, 0, 0
    try:
        with Client(server.target) as client:
            client.create_collection(COLLECTION, dimensions=2)
            client.upsert(COLLECTION, [Record(f"r{n}", vector=VECTOR) for n in range(RECORDS)])
        for _ in range(rounds):
            acknowledged, last = stream_until_killed(server, first, random.randint(1, 60))
            states = [state]
            for batch in range(first, last + 1):
                states.append(after(states[-1], batch))
            server = start_server(folder, encoders=[], **start)
            with Client(server.target) as client:
                done = found(client)
                assert done in states[len(acknowledged) :], f"acknowledged, but lost: some of {sorted(acknowledged)}"
                send_again(server, client, acknowledged, range(first + states.index(done), last + 1))
                state = found(client)
                assert state == states[-1], "acknowledged, but not there"
            first, total = last + 1, total + len(acknowledged)
        assert server.stop() == 0
    finally:
        server.kill()
    return total


def test_interactions_that_were_acknowledged_survive_kill_and_count_once(tmp_path):
    assert survive(tmp_path, 3) >= 3


@pytest.mark.full
def test_interactions_that_were_acknowledged_survive_twenty_kills(tmp_path):
    assert survive(tmp_path, 20) >= 20


@pytest.mark.full
def test_this_test_notices_a_server_that_acknowledges_before_the_commit(tmp_path):
    with pytest.raises(AssertionError, match="acknowledged, but"):
        survive(tmp_path, 3, command=[str(Path(early_server.__file__))])
