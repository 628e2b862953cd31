"""Named vectors, conditions, what is passed over, patches, filters: writing records and reading them back."""

import json

import grpc
import numpy as np
import pytest

from frostline.server.batching.batcher import Batcher
from frostline.v1 import collection_pb2 as cp
from frostline.v1 import record_service_pb2 as r
from frostline.wire import tensors
from raw import create_request, embed_request, filtered, item_errors, picture, record, refused, rows, upsert_request
from tiny import HIDDEN

NOTES = "collections/notes"


@pytest.fixture
async def products(server):
    """Records with the vectors `text`, `image`, `short` (of texts too) and `plain`."""
    vectors = [
        cp.VectorField(name="text", encoder="encoders/tiny"),
        cp.VectorField(name="image", encoder="encoders/tiny-image"),
        cp.VectorField(name="short", encoder="encoders/tiny", dimensions=8),
        cp.VectorField(name="plain", dimensions=3),
    ]
    await server.calls.CreateCollection(create_request(vectors=vectors))
    return server.calls


@pytest.fixture
async def notes(server):
    await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    return server.calls


@pytest.fixture
def embedded(monkeypatch):
    """How many contents each batch had that was embedded."""
    sizes, embed = [], Batcher.embed

    async def counted(self, encoder, contents, **more):
        sizes.append(len(contents))
        return await embed(self, encoder, contents, **more)

    monkeypatch.setattr(Batcher, "embed", counted)
    return sizes


async def stored(calls, *ids, **more):
    found = await calls.GetRecords(
        r.GetRecordsRequest(collection=NOTES, ids=ids, include_vectors=True, include_content=True, **more)
    )
    return {each.id: each for each in found.records}


async def count(calls, expression="", **parameters):
    request = r.CountRecordsRequest(collection=NOTES, filter=filtered(expression, **parameters))
    return (await calls.CountRecords(request)).count


def values(message):
    return np.frombuffer(message.data, "<f4")


async def test_each_vector_is_made_of_the_content_it_needs_and_texts_are_embedded_once(products, embedded):
    both, text, image = record("both", "red", image=picture()), record("text", "red"), record("image", image=picture())
    written = await products.UpsertRecords(upsert_request(both, text, image))
    assert (written.upserted_count, list(written.errors)) == (3, [])
    assert sorted(embedded) == [1, 1]  # one text and one picture, whatever the number of records and vectors
    found = await stored(products, "both", "text", "image")
    assert {
        key: {"text", *each.vectors} if each.HasField("vector") else set(each.vectors) for key, each in found.items()
    } == {
        "both": {"text", "image", "short"},
        "text": {"text", "short"},
        "image": {"image"},
    }
    assert (found["both"].text, found["both"].image) == ("red", picture())
    whole = rows(await products.Embed(embed_request("red")))[0]
    short = rows(await products.Embed(embed_request("red", dimensions=8)))[0]
    pixels = rows(await products.Embed(embed_request(picture(), encoder="tiny-image")))[0]
    np.testing.assert_allclose(values(found["both"].vector), whole, atol=1e-5)
    np.testing.assert_allclose(values(found["both"].vectors["short"]), short, atol=1e-5)
    np.testing.assert_allclose(values(found["image"].vectors["image"]), pixels, atol=1e-5)
    assert found["both"].vectors["short"].space.dimensions == 8


async def test_given_vectors_go_where_they_are_named_and_the_rest_is_made(products):
    own = np.eye(1, HIDDEN, 3)[0]
    written = await products.UpsertRecords(
        upsert_request(
            record("named", "red", vectors={"text": own, "plain": [1, 2, 3]}),
            record("only", vectors={"plain": [3, 2, 1]}),
            record("twice", vector=own, vectors={"text": own}),
            record("nowhere", "red", vectors={"other": own}),
            record("short", "red", vectors={"plain": [1, 2]}),
        )
    )
    assert item_errors(written) == {2: "INVALID_INPUT", 3: "NOT_FOUND", 4: "INVALID_INPUT"}
    assert "vector 'plain' of collection 'notes' takes 3 dimensions" in written.errors[2].message
    found = await stored(products, "named", "only")
    np.testing.assert_array_equal(values(found["named"].vector), own)
    assert set(found["named"].vectors) == {"short", "plain"}
    assert (set(found["only"].vectors), found["only"].HasField("vector")) == ({"plain"}, False)


