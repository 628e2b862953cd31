"""Searching over the wire: kinds of queries, modes, filters, limits, and what is said about how hits were found."""

import asyncio
import json
import threading

import grpc
import numpy as np
import pytest

from frostline.server.api import search_lane, sequences
from frostline.server.collections.collection import Collection
from frostline.server.collections.segments.waiting import Waiters
from frostline.v1 import collection_pb2 as cp
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import search_service_pb2 as q
from frostline.wire import tensors
from raw import (
    create_request,
    detail,
    embed_request,
    filtered,
    hits,
    item_errors,
    record,
    refused,
    rows,
    search_request,
    until_error,
    upsert_request,
    vector,
)
from tiny import HIDDEN

NOTES = "collections/notes"
WORDS = "red cat|blue house|frozen encoder|trained head|red house|line text".split("|")


@pytest.fixture
async def plain(server):
    """Five records along a quarter of a circle, with payloads."""
    fields = [cp.IndexedField(path="n", kind=cp.FIELD_KIND_INTEGER)]
    await server.calls.CreateCollection(create_request(dimensions=2, fields=fields))
    await server.calls.UpsertRecords(upsert_request(*(circle(n) for n in range(5))))
    return server.calls


@pytest.fixture
async def notes(server):
    """Texts with the vectors `text` and `plain`, whose first number counts them."""
    vectors = [
        cp.VectorField(name="text", encoder="encoders/tiny"),
        cp.VectorField(name="plain", dimensions=2, metric=pb.METRIC_EUCLIDEAN),
    ]
    await server.calls.CreateCollection(create_request(vectors=vectors))
    records = [record(str(n), text, vectors={"plain": [n, 1]}) for n, text in enumerate(WORDS)]
    await server.calls.UpsertRecords(upsert_request(*records, record("no plain", "cat dog")))
    return server.calls


def circle(n):
    angle = n * np.pi / 8
    payload = {"n": n, "even": n % 2 == 0, "deep": {"x": n, "y": 1}}
    return record(str(n), vector=[np.cos(angle), np.sin(angle)], payload=json.dumps(payload).encode())


def scores(response):
    return np.frombuffer(response.scores, "<f4")


def combination(*parts, **more):
    return q.Query(combination=q.Combination(parts=parts), **more)


def part(values=None, **more):
    return q.QueryPart(vector=None if values is None else vector(values), **more)


async def found(calls, *queries, **more):
    return hits(await calls.SearchRecords(search_request(*queries, **more)))


async def said(call):
    error = await refused(call)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    return error.details()


async def test_an_array_and_single_vectors_find_the_same(plain):
    array = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    request = q.SearchRecordsRequest(collection=NOTES, vectors=tensors.encode(array), limit=3, include_payloads=True)
    as_array = await plain.SearchRecords(request)
    one_by_one = await plain.SearchRecords(search_request(*array, limit=3, include_payloads=True))
    assert hits(as_array) == hits(one_by_one) == [["0", "1", "2"], ["4", "3", "2"], ["2", "1", "3"]]
    assert as_array.scores == one_by_one.scores
    assert as_array.payloads == one_by_one.payloads
    assert [json.loads(each)["n"] for each in as_array.payloads] == [0, 1, 2, 4, 3, 2, 2, 1, 3]
    np.testing.assert_allclose(scores(as_array)[:2], [1, np.cos(np.pi / 8)], atol=1e-6)
    assert (as_array.sequence, as_array.recall) == (1, 1)
    assert as_array.timings.search_seconds > 0


async def test_a_stream_answers_one_search_after_the_other_until_one_is_refused(plain):
    requests = [search_request([1, 0], limit=1), search_request([0, 1], "a text", limit=2)]
    answers, error = await until_error(
        plain.StreamSearchRecords(iter([*requests, search_request([1, 0], limit=-1), requests[0]]))
    )
    assert [hits(answer) for answer in answers] == [[["0"]], [["4", "3"], []]]
    assert (error.code(), "limit -1" in error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, True)


