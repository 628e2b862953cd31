from datetime import UTC, datetime

import pytest

from fake_calls import Code, fails
from fake_collections import STATS
from frostline.client import InvalidInput, MeasuredRecall, NotFound, Unavailable, VectorField
from frostline.v1 import collection_pb2 as v1
from frostline.v1 import embedding_pb2 as embedding_v1
from frostline.wire.reasons import Reason

CREATED = datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)


def test_a_collection_of_one_vector_is_created_as_it_was_asked_for(fake, client):
    client.create_collection("plain", dimensions=4, metric="dot", keep_content=False, normalize=False)
    created = client.create_collection("notes", encoder="tiny", document_prompt="d: ", query_prompt="", layer="pooled")
    plain, notes = fake.of("CreateCollection")
    assert plain.collection == v1.Collection(
        vectors=[v1.VectorField(name="default", dimensions=4, metric=embedding_v1.METRIC_DOT, normalize=False)],
        keep_content=False,
        index=v1.INDEX_KIND_AUTO,
        min_recall=0.95,
        durability=v1.DURABILITY_FULL,
    )
    assert (notes.collection_id, notes.collection.vectors[0].encoder) == ("notes", "encoders/tiny")
    assert notes.collection.vectors[0].query_prompt.HasField("literal")
    assert not plain.collection.vectors[0].HasField("query_prompt")
    assert (created.name, created.encoder, created.keep_content) == ("notes", "tiny", True)
    assert (created.index, created.min_recall, created.durability, created.fields) == ("auto", 0.95, "full", {})
    assert (created.create_time, created.recall) == (CREATED, 0.97)
    assert list(created.vectors) == ["default"]
    default = created.vectors["default"]
    assert (default.metric, default.document_prompt, default.space.fingerprint) == ("cosine", "d: ", "f" * 64)


def test_a_collection_of_several_vectors_keeps_their_order(fake, client):
    created = client.create_collection(
        "products",
        vectors={"title": VectorField(encoder="tiny", query_prompt="q: "), "photo": VectorField(dimensions=4)},
        fields={"price": "float", "author.name": "keyword"},
        index="hnsw",
        min_recall=0.99,
        durability="relaxed",
    )
    sent = fake.of("CreateCollection")[0].collection
    assert [(field.name, field.encoder) for field in sent.vectors] == [("title", "encoders/tiny"), ("photo", "")]
    assert [(field.path, field.kind) for field in sent.fields] == [
        ("price", v1.FIELD_KIND_FLOAT),
        ("author.name", v1.FIELD_KIND_KEYWORD),
    ]
    assert list(created.vectors) == ["title", "photo"]
    assert created.fields == {"price": "float", "author.name": "keyword"}
    assert (created.index, created.min_recall, created.durability) == ("hnsw", 0.99, "relaxed")


def test_a_vector_of_one_collection_can_make_another(client):
    first = client.create_collection("first", encoder="tiny", query_prompt="q: ", metric="dot")
    second = client.create_collection("second", vectors=first.vectors)
    assert second.vectors == first.vectors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "manhattan"}, "cosine, dot, euclidean"),
        ({"index": "lsh"}, "index 'lsh' is unknown; it is one of auto, flat"),
        ({"durability": "none"}, "full, relaxed"),
        ({"min_recall": 0}, "min_recall 0 must be above 0"),
        ({"min_recall": 1.1}, "min_recall 1.1"),
        ({"min_recall": float("nan")}, "min_recall nan"),
        ({"fields": {"price": "money"}}, "kind of field 'price': 'money' is unknown; it is one of keyword, integer"),
        ({"encoder": "tiny", "vectors": {"a": VectorField()}}, "vectors excludes encoder"),
        ({"metric": "dot", "vectors": {"a": VectorField()}}, "vectors excludes encoder"),
    ],
)
def test_what_a_collection_cannot_be_is_refused(fake, client, options, message):
    with pytest.raises(InvalidInput, match=message):
        client.create_collection("x", **options)
    assert fake.requests == []