async def test_an_array_of_vectors_has_a_name_and_its_bad_rows_fail_alone(products):
    array = np.array([[1, 2, 3], [np.nan, 0, 0], [4, 5, 6]], np.float32)
    records = [record("a", "red"), record("b", "blue"), record("c", vectors={"plain": [1, 1, 1]})]
    written = await products.UpsertRecords(upsert_request(*records, vectors=tensors.encode(array), vector_name="plain"))
    assert item_errors(written) == {1: "INVALID_INPUT", 2: "INVALID_INPUT"}
    assert "beside its row" in written.errors[1].message
    found = await stored(products, "a")
    assert values(found["a"].vectors["plain"]).tolist() == [1, 2, 3]
    assert found["a"].HasField("vector")
    request = upsert_request(*records, vectors=tensors.encode(array), vector_name="other")
    assert (await refused(products.UpsertRecords(request))).code() == grpc.StatusCode.NOT_FOUND
    request = upsert_request(*records[:2], vectors=tensors.encode(array), vector_name="plain")
    assert "(2, 3)" in (await refused(products.UpsertRecords(request))).details()


@pytest.mark.parametrize(
    "more", [{}, {"text": "red"}, {"image": picture()}, {"expected_sequence": 0}, {"vectors": {"plain": [1, 1, 1]}}]
)
async def test_an_array_of_vectors_is_written_with_whatever_comes_beside_it(products, more):
    """Whether all records are bare, which is read column by column, or one brings more: each item says the same."""
    array = np.arange(21, dtype=np.float32).reshape(7, 3)
    array[2], array[5] = np.nan, 0
    records = [
        r.Record(id="a", payload=b'{"n":1}'),
        r.Record(id="", payload=b"{}"),
        r.Record(id="b"),
        r.Record(id="c", payload=b'{"n":1,"n":2}'),
        r.Record(id="a", payload=b'{"n":2}'),
        r.Record(id="zero"),
        record("last", **more),
    ]
    request = upsert_request(*records, vectors=tensors.encode(array), vector_name="plain", request_id="once")
    written = await products.UpsertRecords(request)
    refused_positions = {1, 2, 3, 5, 6} if "vectors" in more else {1, 2, 3, 5}
    assert item_errors(written) == dict.fromkeys(refused_positions, "INVALID_INPUT")
    messages = [(1, "record id"), (2, "nan at position 0"), (3, "key 'n' twice"), (5, "all zeros")]
    by_index = {error.index: error.message for error in written.errors}
    assert all(message in by_index[index] for index, message in messages)
    assert written.upserted_count == (1 if "vectors" in more else 2)
    found = await stored(products, "a", "last")
    assert (found["a"].payload, values(found["a"].vectors["plain"]).tolist()) == (b'{"n":2}', [12, 13, 14])
    if "last" in found:
        assert found["last"].HasField("text") == ("text" in more)
        assert values(found["last"].vectors["plain"]).tolist() == [18, 19, 20]
    again = await products.UpsertRecords(request)
    assert (again.sequence, again.upserted_count) == (written.sequence, written.upserted_count)
    request.records[0].payload = b'{"n":3}'
    assert "another request" in (await refused(products.UpsertRecords(request))).details()


async def test_a_condition_beside_an_array_of_vectors_holds(products):
    array = tensors.encode(np.eye(3, dtype=np.float32)[:2])
    records = [r.Record(id="a"), r.Record(id="b", expected_sequence=0)]
    request = upsert_request(*records, vectors=array, vector_name="plain")
    assert (await products.UpsertRecords(request)).upserted_count == 2
    assert item_errors(await products.UpsertRecords(request)) == {1: "CONFLICT"}


async def test_a_record_that_makes_no_vector_is_refused_and_says_why(notes):
    written = await notes.UpsertRecords(upsert_request(record("1", image=picture()), record("2"), record("3", "fine")))
    assert item_errors(written) == {0: "INVALID_INPUT", 1: "INVALID_INPUT"}
    assert "'tiny' takes text" in written.errors[0].message
    assert "neither text, image nor vector" in written.errors[1].message