async def test_a_bad_query_fails_alone_wherever_it_stands(plain):
    array = np.array([[np.nan, 0], [1, 0], [0, 0], [0, 1]], np.float32)
    request = q.SearchRecordsRequest(collection=NOTES, vectors=tensors.encode(array), limit=1)
    response = await plain.SearchRecords(request)
    assert (hits(response), item_errors(response)) == (
        [[], ["0"], [], ["4"]],
        {0: "INVALID_INPUT", 2: "INVALID_INPUT"},
    )
    response = await plain.SearchRecords(search_request([1, 2, 3], [1, 0], q.Query(), "a text", limit=1))
    assert (hits(response), set(item_errors(response))) == ([[], ["0"], [], []], {0, 2, 3})
    response = await plain.SearchRecords(search_request([0, 0]))
    assert (hits(response), item_errors(response), response.sequence) == ([[]], {0: "INVALID_INPUT"}, 1)


async def test_callers_at_once_each_get_their_own(plain):
    async def one(n):
        query = [np.cos(n % 5 * np.pi / 8), np.sin(n % 5 * np.pi / 8)]
        only = filtered("n = $n", n=4 - n % 5)
        return await found(plain, query, limit=1) + await found(plain, query, limit=1, filter=only)

    answers = await asyncio.gather(*(one(n) for n in range(100)))
    assert answers == [[[str(n % 5)], [str(4 - n % 5)]] for n in range(100)]


async def test_filter_offset_threshold_and_chosen_payloads(plain):
    assert await found(plain, [1, 0], filter=filtered("n > $n", n=1)) == [["2", "3", "4"]]
    assert await found(plain, [1, 0], filter=filtered("even = true"), limit=2) == [["0", "2"]]
    assert await found(plain, [1, 0], offset=3, limit=9) == [["3", "4"]]
    assert await found(plain, [1, 0], min_score=0.9) == [["0", "1"]]
    request = search_request([1, 0], limit=1, include_payloads=True, payload_fields=["deep.x", "n"])
    (payload,) = (await plain.SearchRecords(request)).payloads
    assert json.loads(payload) == {"n": 0, "deep": {"x": 0}}


async def test_ranges_are_whole(plain):
    assert await found(plain, [1, 0], range=True, min_score=0.5) == [["0", "1", "2"]]
    assert await found(plain, [1, 0], range=True, min_score=0.5, limit=2) == [["0", "1"]]
    assert "min_score" in await said(plain.SearchRecords(search_request([1, 0], range=True)))


async def test_groups_and_diversity(plain):
    grouping = q.Grouping(path="even")
    response = await plain.SearchRecords(search_request([1, 0], grouping=grouping))
    assert (hits(response), list(response.groups)) == ([["0", "1"]], [b"true", b"false"])
    array = tensors.encode(np.array([[0, 1]], np.float32))
    grouping = q.Grouping(path="even", max_per_group=2)
    response = await plain.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=array, grouping=grouping))
    assert hits(response) == [["4", "3", "2", "1"]]
    assert (await found(plain, [1, 0], limit=2, diversity=1.0))[0][1] == "4"


async def test_a_record_is_searched_for_by_its_vector_of_the_name(notes):
    response = await notes.SearchRecords(
        search_request(
            q.Query(record_id="1"),
            q.Query(record_id="missing"),
            q.Query(record_id="no plain"),
            vector_name="plain",
            limit=2,
        )
    )
    assert hits(response) == [["0", "2"], [], []]
    assert item_errors(response) == {1: "NOT_FOUND", 2: "NOT_FOUND"}
    assert "no record 'missing'" in response.errors[0].message
    assert "no vector 'plain'" in response.errors[1].message


