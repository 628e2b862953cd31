"""Reading records and collections over the wire, where something is damaged, too large, or just being deleted."""

import contextlib
import shutil
import sqlite3

import grpc
import numpy as np
import pytest

from frostline.client import AsyncClient, DataDamaged
from frostline.server.api.content_vectors import ContentVectors
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import search_service_pb2 as q
from in_process import open_server
from raw import create_request, detail, hits, item_errors, refused, search_request, upsert_request, vector

PLAIN = "collections/plain"
MIB = 1 << 20


@pytest.fixture
async def small(tmp_path):
    """A server that answers with 1 MiB at most, and a collection of plain vectors."""
    async with open_server(tmp_path / "small", max_message_bytes=MIB) as server:
        await server.calls.CreateCollection(create_request("plain", dimensions=3, metric=pb.METRIC_EUCLIDEAN))
        yield server


async def write(server, *ids, **fields):
    records = [r.Record(id=each, vector=vector([len(ids), place, 0]), **fields) for place, each in enumerate(ids)]
    for record in records:
        written = await server.calls.UpsertRecords(upsert_request(record, collection="plain"))
        assert written.upserted_count == 1


def folder_of(server):
    (folder,) = (server.data_dir / "collections").glob("plain.*")
    return folder


def damage(server, record_id):
    with contextlib.closing(sqlite3.connect(folder_of(server) / "records.sqlite")) as connection, connection:
        connection.execute("UPDATE records SET payload = '{\"other\": 1}' WHERE id = ?", (record_id,))
        connection.execute(
            "UPDATE vectors SET crc = crc + 1 WHERE key / 16 = (SELECT internal_id FROM records WHERE id = ?)",
            (record_id,),
        )


async def test_an_id_asked_for_twice_is_answered_once(small):
    await write(small, "a", "b")
    found = await small.calls.GetRecords(r.GetRecordsRequest(collection=PLAIN, ids=["b", "x", "a", "b", "x"]))
    assert ([each.id for each in found.records], list(found.missing_ids)) == (["b", "a"], ["x"])


async def test_what_is_larger_than_an_answer_is_refused_with_what_to_do(small):
    names = [str(number) for number in range(12)]
    await write(small, *names, payload=b'{"title": "%s"}' % (b"x" * 100_000))
    error = await refused(small.calls.GetRecords(r.GetRecordsRequest(collection=PLAIN, ids=names)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "ask for fewer ids" in error.details()
    search = search_request([0, 0, 0], collection="plain", limit=12, include_payloads=True)
    error = await refused(small.calls.SearchRecords(search))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "ask for fewer hits" in error.details()
    search.include_payloads = False
    assert len(hits(await small.calls.SearchRecords(search))[0]) == 12
    request = r.ListRecordsRequest(collection=PLAIN, page_size=100)
    listed = []
    while not listed or request.page_token:
        page = await small.calls.ListRecords(request)
        listed += [each.id for each in page.records]
        request.page_token = page.next_page_token
    assert listed == names


async def test_a_damaged_record_fails_alone(small):
    await write(small, "a", "b", "c")
    damage(small, "b")
    found = await small.calls.GetRecords(r.GetRecordsRequest(collection=PLAIN, ids=["c", "x", "b", "b", "a"]))
    assert [each.id for each in found.records] == ["c", "a"]
    assert list(found.missing_ids) == ["x"]
    assert item_errors(found) == {2: "DATA_DAMAGED"}
    assert found.errors[0].code == grpc.StatusCode.DATA_LOSS.value[0]
    assert "record 'b'" in found.errors[0].message
    queries = search_request(q.Query(record_id="b"), q.Query(record_id="a"), collection="plain")
    answer = await small.calls.SearchRecords(queries)
    assert item_errors(answer) == {0: "DATA_DAMAGED"}
    assert "c" in hits(answer)[1]


async def test_the_client_raises_damage_with_the_records_name(small):
    await write(small, "a", "b")
    damage(small, "b")
    async with AsyncClient(small.app.target) as client:
        with pytest.raises(DataDamaged, match="record 'b'"):
            await client.get("plain", ["a", "b"])
        assert [each.id for each in await client.get("plain", ["a"] * 1001)] == ["a"]


async def test_a_collection_that_is_being_deleted_is_left_out_of_lists_and_not_found(small):
    await small.calls.CreateCollection(create_request("other", dimensions=3))
    # What a deletion has done between the moment others found the collection and the moment they ask for its size.
    shutil.rmtree(folder_of(small))
    listed = await small.calls.ListCollections(c.ListCollectionsRequest())
    assert [each.name for each in listed.collections] == ["collections/other"]
    error = await refused(small.calls.GetCollection(c.GetCollectionRequest(name=PLAIN)))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_a_repeated_request_with_another_vector_is_refused_and_a_text_embedded_again_is_not(server, monkeypatch):
    notes = server.calls
    await notes.CreateCollection(create_request(encoder="encoders/tiny"))
    dimensions = (await notes.GetCollection(c.GetCollectionRequest(name="collections/notes"))).vectors[0].dimensions

    def request(seed, request_id):
        values = np.random.default_rng(seed).normal(size=dimensions)
        return upsert_request(r.Record(id="1", text="red", vector=vector(values)), request_id=request_id)

    first = await notes.UpsertRecords(request(0, "own"))
    assert (await notes.UpsertRecords(request(0, "own"))).sequence == first.sequence
    error = await refused(notes.UpsertRecords(request(1, "own")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "'own' was used for another request" in error.details()
    text = upsert_request(r.Record(id="2", text="red"), r.Record(id="3", text="blue house"), request_id="text")
    first = await notes.UpsertRecords(text)
    make = ContentVectors.make

    async def make_in_another_batch(*args):
        vectors = await make(*args)
        vectors.made = [each * np.float32(1 + 1e-6) for each in vectors.made]
        return vectors

    monkeypatch.setattr(ContentVectors, "make", make_in_another_batch)
    assert (await notes.UpsertRecords(text)).sequence == first.sequence
