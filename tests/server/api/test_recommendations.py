"""Interactions over the wire."""

import math
import time

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from frostline.v1 import interaction_pb2 as i
from frostline.v1 import recommendation_service_pb2 as pb
from frostline.v1 import record_service_pb2 as r
from in_process import open_server
from raw import create_request, detail, item_errors, record, refused, until_error, upsert_request

NOTES = "collections/notes"


@pytest.fixture
async def server(tmp_path):
    async with open_server(tmp_path / "data") as running:
        yield running


@pytest.fixture
async def notes(server):
    await server.calls.CreateCollection(create_request(dimensions=2))
    await server.calls.UpsertRecords(upsert_request(*(record(name, vector=[1, 2]) for name in "abc")))
    return server.calls


def did(user="u", record_id="a", **fields) -> i.Interaction:
    """`time` is in seconds."""
    if isinstance(fields.get("time"), int):
        fields["time"] = Timestamp(seconds=fields["time"])
    return i.Interaction(user=user, record=record_id, **fields)


def note(*interactions, **fields) -> pb.RecordInteractionsRequest:
    return pb.RecordInteractionsRequest(collection=NOTES, interactions=interactions, **fields)


async def listed(calls, **fields):
    return await calls.ListInteractions(pb.ListInteractionsRequest(collection=NOTES, **fields))


async def test_interactions_are_recorded_and_listed_as_they_went(notes):
    sent = [did(weight=-2.5, time=Timestamp(seconds=1_700_000_000, nanos=250_000_000), kind="like"), did("ü", "b")]
    before = time.time()
    written = await notes.RecordInteractions(note(*sent))
    assert (written.recorded_count, written.sequence, len(written.errors)) == (2, 2, 0)
    first, second = (await listed(notes)).interactions
    sent[0].sequence = 2
    assert first == sent[0]
    assert (second.user, second.record, second.weight, second.kind) == ("ü", "b", 1.0, "")
    assert before - 1 < second.time.seconds <= time.time()


BAD = {
    "no user": (did(""), "user id '' has 0 bytes; take 1 to 512"),
    "long user": (did("ü" * 257), "user id .* has 514 bytes"),
    "no record": (did(record_id=""), "record id '' has 0 bytes"),
    "long record": (did(record_id="x" * 513), "record id .* has 513 bytes"),
    "long kind": (did(kind="k" * 65), "kind, .* has 65 bytes; at most 64 are taken"),
    "NaN": (did(weight=math.nan), "weight is nan; give a finite number"),
    "infinite": (did(weight=-math.inf), "weight is -inf; give a finite number"),
    "heavy": (did(weight=1.1e9), r"weight 1.1e\+09 is out of range; scale it"),
    "milliseconds": (did(time=1_700_000_000_000), "out of range; give the seconds since 1970, not milliseconds"),
    "nanoseconds": (did(time=Timestamp(nanos=-1)), "out of range"),
    "future": (did(time=int(time.time()) + 100_000), "seconds in the future, 300 are let through"),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_interaction_is_refused_alone_and_says_why(notes, kind):
    bad, says = BAD[kind]
    written = await notes.RecordInteractions(note(did(), bad, did("v"), did("w", "none")))
    assert written.recorded_count == 2
    assert item_errors(written) == {1: "INVALID_INPUT", 3: "NOT_FOUND"}
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(written.errors[0].message)
    assert [each.user for each in (await listed(notes)).interactions] == ["u", "v"]


async def test_clocks_may_be_a_little_ahead(notes):
    written = await notes.RecordInteractions(note(did(time=int(time.time()) + 290)))
    assert written.recorded_count == 1


async def test_requests_that_are_not_right_as_a_whole(notes):
    error = await refused(notes.RecordInteractions(note(*[did()] * 10_001)))
    assert (error.code(), error.details()) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "10001 interactions are too many for one request; send at most 10000 at once",
    )
    error = await refused(notes.RecordInteractions(pb.RecordInteractionsRequest(collection="collections/none")))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    error = await refused(notes.RecordInteractions(note(did(), request_id="x" * 65)))
    assert "request id" in error.details()
    nothing = await notes.RecordInteractions(note())
    assert (nothing.recorded_count, nothing.sequence) == (0, 1)


async def test_a_repeated_request_is_answered_and_not_run_again(notes):
    request = note(did(), did("v", "none"), did(""), request_id="r")
    first = await notes.RecordInteractions(request)
    await notes.RecordInteractions(note(did(weight=5)))
    assert await notes.RecordInteractions(request) == first
    assert [each.weight for each in (await listed(notes)).interactions] == [5]
    error = await refused(notes.RecordInteractions(note(did(), request_id="r")))
    assert "used for another request" in error.details()


async def test_a_stream_records_in_order(notes):
    async def requests():
        for number in range(40):
            yield note(did(weight=number), did("v", "none"), request_id=f"r{number}")

    answers = [each async for each in notes.StreamRecordInteractions(requests())]
    assert [each.sequence for each in answers] == list(range(2, 42))
    assert all(item_errors(each) == {1: "NOT_FOUND"} for each in answers)
    assert [each.weight for each in (await listed(notes)).interactions] == [39]


