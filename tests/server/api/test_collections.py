"""Collections over the wire: what they are, how they change, what they are called."""

import asyncio

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from frostline.server.collections.segments.exchange import Segments
from frostline.server.collections.segments.tail import Tail
from frostline.v1 import collection_pb2 as cp
from frostline.v1 import collection_service_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1 import record_service_pb2 as r
from frostline.v1 import snapshot_service_pb2 as s
from in_process import open_server
from raw import create_request, detail, embed_request, hits, record, refused, search_request, upsert_request
from tiny import HIDDEN, IMAGE_DIMENSIONS

NOTES = "collections/notes"


def products(collection_id="products", **more):
    vectors = [
        cp.VectorField(name="text", encoder="encoders/tiny"),
        cp.VectorField(name="image", encoder="encoders/tiny-image", metric=pb.METRIC_EUCLIDEAN),
        cp.VectorField(name="short", encoder="encoders/tiny", dimensions=8),
        cp.VectorField(name="plain", dimensions=3, metric=pb.METRIC_DOT),
    ]
    return create_request(collection_id, vectors=vectors, **more)


async def update(server, *paths, name=NOTES, **fields):
    return await server.calls.UpdateCollection(
        c.UpdateCollectionRequest(collection=cp.Collection(name=name, **fields), update_mask=FieldMask(paths=paths))
    )


async def names(server):
    listed = await server.calls.ListCollections(c.ListCollectionsRequest())
    return [each.name.removeprefix("collections/") for each in listed.collections]


async def test_the_recall_that_was_measured_is_told_with_the_collection(server, monkeypatch):
    await server.calls.CreateCollection(products())
    monkeypatch.setattr(Tail, "recall", 0.875)
    got = await server.calls.GetCollection(c.GetCollectionRequest(name="collections/products"))
    listed = await server.calls.ListCollections(c.ListCollectionsRequest())
    assert [got.recall, *(each.recall for each in listed.collections)] == [0.875, 0.875]


async def test_a_collection_tells_what_it_is(server):
    fields = [
        cp.IndexedField(path="price", kind=cp.FIELD_KIND_FLOAT),
        cp.IndexedField(path="author.name", kind=cp.FIELD_KIND_KEYWORD),
    ]
    made = await server.calls.CreateCollection(
        products(
            description="things",
            keep_content=False,
            fields=fields,
            index=cp.INDEX_KIND_HNSW,
            min_recall=0.9,
            durability=cp.DURABILITY_RELAXED,
        )
    )
    got = await server.calls.GetCollection(c.GetCollectionRequest(name="collections/products"))
    assert (made.name, made.description, made.keep_content) == ("collections/products", "things", False)
    assert list(got.fields) == fields
    assert (got.index, got.durability) == (cp.INDEX_KIND_HNSW, cp.DURABILITY_RELAXED)
    assert got.min_recall == pytest.approx(0.9, abs=1e-7)
    assert got.recall == 1  # every record is compared
    text, image, short, plain = got.vectors
    assert (text.encoder, text.dimensions, text.query_prompt.literal) == ("encoders/tiny", HIDDEN, "query: ")
    assert text.space == (await server.calls.Embed(embed_request("x"))).space
    assert (image.encoder, image.dimensions, image.metric) == (
        "encoders/tiny-image",
        IMAGE_DIMENSIONS,
        pb.METRIC_EUCLIDEAN,
    )
    assert (short.dimensions, short.space.fingerprint) == (8, text.space.fingerprint)
    assert (plain.name, plain.encoder, plain.dimensions, plain.metric) == ("plain", "", 3, pb.METRIC_DOT)
    assert got.create_time.seconds > 1_700_000_000
    assert got.size_bytes > 0


async def test_what_is_not_said_takes_its_default(server):
    made = await server.calls.CreateCollection(create_request(dimensions=3))
    assert (made.vectors[0].name, made.vectors[0].metric) == ("default", pb.METRIC_COSINE)
    assert (made.index, made.durability, made.keep_content) == (cp.INDEX_KIND_AUTO, cp.DURABILITY_FULL, True)
    assert made.min_recall == pytest.approx(0.95, abs=1e-7)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"vectors": []}, "1 to 16 vectors"),
        ({"vectors": [cp.VectorField(name=f"v{n}", dimensions=3) for n in range(17)]}, "1 to 16 vectors"),
        ({"vectors": [cp.VectorField(dimensions=3)] * 2}, "default"),
        ({"dimensions": 3, "name": "Not A Name"}, "Not A Name"),
        ({"dimensions": 3, "min_recall": 1.5}, "min_recall 1.5"),
        ({"dimensions": 3, "min_recall": float("nan")}, "min_recall nan"),
        ({"dimensions": 3, "index": 77}, "index 77"),
        ({"dimensions": 3, "durability": 77}, "durability 77"),
        ({"dimensions": 3, "fields": [cp.IndexedField(path="price")]}, "no kind"),
        ({"dimensions": 3, "fields": [cp.IndexedField(path="a..b", kind=cp.FIELD_KIND_GEO)]}, "a..b"),
        ({"dimensions": 3, "fields": [cp.IndexedField(path=f"f{n}", kind=2) for n in range(65)]}, "64"),
        ({"dimensions": 1 << 20}, str(1 << 20)),
        ({"dimensions": 3, "description": "d" * 5000}, "has 5000 bytes; at most 4096"),
    ],
)
async def test_a_collection_that_makes_no_sense_is_not_created(server, fields, said):
    error = await refused(server.calls.CreateCollection(create_request(**fields)))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in error.details()
    assert await names(server) == []


