import inspect
import json
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from fake_encoders import DIMENSIONS, embedding
from frostline.client import (
    Client,
    Combination,
    Fusion,
    Hit,
    InvalidInput,
    Part,
    Record,
    RecordId,
    SearchStep,
)
from frostline.client._to_wire_queries import SearchOptions
from frostline.v1 import search_service_pb2 as v1

EYE = np.eye(DIMENSIONS, dtype=np.float32)
SEARCHES = ("SearchRecords", "StreamSearchRecords")


@pytest.fixture
def notes(client) -> str:
    client.create_collection("notes", encoder="tiny")
    return "notes"


def records(count: int) -> list[Record]:
    return [Record(str(number), text=f"note {number}", payload={"n": number}) for number in range(count)]


def test_a_query_is_a_text_an_image_a_vector_or_a_record(fake, client, notes, tmp_path):
    (tmp_path / "query.png").write_bytes(b"note 2")
    client.upsert(notes, records(5))
    for query in ("note 2", b"note 2", tmp_path / "query.png", embedding(b"note 2")):
        hit = client.search(notes, query, limit=1)[0]
        assert (hit.id, hit.payload) == ("2", {"n": 2})
        assert hit.score == pytest.approx(1.0, abs=1e-6)
    assert "2" not in {hit.id for hit in client.search(notes, RecordId("2"))}
    kinds = [request.queries[0].WhichOneof("kind") if request.queries else None for request in fake.of(*SEARCHES)]
    assert kinds == ["text", "image", "image", None, "record_id"]


def test_hits_are_split_by_query_and_failures_have_none(client, notes):
    client.upsert(notes, records(3))
    results = client.search_batch(notes, ["note 0", "bad", RecordId("1")], limit=5)
    assert [len(hits) for hits in results] == [3, 0, 2]
    assert list(results.errors) == [1]
    assert results[0][0].id == "0"
    assert results.sequence == 1
    scores = [hit.score for hit in results[0]]
    assert scores == sorted(scores, reverse=True)


def test_payloads_are_left_out_on_request(fake, client, notes):
    client.upsert(notes, records(3))
    assert [hit.payload for hit in client.search(notes, "x", include_payloads=False)] == [{}, {}, {}]


def test_many_queries_are_cut_and_put_together(fake, client, notes):
    client.upsert(notes, [*records(2), Record("z", vector=EYE[0])])
    queries = ["bad" if number in (0, 1500) else f"note {number % 2}" for number in range(2000)]
    results = client.search_batch(notes, queries, limit=1)
    assert [len(request.queries) for request in fake.of(*SEARCHES)] == [1024, 976]
    assert list(results.errors) == [0, 1500]
    assert all(results[number][0].id == str(number % 2) for number in range(2000) if number not in results.errors)
    fake.requests.clear()
    client.search_batch(notes, np.ones((50, DIMENSIONS)), limit=10_000)
    assert [list(request.vectors.shape) for request in fake.of(*SEARCHES)] == [[2, 4]] * 25


def test_embeddings_are_searched_for_with_their_space(fake, client, notes):
    client.upsert(notes, records(3))
    results = client.search_batch(notes, client.embed(["note 1", "note 2"], "tiny"), limit=1)
    assert [hits[0].id for hits in results] == ["1", "2"]
    assert fake.of(*SEARCHES)[0].space.normalize


def test_one_vector_goes_as_a_matrix_unless_words_go_with_it(fake, client, notes):
    client.upsert(notes, records(3))
    client.search(notes, EYE[0].astype(np.float64))
    client.search(notes, EYE[0], mode="hybrid", keywords="note")
    client.search_batch(notes, EYE[:2], mode="hybrid", keywords=["a", "b"])
    client.search_batch(notes, client.embed(["x"], "tiny"), mode="hybrid", keywords="note")
    matrix, one, two, embedded = fake.of(*SEARCHES)
    assert (list(matrix.vectors.shape), matrix.vectors.data, len(matrix.queries)) == ([1, 4], EYE[0].tobytes(), 0)
    assert (one.queries[0].vector.data, one.queries[0].keywords) == (EYE[0].tobytes(), "note")
    assert [query.keywords for query in two.queries] == ["a", "b"]
    assert embedded.queries[0].vector.space.layer == "pooled"
    with pytest.raises(InvalidInput, match="3 keywords do not fit 2 queries"):
        client.search_batch(notes, ["x", "y"], keywords=[*"abc"])