async def test_a_stream_ends_with_the_request_that_cannot_be_written(notes):
    async def requests():
        yield note(did())
        yield pb.RecordInteractionsRequest(collection="collections/none", interactions=[did()])
        yield note(did("late"))

    answers, error = await until_error(notes.StreamRecordInteractions(requests()))
    assert (len(answers), detail(error).reason) == (1, "NOT_FOUND")
    assert [each.user for each in (await listed(notes)).interactions] == ["u"]


async def pages(calls, **fields):
    found, token, sizes = [], "", []
    while True:
        page = await listed(calls, page_size=2, page_token=token, **fields)
        found += page.interactions
        sizes.append(page.total_size)
        token = page.next_page_token
        if not token:
            return found, sizes


async def test_interactions_are_listed_page_by_page(notes):
    times = {"a": 30, "b": 10, "c": 20}
    await notes.RecordInteractions(note(*(did("u", name, time=each) for name, each in times.items())))
    await notes.RecordInteractions(note(did("v", time=15), did("u", "a", time=5, kind="like")))
    found, sizes = await pages(notes)
    assert ([each.sequence for each in found], sizes) == ([2, 2, 2, 3, 3], [5, 0, 0])
    found, sizes = await pages(notes, user="u")
    assert ([each.record + each.kind for each in found], sizes) == (["a", "c", "b", "alike"], [4, 0])
    assert list((await listed(notes, user="nobody")).interactions) == []


async def test_page_tokens_of_others_are_refused(notes):
    await notes.RecordInteractions(note(*(did("u", name) for name in "abc")))
    token = (await listed(notes, page_size=1)).next_page_token
    error = await refused(listed(notes, user="u", page_token=token))
    assert "belongs to another request" in error.details()
    error = await refused(listed(notes, page_size=1001))
    assert "page_size 1001 is out of range" in error.details()


async def delete(calls, **fields):
    return await calls.DeleteInteractions(pb.DeleteInteractionsRequest(collection=NOTES, **fields))


async def test_interactions_are_deleted_by_user_record_kind_and_time(notes):
    await notes.RecordInteractions(note(*(did("u", name, time=each) for each, name in enumerate("abc", 10))))
    await notes.RecordInteractions(note(did("v", time=10), did("v", "b", time=20, kind="like")))
    assert (await delete(notes, user="u", records=["a", "none"], kinds=[""])).deleted_count == 1
    late = await delete(notes, start_time=Timestamp(seconds=12), request_id="r")
    assert (late.deleted_count, late.sequence) == (2, 5)
    assert await delete(notes, start_time=Timestamp(seconds=12), request_id="r") == late
    assert (await delete(notes, end_time=Timestamp(seconds=11))).deleted_count == 1
    assert [each.user + each.record for each in (await listed(notes)).interactions] == ["ub"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "neither a user nor a time is named"),
        ({"records": ["a"]}, "neither a user nor a time is named"),
        ({"user": "u" * 513}, "user id"),
        ({"user": "u", "records": [""]}, "record id"),
        ({"user": "u", "records": ["a"] * 10_001}, "10001 records are too many"),
        ({"user": "u", "kinds": ["k"] * 101}, "101 kinds are too many"),
        ({"user": "u", "kinds": ["k" * 65]}, "kind"),
        ({"end_time": Timestamp(seconds=1 << 60)}, "end_time has"),
    ],
)
async def test_deletions_that_are_not_right_delete_nothing(notes, fields, says):
    await notes.RecordInteractions(note(did()))
    error = await refused(delete(notes, **fields))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert says in error.details()
    assert (await listed(notes)).total_size == 1


async def test_everything_of_a_user_is_deleted(notes):
    await notes.RecordInteractions(note(did(), did("u", "b", kind="like"), did("v")))
    gone = await notes.DeleteUser(pb.DeleteUserRequest(collection=NOTES, user="u", request_id="r"))
    assert (gone.deleted_count, gone.sequence) == (2, 3)
    await notes.RecordInteractions(note(did("u", "c")))
    assert await notes.DeleteUser(pb.DeleteUserRequest(collection=NOTES, user="u", request_id="r")) == gone
    assert [each.user for each in (await listed(notes)).interactions] == ["v", "u"]
    nobody = await notes.DeleteUser(pb.DeleteUserRequest(collection=NOTES, user="nobody"))
    assert nobody.deleted_count == 0
    error = await refused(notes.DeleteUser(pb.DeleteUserRequest(collection=NOTES)))
    assert "user id '' has 0 bytes" in error.details()


async def test_a_record_takes_its_interactions_with_it(notes):
    await notes.RecordInteractions(note(did(), did("v", "b")))
    await notes.DeleteRecords(r.DeleteRecordsRequest(collection=NOTES, ids=["a"]))
    await notes.UpsertRecords(upsert_request(*(record(name, vector=[2, 1]) for name in "ab")))
    assert [each.user for each in (await listed(notes)).interactions] == ["v"]