async def test_conditions_hold_or_the_item_is_aborted(notes):
    first = await notes.UpsertRecords(upsert_request(record("1", "red", expected_sequence=0)))
    assert first.upserted_count == 1
    again = await notes.UpsertRecords(
        upsert_request(
            record("x", "no", expected_sequence=7), record("1", "blue", expected_sequence=0), record("2", "fine")
        )
    )
    assert item_errors(again) == {0: "CONFLICT", 1: "CONFLICT"}
    assert again.errors[0].code == grpc.StatusCode.ABORTED.value[0]
    assert again.upserted_count == 1
    changed = record("1", "blue", expected_sequence=first.sequence)
    assert (await notes.UpsertRecords(upsert_request(changed))).upserted_count == 1
    assert item_errors(await notes.UpsertRecords(upsert_request(changed))) == {0: "CONFLICT"}
    assert (await stored(notes, "1"))["1"].text == "blue"
    below = await notes.UpsertRecords(upsert_request(record("1", "red", expected_sequence=-1)))
    assert item_errors(below) == {0: "INVALID_INPUT"}


async def test_errors_keep_their_places_where_some_are_refused_early_and_some_late(notes):
    written = await notes.UpsertRecords(
        upsert_request(
            record("", "no id"),
            record("a", "red", expected_sequence=9),
            record("b"),
            record("c", "red", expected_sequence=9),
            record("d", "red"),
        )
    )
    assert item_errors(written) == {0: "INVALID_INPUT", 1: "CONFLICT", 2: "INVALID_INPUT", 3: "CONFLICT"}
    assert list(await stored(notes, "a", "b", "c", "d")) == ["d"]


async def test_what_is_stored_already_is_passed_over_and_a_new_payload_keeps_the_vectors(notes, embedded):
    records = [record(str(n), f"text {n}", payload=b'{"n":1}') for n in range(4)]
    first = await notes.UpsertRecords(upsert_request(*records, skip_unchanged=True))
    assert (first.upserted_count, first.unchanged_count, first.reused_count) == (4, 0, 0)
    before = await stored(notes, "0", "1", "2", "3")
    records[1].payload = b'{"n":2}'
    records[2].text = "another text"
    second = await notes.UpsertRecords(upsert_request(*records, record("4", "new"), skip_unchanged=True))
    assert (second.upserted_count, second.unchanged_count, second.reused_count) == (3, 2, 1)
    assert embedded == [4, 2]
    after = await stored(notes, "0", "1", "2", "3")
    assert (after["0"], after["3"]) == (before["0"], before["3"])
    assert (after["1"].payload, after["1"].text) == (b'{"n":2}', "text 1")
    assert after["1"].vector == before["1"].vector
    assert after["2"].vector != before["2"].vector
    third = await notes.UpsertRecords(upsert_request(*records, skip_unchanged=True))
    assert (third.upserted_count, third.unchanged_count, third.sequence) == (0, 4, second.sequence)


async def test_a_changed_image_beside_the_same_text_is_a_change(products):
    await products.UpsertRecords(upsert_request(record("1", "red", image=picture(1))))
    request = upsert_request(record("1", "red", image=picture(2)), skip_unchanged=True)
    assert (await products.UpsertRecords(request)).unchanged_count == 0
    assert (await stored(products, "1"))["1"].image == picture(2)


async def test_of_what_comes_twice_the_later_stays_also_where_it_is_what_is_stored(notes):
    await notes.UpsertRecords(upsert_request(record("1", "old")))
    request = upsert_request(record("1", "new"), record("1", "old"), skip_unchanged=True)
    await notes.UpsertRecords(request)
    assert (await stored(notes, "1"))["1"].text == "old"
    stream = [upsert_request(record("1", text), skip_unchanged=True) for text in ("new", "old", "new", "old", "new")]
    answers = [answer async for answer in notes.StreamUpsertRecords(iter(stream))]
    assert [answer.upserted_count for answer in answers] == [1] * 5
    assert (await stored(notes, "1"))["1"].text == "new"


async def test_ready_vectors_are_not_compared_with_what_is_stored(notes):
    array = tensors.encode(np.ones((1, HIDDEN), np.float32))
    error = await refused(notes.UpsertRecords(upsert_request(record("1"), vectors=array, skip_unchanged=True)))
    assert "skip_unchanged" in error.details()
    written = await notes.UpsertRecords(
        upsert_request(record("1", vector=np.ones(HIDDEN)), record("2", "fine"), skip_unchanged=True)
    )
    assert item_errors(written) == {0: "INVALID_INPUT"}