def test_every_option_arrives(fake, client, notes):
    client.upsert(notes, records(3))
    fusion = Fusion("weighted_score", keyword_weight=0.5, rank_constant=20, depth=300)
    client.search(
        notes,
        "note",
        limit=7,
        filter="n < $most",
        parameters={"most": 9},
        vector_name="photo",
        offset=1,
        min_score=-0.5,
        include_payloads=False,
        payload_fields=["n", "a.b"],
        mode="hybrid",
        keywords="words",
        fusion=fusion,
        diversity=0.25,
        group_by="n",
        max_per_group=2,
        exact=True,
        range=True,
        min_sequence=1,
        explain=True,
    )
    asked = fake.of(*SEARCHES)[0]
    expected = v1.SearchRecordsRequest(
        collection="collections/notes",
        queries=[v1.Query(text="note", keywords="words")],
        limit=7,
        vector_name="photo",
        offset=1,
        min_score=-0.5,
        payload_fields=["n", "a.b"],
        mode=v1.SEARCH_MODE_HYBRID,
        fusion=v1.Fusion(method=v1.FUSION_METHOD_WEIGHTED_SCORE, keyword_weight=0.5, rank_constant=20, depth=300),
        diversity=0.25,
        grouping=v1.Grouping(path="n", max_per_group=2),
        exact=True,
        range=True,
        min_sequence=1,
        explain=True,
    )
    expected.filter.expression = "n < $most"
    expected.filter.parameters["most"] = b"9"
    assert asked == expected
    client.search_batch(notes, ["note"], limit=3, offset=2, exact=True)
    asked = fake.of(*SEARCHES)[1]
    assert (asked.limit, asked.offset, asked.exact, asked.include_payloads) == (3, 2, True, True)
    client.search(notes, "note")
    assert fake.of(*SEARCHES)[2] == v1.SearchRecordsRequest(
        collection="collections/notes",
        queries=[v1.Query(text="note")],
        include_payloads=True,
        mode=v1.SEARCH_MODE_VECTOR,
    )


@pytest.mark.parametrize("method", [Client.search, Client.search_batch])
def test_both_doors_know_the_same_options(method):
    own = {"self", "collection", "query", "queries", "keywords", "timeout_seconds"}
    assert set(inspect.signature(method).parameters) - own == set(SearchOptions.__annotations__)


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ('a"b', '"a\\"b"'),
        (3, "3"),
        (0.1, "0.1"),
        (True, "true"),
        (None, "null"),
        (["a", 1, None], '["a",1,null]'),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05+00:00"'),
        ([datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1)))], '["2026-01-02T00:00:00+01:00"]'),
    ],
)
def test_parameters_travel_as_json(fake, client, notes, value, sent):
    client.count(notes, filter="n = $p", parameters={"p": value})
    assert fake.of("CountRecords")[0].filter.parameters["p"].decode() == sent


@pytest.mark.parametrize("value", [float("nan"), datetime(2026, 1, 2), date(2026, 1, 2), {1}, object(), b"x"])
def test_parameters_that_cannot_travel_are_named(fake, client, value):
    with pytest.raises(InvalidInput, match="parameter 'p' cannot be sent: "):
        client.count("notes", filter="n = $p", parameters={"p": value})
    assert fake.requests == []


def test_a_filter_lets_few_through(client, notes):
    client.upsert(notes, records(5))
    hits = client.search(notes, "note 4", filter="n < $n", parameters={"n": 2})
    assert {hit.id for hit in hits} == {"0", "1"}


