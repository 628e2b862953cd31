"""Bytes of requests in work, vectors that are no numbers, contents whose encoder is gone, and a stop under way."""

import asyncio
import threading

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from frostline.server.api.request_bytes import RequestBytes
from frostline.server.collections.collection import Collection
from frostline.server.encoders.registry import Registry
from frostline.server.errors import Overloaded
from frostline.v1 import collection_pb2
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import search_service_pb2 as q
from frostline.wire import tensors
from in_process import open_server
from raw import create_request, detail, hits, item_errors, refused, search_request, upsert_request, vector
from tiny import HIDDEN

MIB = 1 << 20
NOTES = "collections/notes"


async def test_requests_wait_or_are_refused_while_others_of_the_limit_are_in_work():
    room = RequestBytes(10)
    room.take(25)  # alone, whatever its size
    with pytest.raises(Overloaded, match="max_request_bytes_in_flight"):
        room.take(1)
    waiting = asyncio.create_task(room.wait(10, lambda: 0))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.free(25)
    await waiting
    with pytest.raises(Overloaded):
        room.take(1)
    room.free(10)
    room.take(4)
    room.take(6)


async def test_one_stream_leaves_half_of_the_room_to_others():
    room = RequestBytes(10)
    own = [4]
    room.take(4)
    waiting = asyncio.ensure_future(room.wait(2, lambda: sum(own)))
    await asyncio.sleep(0)
    assert not waiting.done()
    room.take(6)  # another caller's
    room.free(6)
    room.free(own.pop())
    await waiting
    large = RequestBytes(10)
    await large.wait(9, lambda: 0)  # alone, it may be larger


async def test_beyond_the_bytes_in_flight_calls_are_refused_with_a_hint_and_streams_wait(data_dir, monkeypatch):
    begun, go_on, search = threading.Event(), threading.Event(), Collection.search_vectors

    def slow(*arguments):
        begun.set()
        go_on.wait(20)
        return search(*arguments)

    monkeypatch.setattr(Collection, "search_vectors", slow)
    async with open_server(data_dir, max_request_bytes_in_flight=MIB) as server:
        plain = server.calls
        await plain.CreateCollection(create_request(dimensions=1000))
        array = tensors.encode(np.ones((150, 1000), np.float32))  # 0.6 MB: two are above the limit
        upsert = upsert_request(*(r.Record(id=str(n)) for n in range(150)), vectors=array)
        held = asyncio.ensure_future(plain.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=array)))
        assert await asyncio.to_thread(begun.wait, 20)
        error = await refused(plain.UpsertRecords(upsert))
        assert (error.code(), detail(error).reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert detail(error).HasField("retry_after")
        stream = asyncio.ensure_future(plain.StreamUpsertRecords(iter([upsert] * 8)).read())
        await asyncio.sleep(0.1)
        assert not stream.done()
        go_on.set()
        async with asyncio.timeout(20):
            await held
            assert (await stream).upserted_count == 150
            answers = [answer async for answer in plain.StreamUpsertRecords(iter([upsert] * 8))]
            assert len(answers) == 8
            for _ in range(8):
                await plain.UpsertRecords(upsert)


async def test_vectors_that_are_no_numbers_fail_alone_also_where_they_are_normalised(server):
    await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    array = np.ones((4, HIDDEN), np.float32)
    array[1, 2], array[3, 0] = np.nan, np.inf
    written = await server.calls.UpsertRecords(
        upsert_request(*(r.Record(id=str(n)) for n in range(4)), vectors=tensors.encode(array))
    )
    assert item_errors(written) == {1: "INVALID_INPUT", 3: "INVALID_INPUT"}
    assert "nan at position 2" in written.errors[0].message
    one_by_one = [r.Record(id=str(n), vector=vector(row)) for n, row in enumerate(array)]
    assert item_errors(await server.calls.UpsertRecords(upsert_request(*one_by_one))).keys() == {1, 3}
    response = await server.calls.SearchRecords(search_request(*array))
    assert item_errors(response) == {1: "INVALID_INPUT", 3: "INVALID_INPUT"}
    assert [len(each) for each in hits(response)] == [2, 0, 2, 0]


async def test_where_the_encoder_is_gone_texts_fail_alone_and_a_literal_prompt_can_be_set(data_dir):
    async with open_server(data_dir) as server:
        await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    registry = Registry(data_dir / "encoders")
    registry.delete("tiny")
    registry.close()
    async with open_server(data_dir) as server:
        notes = server.calls
        records = r.Record(id="1", vector=vector(np.ones(HIDDEN))), r.Record(id="2", text="red")
        written = await notes.UpsertRecords(upsert_request(*records))
        assert (written.upserted_count, item_errors(written)) == (1, {1: "NOT_FOUND"})
        response = await notes.SearchRecords(search_request("red", np.ones(HIDDEN)))
        assert (hits(response), item_errors(response)) == ([[], ["1"]], {0: "NOT_FOUND"})
        assert (await refused(notes.SearchRecords(search_request("red")))).code() == grpc.StatusCode.NOT_FOUND
        changed = await notes.UpdateCollection(prompt_update("notes", literal="ask: "))
        assert changed.vectors[0].query_prompt.literal == "ask: "
        error = await refused(notes.UpdateCollection(prompt_update("notes", name="query")))
        assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_a_plain_collection_takes_no_prompt_later_either(server):
    await server.calls.CreateCollection(create_request(dimensions=3))
    error = await refused(server.calls.UpdateCollection(prompt_update("notes", literal="ask: ")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "plain vectors" in error.details()


def prompt_update(collection, **prompt) -> c.UpdateCollectionRequest:
    field = collection_pb2.VectorField(query_prompt=pb.Prompt(**prompt))
    changed = collection_pb2.Collection(name=f"collections/{collection}", vectors=[field])
    return c.UpdateCollectionRequest(collection=changed, update_mask=FieldMask(paths=["vectors.query_prompt"]))


async def test_an_answer_is_sent_to_its_end_by_a_server_that_stops(data_dir):
    """The stop comes while the handler works, and would be over once it has returned."""
    async with open_server(data_dir, max_message_bytes=128 * MIB) as server:
        await server.calls.CreateCollection(create_request(dimensions=1))
        large = (r.Record(id=str(n), vector=vector([1]), text="x" * MIB) for n in range(55))
        await server.calls.UpsertRecords(upsert_request(*large))
        ids = [str(n) for n in range(55)]
        call = server.calls.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=ids, include_content=True))
        await server.calls.CountRecords(r.CountRecordsRequest(collection=NOTES))  # the call before it has come
        stopping = asyncio.create_task(server.app.__aexit__(None, None, None))
        assert len((await call).records) == 55
        await stopping