async def test_texts_take_the_query_prompt_and_find_by_the_named_vector(notes):
    asked = rows(await notes.Embed(embed_request("query: red cat")))[0]
    stored = rows(await notes.Embed(embed_request(*WORDS)))
    response = await notes.SearchRecords(search_request("red cat", limit=1))
    np.testing.assert_allclose(scores(response)[0], (stored @ asked).max(), atol=1e-4)
    response = await notes.SearchRecords(search_request("red cat", vector_name="plain"))
    assert item_errors(response) == {0: "INVALID_INPUT"}
    assert "plain vectors" in response.errors[0].message
    error = await refused(notes.SearchRecords(search_request("red", vector_name="other")))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_words_are_found_and_both_ways_are_put_together(notes):
    keyword = {"mode": q.SEARCH_MODE_KEYWORD}
    assert sorted((await found(notes, "house", **keyword))[0]) == ["1", "4"]
    assert await found(notes, q.Query(keywords="frozen"), **keyword) == [["2"]]
    other = q.Query(vector=vector(np.ones(HIDDEN)), keywords="trained")
    assert (await found(notes, other, mode=q.SEARCH_MODE_HYBRID, fusion=q.Fusion(keyword_weight=100)))[0][0] == "3"
    response = await notes.SearchRecords(search_request([1, 1], q.Query(record_id="1"), vector_name="plain", **keyword))
    assert item_errors(response) == {0: "INVALID_INPUT", 1: "INVALID_INPUT"}
    assert "keywords" in response.errors[0].message


async def test_keywords_need_kept_texts_and_queries(server, notes):
    await server.calls.CreateCollection(create_request("bare", dimensions=2, keep_content=False))
    hybrid = search_request(q.Query(keywords="x"), collection="bare", mode=q.SEARCH_MODE_HYBRID)
    assert "keeps no texts" in await said(notes.SearchRecords(hybrid))
    array = tensors.encode(np.ones((1, HIDDEN), np.float32))
    request = q.SearchRecordsRequest(collection=NOTES, vectors=array, mode=q.SEARCH_MODE_KEYWORD)
    assert "queries" in await said(notes.SearchRecords(request))


async def test_parts_of_one_name_are_added_up_by_weight_and_length_counts_not(plain):
    between = combination(part([10, 0]), part([0, 0.1]))
    assert (await found(plain, between, limit=1)) == [["2"]]
    leaning = combination(part([1, 0]), part([0, 1], weight=2.41421))  # 22.5 degrees from the second
    assert (await found(plain, leaning, limit=1)) == [["3"]]
    away = combination(part([1, 0], weight=-1))
    assert (await found(plain, away, limit=1)) == [["4"]]
    itself = combination(part(record_id="2"), part(record_id="1", weight=0.001))
    response = await plain.SearchRecords(search_request(itself, limit=5))
    assert hits(response) == [["3", "0", "4"]] or hits(response) == [["3", "4", "0"]]
    response = await plain.SearchRecords(search_request(between, limit=1))
    assert scores(response)[0] == pytest.approx(1, abs=1e-6)


async def test_parts_between_which_distance_counts_become_the_place_between_them(notes):
    between = combination(part([1, 1]), part([4, 1], weight=2))
    assert (await found(notes, between, vector_name="plain", limit=1)) == [["3"]]
    assert (await found(notes, combination(part([4, 1])), vector_name="plain", limit=1)) == [["4"]]


async def test_combinations_that_make_no_sense_fail_alone(plain):
    response = await plain.SearchRecords(
        search_request(
            combination(part([1, 0]), part([2, 0], weight=-1)),
            combination(),
            combination(*[part([1, 0])] * 65),
            combination(part([1, 0], weight=float("nan"))),
            combination(part([1, 0]), q.QueryPart()),
            combination(part([1, 0], vector_name="other")),
            combination(*[part([1, 0])] * 64),
        )
    )
    assert item_errors(response) == dict.fromkeys(range(5), "INVALID_INPUT") | {5: "NOT_FOUND"}
    assert "cancel each other out" in response.errors[0].message
    assert "64" in response.errors[2].message
    assert hits(response)[6][0] == "0"


