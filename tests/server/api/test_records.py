"""Collections over the wire: what is written, what is found, what is refused."""

import asyncio

import grpc
import numpy as np
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from frostline.server.encoders.registry import Registry
from frostline.v1 import collection_pb2
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import search_service_pb2 as q
from frostline.wire import tensors
from in_process import open_server
from raw import (
    create_request,
    detail,
    embed_request,
    hits,
    item_errors,
    picture,
    refused,
    rows,
    search_request,
    until_error,
    upsert_request,
    vector,
)
from tiny import HIDDEN, tiny_bert

NOTES = "collections/notes"


def text_record(record_id, text, **fields) -> r.Record:
    return r.Record(id=record_id, text=text, **fields)


@pytest.fixture
async def notes(server):
    await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    return server.calls


@pytest.fixture
async def plain(server):
    await server.calls.CreateCollection(create_request("plain", dimensions=3, metric=pb.METRIC_EUCLIDEAN))
    return server.calls


async def test_texts_are_embedded_stored_and_found(notes):
    written = await notes.UpsertRecords(
        upsert_request(
            text_record("1", "the red cat", payload=b'{"n":1}'),
            text_record("2", "blue house"),
            text_record("3", "frozen encoder head"),
        )
    )
    assert (written.upserted_count, written.sequence) == (3, 1)
    assert written.timings.write_seconds > 0
    response = await notes.SearchRecords(search_request("red cat", "frozen encoder", include_payloads=True, limit=2))
    found = hits(response)
    assert [len(each) for each in found] == [2, 2]
    assert found[1][0] == "3"
    assert len(response.payloads) == 4
    assert dict(zip(response.ids, response.payloads, strict=True)).get("1", b'{"n":1}') == b'{"n":1}'
    assert response.sequence == 1
    scores = np.frombuffer(response.scores, "<f4").reshape(2, 2)
    assert (np.diff(scores, axis=1) <= 0).all()


async def test_a_bad_record_is_refused_alone_and_the_others_are_written(notes):
    records = [
        text_record("fine", "red"),
        text_record("", "no id"),
        text_record("broken payload", "x", payload=b"{"),
        r.Record(id="empty"),
        r.Record(id="picture", image=picture()),
        r.Record(id="short", vector=vector(np.ones(3))),
        r.Record(id="zero", vector=vector(np.zeros(HIDDEN))),
        text_record("also fine", "blue"),
    ]
    written = await notes.UpsertRecords(upsert_request(*records))
    assert written.upserted_count == 2
    assert item_errors(written) == dict.fromkeys(range(1, 7), "INVALID_INPUT")
    found = await notes.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["also fine", "zero", "fine"]))
    assert [record.id for record in found.records] == ["also fine", "fine"]
    assert list(found.missing_ids) == ["zero"]


async def test_of_two_records_with_one_id_the_later_stays(notes):
    await notes.UpsertRecords(upsert_request(text_record("1", "first"), text_record("1", "second")))
    await notes.UpsertRecords(upsert_request(text_record("2", "old")))
    await notes.UpsertRecords(upsert_request(text_record("2", "new")))
    found = await notes.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["1", "2"], include_content=True))
    assert [record.text for record in found.records] == ["second", "new"]
    assert (await notes.CountRecords(r.CountRecordsRequest(collection=NOTES))).count == 2


async def test_documents_and_queries_get_the_prompts_of_their_collection(server):
    await server.calls.CreateCollection(
        create_request(encoder="encoders/tiny", document_prompt=pb.Prompt(literal="cluster: "))
    )
    await server.calls.UpsertRecords(upsert_request(text_record("1", "red")))
    (record,) = (
        await server.calls.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["1"], include_vectors=True))
    ).records
    prompted = rows(await server.calls.Embed(embed_request("cluster: red")))[0]
    np.testing.assert_allclose(np.frombuffer(record.vector.data, "<f4"), prompted, atol=1e-5)
    # The query prompt is the encoder's own: the query "red" is embedded as "query: red".
    asked = rows(await server.calls.Embed(embed_request("query: red")))[0]
    response = await server.calls.SearchRecords(search_request("red"))
    assert np.frombuffer(response.scores, "<f4")[0] == pytest.approx(float(asked @ prompted), abs=1e-4)
    await server.calls.UpdateCollection(
        c.UpdateCollectionRequest(
            collection=collection_pb2.Collection(
                name=NOTES, vectors=[collection_pb2.VectorField(query_prompt=pb.Prompt(literal="cluster: "))]
            ),
            update_mask=FieldMask(paths=["vectors.query_prompt"]),
        )
    )
    response = await server.calls.SearchRecords(search_request("red"))
    assert np.frombuffer(response.scores, "<f4")[0] == pytest.approx(1, abs=1e-4)