async def test_payloads_are_patched_and_the_rest_stays(notes):
    await notes.UpsertRecords(upsert_request(record("1", "red", payload=b'{"a":1,"b":{"c":2,"d":3}}')))
    before = (await stored(notes, "1"))["1"]
    patches = [
        r.PayloadPatch(id="1", patch=b'{"a":null,"b":{"c":5}}'),
        r.PayloadPatch(id="missing", patch=b"{}"),
        r.PayloadPatch(id="1", patch=b"[]"),
        r.PayloadPatch(id="1", patch=b"{"),
        r.PayloadPatch(id="1", patch=b'{"e":1}', expected_sequence=99),
        r.PayloadPatch(id="1", patch=b'{"e":1}', expected_sequence=0),
        r.PayloadPatch(id="1"),
        r.PayloadPatch(id="1", patch=b'{"f":[1]}'),
    ]
    answer = await notes.PatchPayloads(r.PatchPayloadsRequest(collection=NOTES, patches=patches))
    invalid = dict.fromkeys((2, 3, 5, 6), "INVALID_INPUT")
    assert item_errors(answer) == {1: "NOT_FOUND", 4: "CONFLICT"} | invalid
    after = (await stored(notes, "1"))["1"]
    assert json.loads(after.payload) == {"b": {"c": 5, "d": 3}, "f": [1]}
    assert (after.text, after.vector, after.sequence) == (before.text, before.vector, answer.sequence)


async def test_records_are_counted_listed_and_deleted_by_filter(notes):
    await notes.UpsertRecords(
        upsert_request(
            *(record(str(n), "red", payload=b'{"n":%d,"even":%s}' % (n, [b"true", b"false"][n % 2])) for n in range(10))
        )
    )
    assert await count(notes, "n >= 4") == 6
    assert await count(notes, "n = $wanted", wanted=3) == 1
    assert await count(notes) == 10
    listing = r.ListRecordsRequest(collection=NOTES, page_size=2, filter=filtered("even = true"))
    ids = []
    while not ids or listing.page_token:
        page = await notes.ListRecords(listing)
        ids += [each.id for each in page.records]
        listing.page_token = page.next_page_token
    assert ids == ["0", "2", "4", "6", "8"]
    request = r.DeleteRecordsRequest(collection=NOTES, filter=filtered("even = true AND n > $low", low=2))
    assert (await notes.DeleteRecords(request)).deleted_count == 3
    assert await count(notes) == 7
    facets = await notes.CountFacets(r.CountFacetsRequest(collection=NOTES, path="even"))
    assert [(json.loads(each.value), each.count) for each in facets.facets] == [(False, 5), (True, 2)]
    facets = await notes.CountFacets(
        r.CountFacetsRequest(collection=NOTES, path="n", limit=1, filter=filtered("n > 6"))
    )
    assert [(each.value, each.count) for each in facets.facets] == [(b"7", 1)]


async def test_nothing_is_deleted_by_mistake(notes):
    await notes.UpsertRecords(upsert_request(record("1", "red"), record("2", "red")))
    for fields, said in (
        ({}, "neither ids nor a filter"),
        ({"ids": ["1"], "filter": filtered("a = 1")}, "both"),
        ({"filter": filtered("")}, "DeleteCollection"),
        ({"filter": filtered("  ")}, "DeleteCollection"),
    ):
        error = await refused(notes.DeleteRecords(r.DeleteRecordsRequest(collection=NOTES, **fields)))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert said in error.details()
    assert await count(notes) == 2


async def test_what_is_wrong_with_a_filter_or_a_path_is_said(notes):
    async def said(call):
        error = await refused(call)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        return error.details()

    def counting(message):
        return notes.CountRecords(r.CountRecordsRequest(collection=NOTES, filter=message))

    assert "'x'" in await said(counting(r.Filter(expression="a = $x", parameters={"x": b"{"})))
    assert "NaN" in await said(counting(r.Filter(expression="a = $x", parameters={"x": b"NaN"})))
    assert "$y" in await said(counting(filtered("a = 1", y=2)))
    assert "position 4" in await said(counting(filtered("a =")))
    assert "x" in await said(counting(r.Filter(parameters={"x": b"1"})))
    for path in ("", "a..b"):
        assert "path" in await said(notes.CountFacets(r.CountFacetsRequest(collection=NOTES, path=path)))
    assert "1001" in await said(notes.CountFacets(r.CountFacetsRequest(collection=NOTES, path="a", limit=1001)))
    patches = [r.PayloadPatch(id="1", patch=b"{}")] * 10_001
    assert "10000" in await said(notes.PatchPayloads(r.PatchPayloadsRequest(collection=NOTES, patches=patches)))