def test_an_update_names_only_what_changes(fake, client):
    client.create_collection("notes", encoder="tiny", description="old", query_prompt="q: ", fields={"a": "keyword"})
    assert client.update_collection("notes", query_prompt="").description == "old"
    assert client.update_collection("notes", description="").vectors["default"].query_prompt == ""
    assert client.update_collection("notes", index="flat", min_recall=0.5).fields == {"a": "keyword"}
    assert client.update_collection("notes", fields={}, durability="relaxed").min_recall == 0.5
    last = client.get_collection("notes")
    assert (last.fields, last.index, last.durability, last.description) == ({}, "flat", "relaxed", "")
    paths = [list(request.update_mask.paths) for request in fake.of("UpdateCollection")]
    assert paths == [["vectors.query_prompt"], ["description"], ["index", "min_recall"], ["fields", "durability"]]


def test_query_prompts_of_named_vectors_are_changed_by_name(client):
    client.create_collection("notes", vectors={"a": VectorField("tiny"), "b": VectorField("tiny", query_prompt="q: ")})
    changed = client.update_collection("notes", query_prompt={"a": "find: "})
    assert {name: field.query_prompt for name, field in changed.vectors.items()} == {"a": "find: ", "b": "q: "}


def test_a_collection_is_renamed(client):
    client.create_collection("old", dimensions=4)
    assert client.rename_collection("old", "new").name == "new"
    with pytest.raises(NotFound):
        client.get_collection("old")


def test_aliases_lead_to_collections(client):
    client.create_collection("a", dimensions=4)
    client.create_collection("b", dimensions=4)
    client.set_alias("live", "a")
    client.set_alias("live", "b")
    client.set_alias("archive", "a")
    client.set_alias("last", "a")
    assert client.list_aliases() == {"archive": "a", "last": "a", "live": "b"}  # on two pages
    client.delete_alias("last")
    assert client.get_collection("live").name == "b"
    client.delete_alias("live")
    assert client.list_aliases() == {"archive": "a"}
    with pytest.raises(NotFound):
        client.delete_alias("live")


def test_stats_read_as_plain_types(client):
    client.create_collection("notes", dimensions=4)
    stats = client.collection_stats("notes")
    assert (stats.record_count, stats.tail_count, stats.building, stats.sequence) == (3, 1, True, 7)
    figures = (stats.records_bytes, stats.vectors_bytes, stats.indexes_bytes, stats.memory_bytes)
    assert figures == (10_000, 3000, 1200, 500)
    (segment,) = stats.segments
    assert (segment.row_count, segment.dead_count, segment.state) == (4, 2, "verified")
    assert (segment.size_bytes, segment.sequence) == (2000, 5)
    (index,) = segment.indexes
    assert (index.vector_name, index.kind, index.factory) == ("default", "ivf_pq", STATS.segments[0].indexes[0].factory)
    assert index.recalls == (MeasuredRecall(0.5, True, 0.96),)


def test_an_optimization_tells_how_far_it_is(fake, client):
    client.create_collection("notes", dimensions=4)
    steps = client.optimize("notes")
    assert fake.of("OptimizeCollection") == []
    assert list(steps) == [("indexing the tail", 0.25), ("joining segments", 1.0)]
    assert fake.ended == ["served"]


def test_an_optimization_that_fails_says_why_and_is_not_tried_again(fake, client):
    client.create_collection("notes", dimensions=4)
    with pytest.raises(NotFound):
        list(client.optimize("none"))
    fake.faults["OptimizeCollection"].append(fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN))
    with pytest.raises(Unavailable):
        list(client.optimize("notes"))
    assert len(fake.of("OptimizeCollection")) == 2


def test_snapshots_come_back_as_collections(client):
    client.create_collection("notes", dimensions=4)
    client.create_collection("other", dimensions=4)
    made = client.create_snapshot("notes")
    client.create_snapshot("other")
    assert (made.name, made.collection, made.sequence, made.record_count) == ("s0", "notes", 7, 3)
    assert (made.size_bytes, made.create_time) == (9000, CREATED)
    assert [snapshot.name for snapshot in client.list_snapshots()] == ["s0", "s1"]
    assert client.list_snapshots("notes") == [made]
    client.create_snapshot("other")
    assert [snapshot.name for snapshot in client.list_snapshots()] == ["s0", "s1", "s2"]  # on two pages
    assert client.restore_snapshot("s0", "again").name == "again"
    client.delete_snapshot("s0")
    with pytest.raises(NotFound):
        client.restore_snapshot("s0", "more")