async def test_vectors_come_one_by_one_or_as_one_array(plain):
    one_by_one = [r.Record(id=str(n), vector=vector([n, 0, 0])) for n in range(3)]
    await plain.UpsertRecords(upsert_request(*one_by_one, collection="plain"))
    array = np.array([[3, 0, 0], [np.nan, 0, 0], [5, 0, 0]], np.float32)
    written = await plain.UpsertRecords(
        upsert_request(*(r.Record(id=str(n)) for n in (3, 4, 5)), collection="plain", vectors=tensors.encode(array))
    )
    assert item_errors(written) == {1: "INVALID_INPUT"}
    queries = tensors.encode(np.array([[0, 0, 0], [4.9, 0, 0]], np.float32))
    response = await plain.SearchRecords(
        q.SearchRecordsRequest(collection="collections/plain", vectors=queries, limit=2)
    )
    assert hits(response) == [["0", "1"], ["5", "3"]]


async def test_a_plain_collection_refuses_texts_one_by_one(plain):
    written = await plain.UpsertRecords(upsert_request(text_record("1", "text"), collection="plain"))
    assert item_errors(written) == {0: "INVALID_INPUT"}
    response = await plain.SearchRecords(search_request("text", [0, 0, 0], collection="plain"))
    assert item_errors(response) == {0: "INVALID_INPUT"}
    assert "plain vectors" in response.errors[0].message


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"dimensions": -1},
        {"dimensions": 3, "layer": "last"},
        {"dimensions": 3, "normalize": True},
        {"dimensions": 3, "query_prompt": pb.Prompt(literal="q")},
        {"dimensions": 3, "metric": 9},
        {"encoder": "tiny"},
        {"encoder": "encoders/tiny", "dimensions": HIDDEN + 1},
    ],
)
async def test_a_collection_that_makes_no_sense_is_not_created(server, fields):
    error = await refused(server.calls.CreateCollection(create_request(**fields)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_name_is_taken_once(notes):
    error = await refused(notes.CreateCollection(create_request(encoder="encoders/tiny")))
    assert error.code() == grpc.StatusCode.ALREADY_EXISTS
    error = await refused(notes.CreateCollection(create_request("Not A Name", dimensions=3)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_vector_of_another_space_is_refused_with_failed_precondition(server, notes):
    other = (await server.calls.Embed(embed_request("x", normalize=False))).space
    array = tensors.encode(np.ones((1, HIDDEN), np.float32))
    for call in (
        notes.UpsertRecords(upsert_request(r.Record(id="1"), vectors=array, space=other)),
        notes.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=array, space=other)),
    ):
        error = await refused(call)
        assert (error.code(), detail(error).reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SPACE_MISMATCH")
        assert "normalize" in error.details()
    written = await notes.UpsertRecords(
        upsert_request(r.Record(id="1", vector=vector(np.ones(HIDDEN), other)), text_record("2", "fine"))
    )
    assert item_errors(written) == {0: "SPACE_MISMATCH"}
    assert written.errors[0].code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    right = (await notes.GetCollection(c.GetCollectionRequest(name=NOTES))).vectors[0].space
    assert (await notes.UpsertRecords(upsert_request(r.Record(id="1"), vectors=array, space=right))).upserted_count == 1


async def test_a_changed_encoder_is_named_and_texts_are_refused_while_vectors_go_on(data_dir, tmp_path):
    async with open_server(data_dir) as server:
        await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
        await server.calls.UpsertRecords(upsert_request(text_record("1", "red")))
    registry = Registry(data_dir / "encoders")
    registry.delete("tiny")
    registry.install("tiny", tiny_bert(tmp_path / "other", seed=1))
    registry.close()
    async with open_server(data_dir) as server:
        notes = server.calls
        for call in (
            notes.UpsertRecords(upsert_request(text_record("2", "blue"))),
            notes.SearchRecords(search_request("red")),
        ):
            error = await refused(call)
            assert (error.code(), detail(error).reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SPACE_MISMATCH")
            assert "'tiny'" in error.details()
            assert "'notes'" in error.details()
        assert hits(await notes.SearchRecords(search_request(np.ones(HIDDEN)))) == [["1"]]


async def test_a_record_is_searched_by_id_without_itself(plain):
    await plain.UpsertRecords(
        upsert_request(*(r.Record(id=str(n), vector=vector([n, 0, 0])) for n in range(4)), collection="plain")
    )
    response = await plain.SearchRecords(
        search_request(q.Query(record_id="1"), [1, 0, 0], q.Query(record_id="9"), collection="plain", limit=2)
    )
    assert hits(response) == [["0", "2"], ["1", "0"], []]
    assert item_errors(response) == {2: "NOT_FOUND"}


async def test_limits_are_named_when_they_are_passed(plain):
    async def message(call) -> str:
        error = await refused(call)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        return error.details()

    ids = [str(n) for n in range(10_001)]
    assert "10000" in await message(plain.SearchRecords(search_request([0, 0, 0], collection="plain", limit=10_001)))
    assert "1024" in await message(plain.SearchRecords(search_request(*[[0, 0, 0]] * 1025, collection="plain")))
    for request in (r.GetRecordsRequest, r.DeleteRecordsRequest):
        method = plain.GetRecords if request is r.GetRecordsRequest else plain.DeleteRecords
        assert "10000" in await message(method(request(collection="collections/plain", ids=ids)))
    records = [r.Record(id=each) for each in ids]
    assert "10000" in await message(plain.UpsertRecords(upsert_request(*records, collection="plain")))


async def test_collections_are_listed_page_by_page(server):
    for number in range(5):
        await server.calls.CreateCollection(create_request(f"c{number}", dimensions=3))
    names, token = [], ""
    while True:
        page = await server.calls.ListCollections(c.ListCollectionsRequest(page_size=2, page_token=token))
        names += [each.name for each in page.collections]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"collections/c{number}" for number in range(5)]


async def test_records_are_listed_once_each_and_a_token_belongs_to_its_request(plain):
    await plain.UpsertRecords(
        upsert_request(*(r.Record(id=str(n), vector=vector([n, 0, 0])) for n in range(7)), collection="plain")
    )
    request = r.ListRecordsRequest(collection="collections/plain", page_size=3, include_vectors=True)
    ids = []
    while True:
        page = await plain.ListRecords(request)
        ids += [record.id for record in page.records]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert ids == [str(n) for n in range(7)]
    request.include_vectors = False
    error = await refused(plain.ListRecords(request))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    request.page_token = "made up"
    assert (await refused(plain.ListRecords(request))).code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_deleted_records_and_collections_are_gone(notes):
    await notes.UpsertRecords(upsert_request(text_record("1", "red"), text_record("2", "blue")))
    deleted = await notes.DeleteRecords(r.DeleteRecordsRequest(collection=NOTES, ids=["1", "1", "7"]))
    assert deleted.deleted_count == 1
    assert hits(await notes.SearchRecords(search_request("red"))) == [["2"]]
    await notes.DeleteCollection(c.DeleteCollectionRequest(name=NOTES))
    error = await refused(notes.GetCollection(c.GetCollectionRequest(name=NOTES)))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_a_repeated_request_is_answered_and_not_run_again(notes):
    request = upsert_request(text_record("1", "red"), request_id="once")
    first, second = await notes.UpsertRecords(request), await notes.UpsertRecords(request)
    assert (first.upserted_count, first.sequence) == (second.upserted_count, second.sequence)
    assert (await notes.GetCollection(c.GetCollectionRequest(name=NOTES))).sequence == 1


async def test_streamed_batches_are_written_in_order_although_they_are_embedded_side_by_side(notes):
    """Batch n has many texts where n is even, so that odd ones are embedded earlier; the last writer of an id wins."""
    batches = [
        [text_record("shared", f"text {n}"), *(text_record(f"{n}-{k}", "cat " * 50) for k in range(100 * (n % 2 == 0)))]
        for n in range(9)
    ]
    stream = notes.StreamUpsertRecords(iter([upsert_request(*batch) for batch in batches]))
    answers = [answer async for answer in stream]
    assert [answer.upserted_count for answer in answers] == [len(batch) for batch in batches]
    assert [answer.sequence for answer in answers] == list(range(1, 10))
    found = await notes.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["shared"], include_content=True))
    assert found.records[0].text == "text 8"


async def test_nothing_after_a_failed_batch_of_a_stream_is_written(notes):
    requests = [upsert_request(text_record(str(n), "red")) for n in range(6)]
    requests[2] = upsert_request(text_record("2", "red"), collection="nowhere")
    answers, error = await until_error(notes.StreamUpsertRecords(iter(requests)))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    assert len(answers) == 2
    await asyncio.sleep(0.1)
    assert (await notes.CountRecords(r.CountRecordsRequest(collection=NOTES))).count == 2


async def test_an_encoder_in_use_is_not_deleted(server, notes):
    error = await refused(server.calls.DeleteEncoder(e.DeleteEncoderRequest(name="encoders/tiny")))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IN_USE")
    assert "'notes'" in error.details()
    await notes.DeleteCollection(c.DeleteCollectionRequest(name=NOTES))
    await server.calls.DeleteEncoder(e.DeleteEncoderRequest(name="encoders/tiny"))
    error = await refused(server.calls.GetEncoder(e.GetEncoderRequest(name="encoders/tiny")))
    assert error.code() == grpc.StatusCode.NOT_FOUND