async def test_parts_of_several_names_are_rankings_of_their_own(notes):
    query = combination(q.QueryPart(text="frozen encoder"), part([4, 1], vector_name="plain", weight=100))
    assert (await found(notes, query, limit=1)) == [["4"]]
    query = combination(q.QueryPart(text="frozen encoder", weight=100), part([4, 1], vector_name="plain"))
    alone = await found(notes, "frozen encoder", limit=1)
    assert await found(notes, query, limit=1) == alone


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"limit": 10_001}, "10001"),
        ({"limit": -1}, "-1"),
        ({"offset": -1}, "-1"),
        ({"limit": 10, "offset": 9_991}, "9991"),
        ({"min_score": float("nan")}, "nan"),
        ({"exact": True, "mode": q.SEARCH_MODE_KEYWORD}, "exact is of no use with the mode keyword"),
        ({"diversity": 1.5}, "1.5"),
        ({"diversity": float("nan")}, "nan"),
        ({"mode": 9}, "mode 9"),
        ({"fusion": q.Fusion(method=9)}, "fusion method 9"),
        ({"fusion": q.Fusion(keyword_weight=-1)}, "-1"),
        ({"fusion": q.Fusion(rank_constant=-1)}, "-1"),
        ({"fusion": q.Fusion(depth=10_001)}, "10001"),
        ({"grouping": q.Grouping()}, "grouping path"),
        ({"grouping": q.Grouping(path="a", max_per_group=-1)}, "-1"),
        ({"payload_fields": ["a"]}, "include_payloads"),
        ({"payload_fields": ["a..b"], "include_payloads": True}, "a..b"),
        ({"filter": filtered("n >")}, "filter"),
        ({"range": True, "min_score": 0.5, "mode": q.SEARCH_MODE_HYBRID}, "range"),
    ],
)
async def test_options_out_of_range_are_named(plain, fields, wrong):
    assert wrong in await said(plain.SearchRecords(search_request(q.Query(text="x"), **fields)))


async def test_too_many_queries_or_hits_are_refused(plain):
    array = tensors.encode(np.ones((1025, 2), np.float32))
    assert "1024" in await said(plain.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=array)))
    both = search_request([1, 0], vectors=tensors.encode(np.ones((1, 2), np.float32)))
    assert "both" in await said(plain.SearchRecords(both))
    lying = pb.Tensor(shape=[1 << 40, 2], data=b"1234")
    assert "1024" in await said(plain.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=lying)))
    lying = pb.Tensor(shape=[-1, 2], data=b"1234")
    assert "shape" in await said(plain.SearchRecords(q.SearchRecordsRequest(collection=NOTES, vectors=lying)))


async def test_how_hits_were_found_is_said_where_it_is_asked_for(plain):
    response = await plain.SearchRecords(search_request([1, 0], explain=True, filter=filtered("n > 2 AND even = true")))
    explanation = response.explanation
    assert hits(response) == [["4"]]
    assert explanation.selectivity == pytest.approx(0.2)
    assert (explanation.filter_indexed, list(explanation.unindexed_fields)) == (False, ["even"])
    assert [(step.part, step.matching_count) for step in explanation.steps] == [("tail", 1)]
    assert explanation.filter_seconds > 0
    assert not (await plain.SearchRecords(search_request([1, 0]))).HasField("explanation")


async def test_who_waits_for_a_commit_reads_it(plain):
    request = search_request([1, 0], limit=1, min_sequence=2)
    searching = asyncio.ensure_future(plain.SearchRecords(request))
    reading = asyncio.ensure_future(
        plain.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["new"], min_sequence=2))
    )
    await asyncio.sleep(0.05)
    assert not searching.done()
    assert not reading.done()
    written = await plain.UpsertRecords(upsert_request(record("new", vector=[1, -0.001])))
    await plain.DeleteRecords(r.DeleteRecordsRequest(collection=NOTES, ids=["0"]))
    assert written.sequence == 2
    assert hits(await searching)[0][0] in ("0", "new")
    assert [each.id for each in (await reading).records] == ["new"]


async def test_a_commit_that_does_not_come_is_waited_for_until_the_deadline(plain):
    error = await refused(plain.SearchRecords(search_request([1, 0], min_sequence=1 << 40), timeout=0.5))
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
    assert "sequence 1 " in error.details()
    assert str(1 << 40) in error.details()