async def test_what_the_mask_names_is_changed_and_nothing_else(server):
    await server.calls.CreateCollection(products("notes"))
    changed = await update(server, "description", description="new", min_recall=0.5)
    assert changed.description == "new"
    assert changed.min_recall == pytest.approx(0.95, abs=1e-7)
    fields = [cp.IndexedField(path="price", kind=cp.FIELD_KIND_INTEGER)]
    changed = await update(
        server,
        "fields",
        "index",
        "min_recall",
        "durability",
        fields=fields,
        index=cp.INDEX_KIND_FLAT,
        min_recall=0.5,
        durability=cp.DURABILITY_RELAXED,
    )
    assert list(changed.fields) == fields
    assert (changed.index, changed.durability, changed.description) == (
        cp.INDEX_KIND_FLAT,
        cp.DURABILITY_RELAXED,
        "new",
    )
    assert changed.min_recall == pytest.approx(0.5, abs=1e-7)
    prompts = [
        cp.VectorField(name="short", query_prompt=pb.Prompt(literal="ask: ")),
        cp.VectorField(name="text", query_prompt=pb.Prompt(name="clustering")),
    ]
    changed = await update(server, "vectors.query_prompt", vectors=prompts)
    assert [each.query_prompt.literal for each in changed.vectors] == ["cluster: ", "", "ask: ", ""]
    assert changed == await server.calls.GetCollection(c.GetCollectionRequest(name=NOTES))


async def test_what_cannot_be_changed_is_named_with_what_can(server):
    await server.calls.CreateCollection(create_request(dimensions=3))
    for paths in ([], ["vectors"], ["description", "keep_content"]):
        error = await refused(update(server, *paths))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "description, fields, index, min_recall, durability, vectors.query_prompt" in error.details()
    error = await refused(update(server, "vectors.query_prompt"))
    assert "needs the vectors" in error.details()
    error = await refused(update(server, "vectors.query_prompt", vectors=[cp.VectorField(name="other")]))
    assert (error.code(), "'other'" in error.details()) == (grpc.StatusCode.NOT_FOUND, True)


async def test_an_alias_leads_wherever_a_collection_is_named_and_is_swapped_at_once(server):
    for number, name in enumerate(("blue", "green")):
        await server.calls.CreateCollection(create_request(name, dimensions=2))
        await server.calls.UpsertRecords(upsert_request(record(name, vector=[1, number]), collection=name))
    await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/blue"))
    assert hits(await server.calls.SearchRecords(search_request([1, 0], collection="live"))) == [["blue"]]
    alias = await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/green"))
    assert alias == c.Alias(name="collections/live", collection="collections/green")
    assert hits(await server.calls.SearchRecords(search_request([1, 0], collection="live"))) == [["green"]]
    got = await server.calls.GetCollection(c.GetCollectionRequest(name="collections/live"))
    assert (got.name, list(got.aliases)) == ("collections/green", ["collections/live"])
    assert await names(server) == ["blue", "green"]
    error = await refused(server.calls.DeleteCollection(c.DeleteCollectionRequest(name="collections/live")))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    await server.calls.DeleteAlias(c.DeleteAliasRequest(name="collections/live"))
    assert list((await server.calls.ListAliases(c.ListAliasesRequest())).aliases) == []
    assert await names(server) == ["blue", "green"]
    error = await refused(server.calls.DeleteAlias(c.DeleteAliasRequest(name="collections/blue")))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_a_renamed_collection_keeps_its_records_and_its_aliases(server):
    await server.calls.CreateCollection(create_request("old", dimensions=2))
    await server.calls.UpsertRecords(upsert_request(record("1", vector=[1, 0]), collection="old"))
    await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/old"))
    renamed = await server.calls.RenameCollection(
        c.RenameCollectionRequest(name="collections/old", new_collection_id="new")
    )
    assert (renamed.name, list(renamed.aliases), renamed.record_count) == (
        "collections/new",
        ["collections/live"],
        1,
    )
    for name in ("new", "live"):
        assert hits(await server.calls.SearchRecords(search_request([1, 0], collection=name))) == [["1"]]
    error = await refused(server.calls.GetCollection(c.GetCollectionRequest(name="collections/old")))
    assert error.code() == grpc.StatusCode.NOT_FOUND


async def test_stats_count_rows_and_bytes(server):
    await server.calls.CreateCollection(create_request(dimensions=2))
    await server.calls.UpsertRecords(upsert_request(*(record(str(n), vector=[n, 1]) for n in range(5))))
    stats = await server.calls.GetCollectionStats(c.GetCollectionStatsRequest(collection=NOTES))
    assert (stats.record_count, stats.tail_count, len(stats.segments), stats.sequence) == (5, 5, 0, 1)
    assert stats.records_bytes > 0