def test_a_combination_has_parts_with_weights(fake, client, notes, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    parts = [
        Part(text="red"),
        Part(record="7", weight=-0.5, vector_name="photo"),
        Part(vector=EYE[0]),
        Part(image=tmp_path / "a.png"),
        Part(image=b"gif"),
    ]
    client.search_batch(notes, [Combination(parts), "text"])
    sent = fake.of(*SEARCHES)[0].queries[0].combination.parts
    assert [part.WhichOneof("kind") for part in sent] == ["text", "record_id", "vector", "image", "image"]
    assert [part.image for part in sent[3:]] == [b"png", b"gif"]
    assert (sent[1].weight, sent[1].vector_name, sent[0].weight) == (-0.5, "photo", 1.0)


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        (Combination([Part()]), {}, "part 0 of a combination needs one of"),
        (Combination([Part(text="a"), Part(text="a", vector=EYE[0])]), {}, "part 1 of a combination needs one of"),
        (Combination(["text"]), {}, "part 0 of a combination must be a Part, not a str"),
        (Combination([Part(text="a", weight=float("nan"))]), {}, "weight nan"),
        (np.ones((1, 4)), {}, r"a vector of shape \(d,\)"),
        ("a", {"parameters": {"p": 1}}, "'p' are of no use without a filter"),
        ("a", {"mode": "fuzzy"}, "vector, keyword, hybrid"),
        ("a", {"fusion": Fusion("sum")}, "reciprocal_rank, weighted_score"),
        ("a", {"fusion": Fusion(rank_constant=0)}, "rank_constant 0"),
        ("a", {"offset": -1}, "offset -1"),
        ("a", {"diversity": float("nan")}, "diversity nan"),
        ("a", {"max_per_group": 2}, "without group_by"),
        ("a", {"range": True}, "give one"),
        ("a", {"range": 0.5}, "min_score the lowest score"),
        ("a", {"payload_fields": "price"}, "pass a list"),
        ("a", {"min_score": "high"}, "min_score 'high'"),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused(fake, client, query, options, message):
    with pytest.raises(InvalidInput, match=message):
        client.search("notes", query, **options)
    assert fake.requests == []


def test_hits_say_how_they_were_found(client, notes):
    client.upsert(notes, records(3))
    hits = client.search(notes, "note 1", explain=True, group_by="n")
    assert hits[0] == Hit("1", pytest.approx(1.0, abs=1e-6), {"n": 1}, group=1)
    assert (hits.recall, hits.sequence, hits.timings.search_seconds) == (0.95, 1, 0.125)
    explanation = hits.explanation
    assert (explanation.selectivity, explanation.filter_indexed) == (0.25, False)
    assert explanation.unindexed_fields == ("color",)
    assert explanation.steps == (
        SearchStep("segment 0", "IVF_PQ", 500, 9000, 16, 0.96, False),
        SearchStep("tail", "exact scan", 20, 20, 0, 1.0, True),
    )
    assert (explanation.filter_seconds, explanation.keyword_seconds) == (0.001, 0)
    assert client.search(notes, "note 1").explanation is None


def test_the_recall_of_many_queries_is_the_lowest(fake, client, notes, monkeypatch):
    real = fake._queries

    def forgets(request):
        fake.written.append([])  # each answer says a lower recall and a later commit
        return real(request)

    monkeypatch.setattr(fake, "_queries", forgets)
    results = client.search_batch(notes, EYE, limit=10_000, explain=True)
    assert len(fake.of(*SEARCHES)) == 2
    assert (results.recall, results.sequence) == (0.95, 0)
    assert len(results.explanation.steps) == 2


def test_a_range_search_without_a_limit_is_cut_by_what_it_may_find(fake, client, notes):
    client.search_batch(notes, ["x"] * 5, range=True, min_score=0.5)
    assert [len(request.queries) for request in fake.of(*SEARCHES)] == [2, 2, 1]
    assert {request.limit for request in fake.of(*SEARCHES)} == {0}


def test_a_parameter_is_no_part_of_the_expression(fake, client, notes):
    client.count(notes, filter="n = $who", parameters={"who": '" OR n > 0'})
    filter = fake.of("CountRecords")[0].filter
    assert (filter.expression, json.loads(filter.parameters["who"])) == ("n = $who", '" OR n > 0')


def test_columns_are_split_by_query_and_read_when_looked_at(client, notes):
    client.upsert(notes, records(3))
    results = client.search_batch(notes, ["note 0", "bad", "note 1", "note 2"], group_by="n", limit=2)
    for hits in results:
        assert hits.ids == [hit.id for hit in hits] == [str(hit.payload["n"]) for hit in hits]
        assert [hit.group for hit in hits] == [hit.payload["n"] for hit in hits]
        np.testing.assert_array_equal(hits.scores, np.array([hit.score for hit in hits], np.float32))
        assert hits.sequence == 1
    first = results[0]
    assert (len(first), first[-1], first[1:], first[:]) == (2, first[1], [first[1]], list(first))
    assert first == list(first)
    assert first != results[2]
    assert repr(first) == repr(list(first))
    with pytest.raises(IndexError):
        first[2]