async def test_who_sets_no_deadline_waits_a_while_and_not_for_ever(plain, monkeypatch):
    monkeypatch.setattr(sequences, "LONGEST_SECONDS", 0.3)
    searching = plain.SearchRecords(search_request([1, 0], min_sequence=9))
    reading = plain.GetRecords(r.GetRecordsRequest(collection=NOTES, ids=["0"], min_sequence=9), timeout=30)
    for error in (await refused(searching), await refused(reading)):
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert "in 0.3 s; wait longer, at most 0.3 s at once" in error.details()


async def test_who_waits_takes_no_thread_and_leaves_nothing_behind(plain, monkeypatch):
    found = []
    reached = Waiters.reached
    monkeypatch.setattr(Waiters, "reached", lambda self, sequence: found.append(self) or reached(self, sequence))
    before = threading.active_count()
    searches = [plain.SearchRecords(search_request([1, 0], limit=1, min_sequence=2)) for _ in range(200)]
    while not found:
        await asyncio.sleep(0.01)
    waiters = found[0]
    while len(waiters._waiting) < 200:
        await asyncio.sleep(0.01)
    assert threading.active_count() - before < 20
    given_up = [searches.pop() for _ in range(100)]
    for each in given_up:
        each.cancel()
    while len(waiters._waiting) > 100:
        await asyncio.sleep(0.01)
    await plain.UpsertRecords(upsert_request(record("new", vector=[1, 0])))
    assert all(answer.sequence == 2 for answer in await asyncio.gather(*searches))
    assert not waiters._waiting


async def test_who_waits_follows_an_alias(plain):
    await plain.CreateCollection(create_request("other", dimensions=2))
    await plain.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/other"))
    searching = asyncio.ensure_future(
        plain.SearchRecords(search_request([1, 0], collection="live", limit=1, min_sequence=1))
    )
    await asyncio.sleep(0.05)
    await plain.SetAlias(c.SetAliasRequest(alias_id="live", collection=NOTES))
    assert len(hits(await searching)[0]) == 1


async def test_who_waits_for_a_commit_hears_that_the_collection_is_gone(plain):
    searching = asyncio.ensure_future(plain.SearchRecords(search_request([1, 0], min_sequence=9)))
    await asyncio.sleep(0.05)
    await plain.DeleteCollection(c.DeleteCollectionRequest(name=NOTES))
    assert (await refused(searching)).code() == grpc.StatusCode.NOT_FOUND


async def test_the_event_loop_runs_a_search_under_a_filter_once_it_is_known_what_the_filter_lets_through(
    plain, monkeypatch
):
    threads = []
    unspied = Collection.search_vectors

    def search_vectors(collection, vectors, slot, options):
        threads.append(threading.current_thread() is threading.main_thread())
        return unspied(collection, vectors, slot, options)

    monkeypatch.setattr(Collection, "search_vectors", search_vectors)
    monkeypatch.setattr(search_lane, "SHORT_SECONDS", 60)
    for _ in range(2):
        await found(plain, [1, 0], filter=filtered("n >= 3"))
        await found(plain, [1, 0], filter=filtered("n >= 3"))
        await plain.UpsertRecords(upsert_request(circle(5)))
    assert threads == [False, True] * 2


async def test_a_search_that_fails_unexpectedly_fails_its_caller_alone(plain, monkeypatch):
    search = Collection.search_vectors

    def broken(self, vectors, slot, options):
        if (vectors[:, 0] == 13).any():
            raise RuntimeError("secret")
        return search(self, vectors, slot, options)

    monkeypatch.setattr(Collection, "search_vectors", broken)
    answers = await asyncio.gather(
        *(plain.SearchRecords(search_request([each, 0.001], limit=1)) for each in [1, 13] * 10), return_exceptions=True
    )
    for good, bad in zip(answers[::2], answers[1::2], strict=True):
        assert hits(good) == [["0"]]
        assert bad.code() == grpc.StatusCode.INTERNAL
        assert "secret" not in bad.details()