async def test_optimizing_tells_how_far_it_is_and_makes_one_segment(server, monkeypatch):
    begin = Segments.__init__

    def begin_with_a_short_tail(self, *arguments):
        begin(self, *arguments)
        self._tail_rows = 51

    monkeypatch.setattr(Segments, "__init__", begin_with_a_short_tail)
    await server.calls.CreateCollection(create_request(dimensions=2))
    await server.calls.UpsertRecords(upsert_request(*(record(str(n), vector=[n, 1]) for n in range(50))))
    few = [step async for step in server.calls.OptimizeCollection(c.OptimizeCollectionRequest(collection=NOTES))]
    assert [each.progress for each in few] == [1]
    await server.calls.UpsertRecords(upsert_request(record("50", vector=[50, 1])))
    stream = server.calls.OptimizeCollection(c.OptimizeCollectionRequest(collection=NOTES))
    steps = [step async for step in stream]
    assert steps[-1].progress == 1
    assert all(step.step for step in steps)
    stats = await server.calls.GetCollectionStats(c.GetCollectionStatsRequest(collection=NOTES))
    assert (stats.tail_count, [segment.row_count for segment in stats.segments]) == (0, [51])
    assert stats.segments[0].indexes[0].vector_name == "default"
    assert hits(await server.calls.SearchRecords(search_request([0, 1], limit=1))) == [["0"]]
    missing = server.calls.OptimizeCollection(c.OptimizeCollectionRequest(collection="collections/nowhere"))
    error = await refused(missing.read())
    assert (error.code(), detail(error).reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_an_encoder_of_any_vector_is_in_use(server):
    await server.calls.CreateCollection(products())
    for name in ("tiny", "tiny-image"):
        error = await refused(server.calls.DeleteEncoder(e.DeleteEncoderRequest(name=f"encoders/{name}")))
        assert detail(error).reason == "IN_USE"
        assert "'products'" in error.details()


async def test_a_snapshot_brings_back_what_was_there(server):
    await server.calls.CreateCollection(create_request(dimensions=2))
    await server.calls.UpsertRecords(upsert_request(record("1", vector=[1, 0], payload=b'{"a":1}')))
    taken = await server.calls.CreateSnapshot(s.CreateSnapshotRequest(collection=NOTES))
    assert (taken.collection, taken.sequence, taken.record_count) == (NOTES, 1, 1)
    assert taken.size_bytes > 0
    assert taken.create_time.seconds > 1_700_000_000
    await server.calls.DeleteRecords(r.DeleteRecordsRequest(collection=NOTES, ids=["1"]))
    restored = await server.calls.RestoreSnapshot(s.RestoreSnapshotRequest(name=taken.name, collection_id="again"))
    assert (restored.name, restored.record_count) == ("collections/again", 1)
    assert hits(await server.calls.SearchRecords(search_request([1, 0], collection="again"))) == [["1"]]
    other = s.ListSnapshotsRequest(collection="collections/again")
    assert list((await server.calls.ListSnapshots(other)).snapshots) == []
    assert list((await server.calls.ListSnapshots(s.ListSnapshotsRequest())).snapshots) == [taken]
    await server.calls.DeleteSnapshot(s.DeleteSnapshotRequest(name=taken.name))
    error = await refused(server.calls.DeleteSnapshot(s.DeleteSnapshotRequest(name=taken.name)))
    assert error.code() == grpc.StatusCode.NOT_FOUND
    error = await refused(server.calls.RestoreSnapshot(s.RestoreSnapshotRequest(name="notes", collection_id="x")))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_aliases_and_names_are_there_after_a_restart(data_dir):
    async with open_server(data_dir) as server:
        await server.calls.CreateCollection(create_request("old", dimensions=2))
        await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/old"))
        await server.calls.RenameCollection(c.RenameCollectionRequest(name="collections/old", new_collection_id="new"))
    async with open_server(data_dir) as server:
        aliases = (await server.calls.ListAliases(c.ListAliasesRequest())).aliases
        assert list(aliases) == [c.Alias(name="collections/live", collection="collections/new")]


async def test_searches_never_fail_while_an_alias_is_swapped(server):
    for name in ("blue", "green"):
        await server.calls.CreateCollection(create_request(name, dimensions=2))
        await server.calls.UpsertRecords(upsert_request(record(name, vector=[1, 0]), collection=name))
    await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection="collections/blue"))
    swapping, found = True, set()

    async def search():
        while swapping:
            ((name,),) = hits(await server.calls.SearchRecords(search_request([1, 0], collection="live")))
            found.add(name)

    searching = asyncio.gather(*(search() for _ in range(4)))
    for number in range(10):
        name = ("green", "blue")[number % 2]
        await server.calls.SetAlias(c.SetAliasRequest(alias_id="live", collection=f"collections/{name}"))
        await asyncio.sleep(0.005)
    swapping = False
    await searching
    assert found == {"blue", "green"}
