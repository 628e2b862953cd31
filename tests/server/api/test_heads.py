"""Heads over the wire: trained from every kind of example, asked, judged, updated, merged; and what is refused."""

import asyncio
import json
import re
import threading

import grpc
import numpy as np
import pytest
from onnx import ModelProto

from frostline.server.api import head_service
from frostline.server.heads.store import Heads
from frostline.v1 import collection_pb2 as cp
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1 import head_service_pb2 as h
from frostline.wire import tensors
from raw import create_request, filtered, record, refused, upsert_request, vector

RIDGE = h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1)


def points(seed=0, n=20):
    """Two classes on either side of a line, as columns."""
    draw = np.random.default_rng(seed)
    labels = ["left", "right"] * (n // 2)
    vectors = draw.standard_normal((n, 3)) * 0.2 + [[-1, 0, 1] if label == "left" else [1, 0, 1] for label in labels]
    return h.Examples(vectors=tensors.encode(vectors.astype(np.float32)), labels=labels)


def text(content, label):
    return h.Example(text=content, label=label)


def create(head_id="sides", **fields):
    return h.CreateHeadRequest(head_id=head_id, **fields)


async def trained(calls, answer, name="sides"):
    """Waits for a training; gives the newest version."""
    assert (await answer).versions[0].state == h.HEAD_STATE_TRAINING
    reports = [report async for report in calls.WatchHead(h.WatchHeadRequest(name=f"heads/{name}"))]
    assert [report.progress for report in reports] == sorted(report.progress for report in reports)
    return reports[-1].head.versions[0]


async def labels(calls, *inputs, name="sides", **more):
    return likeliest(await calls.Predict(h.PredictRequest(head=f"heads/{name}", inputs=inputs, **more)))


def likeliest(answer):
    return [answer.classes[place] if place >= 0 else None for place in answer.labels]


def given(values):
    return pb.Input(vector=vector(values))


async def said(call):
    error = await refused(call)
    return error.code(), error.details()


async def test_a_head_is_trained_asked_judged_and_exported(server):
    calls = server.calls
    version = await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE, description="two sides")))
    assert (version.state, version.recipe, version.example_count) == (h.HEAD_STATE_READY, h.RECIPE_RIDGE, 20)
    assert {each.label: each.example_count for each in version.classes} == {"left": 10, "right": 10}
    assert version.exact_updates
    assert version.held_out_accuracy == 1
    head = await calls.GetHead(h.GetHeadRequest(name="heads/sides"))
    assert (head.serving_version, head.description, head.space.dimensions, head.encoder) == (1, "two sides", 3, "")
    assert (await calls.ListHeads(h.ListHeadsRequest())).heads == [head]

    request = h.PredictRequest(
        head="heads/sides", inputs=[given([1, 0, 1]), given([1, 0]), pb.Input(text="a"), given([-1, 0, 1])], limit=2
    )
    answer = await calls.Predict(request)
    assert [answer.classes[place] if place >= 0 else None for place in answer.labels[::2]] == [
        "right",
        None,
        None,
        "left",
    ]
    assert [error.index for error in answer.errors] == [1, 2]
    shares = tensors.decode(answer.probabilities)
    assert shares.shape == (4, 2)
    assert shares[[0, 3]].sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert list(answer.set_sizes)[1:3] == [0, 0]
    assert len(answer.set_labels) == sum(answer.set_sizes)
    columns = await calls.Predict(h.PredictRequest(head="heads/sides", vectors=points(1).vectors))
    assert [columns.classes[place] for place in columns.labels] == ["left", "right"] * 10

    judged = await calls.EvaluateHead(h.EvaluateHeadRequest(head="heads/sides", examples=points(2)))
    assert (judged.example_count, judged.accuracy.value, list(judged.confusion)) == (20, 1, [10, 0, 0, 10])
    chunks = [chunk.data async for chunk in calls.ExportHead(h.ExportHeadRequest(name="heads/sides"))]
    merged = h.MergeHeadsRequest(
        head_id="both", parts=[h.MergePart(archive=b"".join(chunks)), h.MergePart(head="heads/sides")]
    )
    assert (await trained(calls, calls.MergeHeads(merged), "both")).example_count == 40
    assert await labels(calls, given([1, 0, 1]), name="both") == ["right"]
    await calls.DeleteHead(h.DeleteHeadRequest(name="heads/both"))
    assert await said(calls.GetHead(h.GetHeadRequest(name="heads/both"))) == (
        grpc.StatusCode.NOT_FOUND,
        "head 'both' does not exist; train it, or list the heads there are",
    )


async def test_examples_and_classes_come_and_go_while_the_earlier_version_serves(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    up = h.Examples(examples=[h.Example(vector=vector([0, 1.5, 1 + n / 10]), label="up") for n in range(4)])
    version = await trained(calls, calls.UpdateHead(h.UpdateHeadRequest(name="heads/sides", added=up)))
    assert (version.version, version.example_count, len(version.classes)) == (2, 24, 3)
    assert await labels(calls, given([0, 1.5, 1])) == ["up"]
    assert await labels(calls, given([0, 1.5, 1]), version=1) != ["up"]
    await calls.RollbackHead(h.RollbackHeadRequest(name="heads/sides"))
    assert await labels(calls, given([0, 1.5, 1])) != ["up"]
    await calls.RollbackHead(h.RollbackHeadRequest(name="heads/sides", version=2))
    gone = h.UpdateHeadRequest(
        name="heads/sides", removed=h.Examples(examples=up.examples[:1]), removed_classes=["left"]
    )
    version = await trained(calls, calls.UpdateHead(gone))
    assert {each.label: each.example_count for each in version.classes} == {"right": 10, "up": 3}
    assert "class 'left' is not among those of the head" in (await said(calls.UpdateHead(gone)))[1]
    del gone.removed_classes[:]
    assert "example 0 of class 'up' is not among the examples of the head" in (await said(calls.UpdateHead(gone)))[1]


async def test_texts_and_descriptions_are_embedded_and_the_encoder_is_kept(server):
    calls = server.calls
    request = create(
        encoder="encoders/tiny",
        examples=h.Examples(examples=[text("red cat", "animal"), text("blue house", "building")]),
        options=h.HeadOptions(descriptions={"work": "trained head", "animal": "cat dog"}),
    )
    version = await trained(calls, calls.CreateHead(request))
    assert {each.label: each.example_count for each in version.classes} == {"animal": 1, "building": 1, "work": 0}
    assert await labels(calls, pb.Input(text="blue house"), pb.Input(text="trained head")) == ["building", "work"]
    whole = h.ExportHeadRequest(name="heads/sides", format=h.EXPORT_FORMAT_ONNX)
    graph = ModelProto.FromString(b"".join([chunk.data async for chunk in calls.ExportHead(whole)]))
    assert {each.name for each in graph.graph.output} == {"logits", "probabilities", "scope"}
    assert "input_ids" in {each.name for each in graph.graph.input}
    code, why = await said(calls.DeleteEncoder(e.DeleteEncoderRequest(name="encoders/tiny")))
    assert (code, why) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "encoder 'tiny' is used by head 'sides'; delete its heads first",
    )


async def test_labelled_records_of_a_collection_are_learned_from(server):
    calls = server.calls
    await calls.CreateCollection(
        create_request(dimensions=2, fields=[cp.IndexedField(path="n", kind=cp.FIELD_KIND_INTEGER)])
    )
    side = [(n, bool(n % 2)) for n in range(12)]
    records = [
        record(str(n), vector=[1 if odd else -1, n / 100], payload=json.dumps({"n": n, "is": {"odd": odd}}).encode())
        for n, odd in side
    ]
    await calls.UpsertRecords(upsert_request(*records, record("none", vector=[5, 5])))
    asked = h.LabelledRecords(collection="collections/notes", field="is.odd", filter=filtered("n < 10"))
    version = await trained(calls, calls.CreateHead(create(examples=h.Examples(records=asked), options=RIDGE)))
    assert {each.label: each.example_count for each in version.classes} == {"false": 5, "true": 5}
    one = h.Examples(collection="collections/notes", examples=[h.Example(record_id="11", label="false")])
    version = await trained(calls, calls.UpdateHead(h.UpdateHeadRequest(name="heads/sides", added=one)))
    assert version.example_count == 11
    asked.field = "is"
    assert (
        "a label is one string, number or boolean"
        in (await said(calls.CreateHead(create(examples=h.Examples(records=asked)))))[1]
    )


@pytest.mark.parametrize(
    ("field", "filter_", "wrong"),
    [
        ("year", "year > 2000", "the filter 'year > 2000' lets no record of collection 'notes' through; loosen it"),
        (
            "nowhere",
            'year = "2001"',
            "no record of collection 'notes' that the filter lets through has a field 'nowhere'",
        ),
        ("nowhere", "", "no record of collection 'notes' has a field 'nowhere'; name another field"),
        ("bare", "", "no record of collection 'notes' has both a field 'bare' and a vector 'default'"),
    ],
)
async def test_where_no_record_is_an_example_it_says_what_is_to_blame(server, field, filter_, wrong):
    calls = server.calls
    await calls.CreateCollection(
        create_request(vectors=[cp.VectorField(name=name, dimensions=2) for name in ("default", "other")])
    )
    await calls.UpsertRecords(
        upsert_request(
            record("a", vector=[1, 0], payload=b'{"year": "2001"}'),
            record("b", vectors={"other": [1, 0]}, payload=b'{"bare": "c"}'),
        )
    )
    asked = h.LabelledRecords(collection="collections/notes", field=field, filter=filtered(filter_))
    code, why = await said(calls.CreateHead(create(examples=h.Examples(records=asked))))
    assert code is grpc.StatusCode.NOT_FOUND
    assert wrong in why


async def test_a_head_is_judged_by_group_of_whichever_kind_of_example(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    await calls.CreateCollection(create_request(dimensions=3))
    records = [
        record(str(n), vector=[1, 0, 1], payload=json.dumps({"side": "right", "by": {"who": n % 2}}).encode())
        for n in range(20)
    ]
    await calls.UpsertRecords(upsert_request(*records, record("none", vector=[1, 0, 1], payload=b'{"side": "left"}')))
    asked = points(2)
    asked.groups.extend(["0"] * 10 + ["given"] * 10)
    asked.records.MergeFrom(h.LabelledRecords(collection="collections/notes", field="side", group_field="by.who"))
    asked.examples.append(h.Example(vector=vector([-1, 0, 1]), label="right", group="1"))
    judged = (await calls.EvaluateHead(h.EvaluateHeadRequest(head="heads/sides", examples=asked))).groups
    assert [(each.group, each.example_count) for each in judged.groups] == [("0", 20), ("1", 11), ("given", 10)]
    assert (judged.worst, judged.groups[1].accuracy.value) == ("1", 10 / 11)
    assert len(judged.mitigation.thresholds) == 3
    asked.examples[0].group = ""
    request = h.EvaluateHeadRequest(head="heads/sides", examples=asked)
    assert "example 0 has no group, and others have" in (await said(calls.EvaluateHead(request)))[1]
    del request.examples.groups[10:]
    assert "there are 10 groups of 20 vectors" in (await said(calls.EvaluateHead(request)))[1]
    ungrouped = h.EvaluateHeadRequest(head="heads/sides", examples=points(2))
    assert not (await calls.EvaluateHead(ungrouped)).HasField("groups")


async def test_an_example_that_cannot_be_read_fails_the_version_and_says_which(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    bad = h.Examples(examples=[h.Example(image=b"no image", label="a"), h.Example(image=b"none", label="b")])
    version = await trained(calls, calls.CreateHead(create(encoder="encoders/tiny-image", examples=bad)))
    assert version.state == h.HEAD_STATE_FAILED
    assert version.failure.startswith("example 0: ")
    assert await labels(calls, given([1, 0, 1])) == ["right"]


async def test_a_request_that_is_sent_again_begins_nothing_again(server):
    calls = server.calls
    request = create(examples=points(), options=RIDGE, request_id="once")
    first, second = await asyncio.gather(calls.CreateHead(request), calls.CreateHead(request))
    assert len(first.versions) == len(second.versions) == 1
    async for _ in calls.WatchHead(h.WatchHeadRequest(name="heads/sides")):
        pass
    assert len((await calls.CreateHead(request)).versions) == 1
    await trained(calls, calls.CreateHead(create("others", examples=points(1), options=RIDGE)), "others")
    parts = [h.MergePart(head=f"heads/{name}") for name in ("sides", "others")]
    update = h.UpdateHeadRequest(name="heads/sides", removed_classes=["left"], request_id="twice")
    update.added.CopyFrom(h.Examples(examples=[h.Example(vector=vector([0, 1.5, 1]), label="up")]))
    for _ in range(2):
        assert len((await calls.UpdateHead(update)).versions) == 2
    async for _ in calls.WatchHead(h.WatchHeadRequest(name="heads/sides")):
        pass
    assert len((await calls.UpdateHead(update)).versions) == 2
    merge = h.MergeHeadsRequest(head_id="both", parts=parts, request_id="once")
    for _ in range(2):
        assert len((await calls.MergeHeads(merge)).versions) == 1
    request.description = "another"
    assert "request id 'once' was used for another request" in (await said(calls.CreateHead(request)))[1]
    request.request_id = "x" * 65
    assert "has 65 bytes" in (await said(calls.CreateHead(request)))[1]


async def test_heads_that_do_not_go_together_are_refused_at_the_call(server):
    calls = server.calls
    means = h.HeadOptions(recipe=h.RECIPE_NEAREST_MEAN)
    for name, options in (("sides", RIDGE), ("means", means)):
        await trained(calls, calls.CreateHead(create(name, examples=points(), options=options)), name)
    archive = b"".join([chunk.data async for chunk in calls.ExportHead(h.ExportHeadRequest(name="heads/means"))])
    for other in (h.MergePart(head="heads/means"), h.MergePart(archive=archive)):
        merge = h.MergeHeadsRequest(head_id="both", parts=[h.MergePart(head="heads/sides"), other])
        code, why = await said(calls.MergeHeads(merge))
        assert (code, "heads with different recipe (" in why) == (grpc.StatusCode.INVALID_ARGUMENT, True)
    assert len((await calls.ListHeads(h.ListHeadsRequest())).heads) == 2


async def test_a_head_is_not_merged_with_itself(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    archive = b"".join([chunk.data async for chunk in calls.ExportHead(h.ExportHeadRequest(name="heads/sides"))])
    for part, name in (
        (h.MergePart(head="heads/sides"), "head 'sides'"),
        (h.MergePart(archive=archive), "the archive"),
    ):
        code, why = await said(calls.MergeHeads(h.MergeHeadsRequest(head_id="both", parts=[part, part])))
        assert (code, f"{name}" in why, "count twice" in why) == (grpc.StatusCode.INVALID_ARGUMENT, True, True)


async def test_heads_of_two_spaces_are_named_where_they_were_to_be_merged(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    texts = h.Examples(examples=[text("red cat", "animal"), text("blue house", "building")])
    of_texts = create("words", examples=texts, options=RIDGE, encoder="encoders/tiny")
    await trained(calls, calls.CreateHead(of_texts), "words")
    parts = [h.MergePart(head=f"heads/{name}") for name in ("sides", "words")]
    code, why = await said(calls.MergeHeads(h.MergeHeadsRequest(head_id="both", parts=parts)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert why.startswith("head 'words' of encoder 'tiny' has fingerprint")
    assert ", head 'sides' holds fingerprint ''; only heads of one encoder" in why


async def test_a_graph_that_is_damaged_or_lacks_an_encoder_is_not_exported(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    (graph,) = (server.data_dir / "heads").glob("*/*/artifact/head.onnx")
    data = graph.read_bytes()
    graph.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

    async def exported(format):
        async for _ in calls.ExportHead(h.ExportHeadRequest(name="heads/sides", format=format)):
            pass

    assert "(the format head-onnx)" in (await said(exported(h.EXPORT_FORMAT_ONNX)))[1]
    code, why = await said(exported(h.EXPORT_FORMAT_HEAD_ONNX))
    assert code is grpc.StatusCode.DATA_LOSS
    assert why.endswith("head.onnx is damaged: it does not fit its checksum")


async def test_a_head_that_could_not_be_trained_does_not_answer(server):
    bad = h.Examples(examples=[h.Example(image=b"no image", label="a"), h.Example(image=b"none", label="b")])
    await trained(server.calls, server.calls.CreateHead(create(encoder="encoders/tiny-image", examples=bad)))
    code, why = await said(server.calls.Predict(h.PredictRequest(head="heads/sides", inputs=[given([1, 0, 1])])))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "version 1 failed: example 0: " in why


async def test_pages_of_heads_end_where_they_are_many_bytes(server, monkeypatch):
    calls = server.calls
    bad = h.Examples(examples=[h.Example(image=b"no image", label="a"), h.Example(image=b"none", label="b")])
    for name in "abc":
        await trained(calls, calls.CreateHead(create(name, encoder="encoders/tiny-image", examples=bad)), name)
    size = (await calls.GetHead(h.GetHeadRequest(name="heads/a"))).ByteSize()
    monkeypatch.setattr(head_service, "_PAGE_BYTES", 2 * size + size // 2)
    first = await calls.ListHeads(h.ListHeadsRequest())
    assert [head.name for head in first.heads] == ["heads/a", "heads/b"]
    second = await calls.ListHeads(h.ListHeadsRequest(page_token=first.next_page_token))
    assert ([head.name for head in second.heads], second.next_page_token) == (["heads/c"], "")
    monkeypatch.setattr(head_service, "_PAGE_BYTES", 1)
    assert [head.name for head in (await calls.ListHeads(h.ListHeadsRequest())).heads] == ["heads/a"]


async def test_one_training_of_a_head_at_a_time_which_deleting_ends(server):
    calls = server.calls
    many = points(n=4000)
    await calls.CreateHead(create(examples=many))
    assert (await said(calls.CreateHead(create(examples=points()))))[0] is grpc.StatusCode.FAILED_PRECONDITION
    assert (await said(calls.Predict(h.PredictRequest(head="heads/sides"))))[0] is grpc.StatusCode.FAILED_PRECONDITION
    await calls.DeleteHead(h.DeleteHeadRequest(name="heads/sides"))
    assert not (await calls.ListHeads(h.ListHeadsRequest())).heads
    await asyncio.sleep(0.1)
    assert not list((server.data_dir / "heads").iterdir())


async def test_whatever_ends_a_training_the_version_has_failed_and_says_so(server, monkeypatch):
    def broken(*_):
        raise MemoryError

    monkeypatch.setattr(Heads, "keep_examples", broken)
    version = await trained(server.calls, server.calls.CreateHead(create(examples=points(), options=RIDGE)))
    assert version.state == h.HEAD_STATE_FAILED
    assert version.failure == "training failed (MemoryError); the log of the server says more"


async def test_a_training_is_cancelled_while_the_earlier_version_serves_and_another_begins_at_once(server, monkeypatch):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(examples=points(), options=RIDGE)))
    goes_on, keep = threading.Event(), Heads.keep_examples

    def slow(*given):
        goes_on.wait(30)
        keep(*given)

    monkeypatch.setattr(Heads, "keep_examples", slow)
    await calls.CreateHead(create(examples=points(1), options=RIDGE))
    under_way = (await calls.GetHead(h.GetHeadRequest(name="heads/sides"))).versions
    assert [each.step for each in under_way] == ["starting", ""]
    assert (await calls.ListHeads(h.ListHeadsRequest())).heads[0].versions[0].step == "starting"
    refusal = await said(calls.CreateHead(create(examples=points(1), options=RIDGE)))
    assert "frostline heads cancel" in refusal[1]
    cancel = h.CancelHeadRequest(name="heads/sides")
    head = await calls.CancelHead(cancel)
    newest = head.versions[0]
    assert (head.serving_version, newest.version, newest.state) == (1, 2, h.HEAD_STATE_FAILED)
    assert newest.failure == "cancelled while it was trained"
    assert await calls.CancelHead(cancel) == head
    assert await labels(calls, given([1, 0, 1])) == ["right"]
    goes_on.set()
    assert (await trained(calls, calls.CreateHead(create(examples=points(2), options=RIDGE)))).version == 3
    code, why = await said(calls.CancelHead(cancel))
    assert (code, why) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "head 'sides' is not being trained; version 3 is ready",
    )


async def test_a_head_whose_caller_has_gone_is_trained_to_the_end(server, monkeypatch):
    begun, goes_on = threading.Event(), threading.Event()
    begin = Heads.begin

    def slow(*arguments):
        head = begin(*arguments)
        begun.set()
        goes_on.wait()
        return head

    monkeypatch.setattr(Heads, "begin", slow)
    call = server.calls.CreateHead(create(examples=points(), options=RIDGE))
    await asyncio.to_thread(begun.wait)
    call.cancel()
    await asyncio.sleep(0.1)
    goes_on.set()
    while (head := await server.calls.GetHead(h.GetHeadRequest(name="heads/sides"))).serving_version == 0:
        assert head.versions[0].state == h.HEAD_STATE_TRAINING
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        (create(), "there are no examples"),
        (create("Sides", examples=points()), "head name 'Sides' is not allowed"),
        (create(examples=h.Examples(vectors=points().vectors, labels=["a"] * 20)), "all examples are of class 'a'"),
        (create(examples=h.Examples(vectors=points().vectors, labels=["a"] * 19)), r"takes \(19, 3\)"),
        (create(examples=h.Examples(labels=["a"])), "there are no examples"),
        (create(examples=points(), options=h.HeadOptions(strength=1)), "strength 1 of auto"),
        (
            create(examples=points(), options=h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=-1)),
            "strength -1.0 is out of range",
        ),
        (create(examples=points(), options=h.HeadOptions(recipe=99)), "recipe 99 is unknown"),
        (create(examples=points(), options=h.HeadOptions(coverage=2)), "coverage 2.0 is out of range"),
        (create(examples=points(), options=h.HeadOptions(descriptions={"left": "west"})), "the head has no encoder"),
        (create(examples=points(), encoder="encoders/tiny"), "vectors have shape"),
        (
            create(examples=h.Examples(examples=[text("a", "b")])),
            r"hold texts, and no encoder is named; .*--encoder.*; this server has: tiny$",
        ),
        (
            create(encoder="encoders/tiny", examples=h.Examples(examples=[text("a", "b"), text("c", "")])),
            "example 1 has an empty label",
        ),
        (
            create(encoder="encoders/tiny-image", examples=h.Examples(examples=[text("a", "b"), text("c", "d")])),
            "example 0: encoder 'tiny-image' takes image inputs",
        ),
        (
            create(
                examples=h.Examples(
                    vectors=tensors.encode(np.array([[1, 2], [np.nan, 1]], np.float32)), labels=["a", "b"]
                )
            ),
            "the vector of example 1 holds nan at position 0",
        ),
        (create(examples=points(), description="x" * 1001), "the description has 1001 characters"),
    ],
)
async def test_what_cannot_be_learned_from_is_refused_before_any_work(server, request_, wrong):
    code, why = await said(server.calls.CreateHead(request_))
    assert code is grpc.StatusCode.INVALID_ARGUMENT

    assert re.search(wrong, why)
    assert not list((server.data_dir / "heads").iterdir())


async def test_a_head_takes_the_layer_that_it_is_asked_to(server):
    calls = server.calls
    examples = h.Examples(examples=[text("red cat", "animal"), text("blue house", "building")])
    await trained(calls, calls.CreateHead(create(encoder="encoders/tiny", layer="embeddings", examples=examples)))
    head = await calls.GetHead(h.GetHeadRequest(name="heads/sides"))
    assert head.space.layer == "embeddings"
    assert await labels(calls, pb.Input(text="blue house"), pb.Input(text="red cat")) == ["building", "animal"]
    wrong = create(encoder="encoders/tiny", layer="layer-99", examples=examples)
    assert "has no layer 'layer-99'; it has embeddings" in (await said(calls.CreateHead(wrong)))[1]
    wrong = create(layer="embeddings", examples=points())
    assert "layer 'embeddings' is asked for, and no encoder is named" in (await said(calls.CreateHead(wrong)))[1]


async def test_a_head_whitens_scales_and_adapts_to_unlabelled_inputs(server):
    calls = server.calls
    target = tensors.decode(points(1, 60).vectors) + np.float32([5, 0, 0])
    options = h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1, whiten=True, scaling=h.FEATURE_SCALING_NONE)
    request = create(examples=points(), options=options, target=tensors.encode(target))
    version = await trained(calls, calls.CreateHead(request))
    assert (version.target_count, version.scaling, version.exact_updates) == (60, h.FEATURE_SCALING_NONE, True)
    assert (await calls.GetHead(h.GetHeadRequest(name="heads/sides"))).options == h.HeadOptions(
        recipe=h.RECIPE_RIDGE,
        strength=1,
        whiten=True,
        scaling=h.FEATURE_SCALING_NONE,
        coverage=0.9,
        task=h.HEAD_TASK_CLASS,
    )
    assert await labels(calls, given([4, 0, 1]), given([6, 0, 1])) == ["left", "right"]
    more = h.UpdateHeadRequest(name="heads/sides", added=points(2))
    version = await trained(calls, calls.UpdateHead(more))
    assert (version.target_count, version.example_count) == (60, 40)
    assert await labels(calls, given([4, 0, 1]), given([6, 0, 1])) == ["left", "right"]
    scaled = create(examples=points(), options=h.HeadOptions(scaling=h.FEATURE_SCALING_UNIT_LENGTH))
    version = await trained(calls, calls.CreateHead(scaled))
    assert (version.scaling, version.target_count) == (h.FEATURE_SCALING_UNIT_LENGTH, 0)
    assert {trial.scaling for trial in version.trials} == {h.FEATURE_SCALING_UNIT_LENGTH}
    assert await labels(calls, given([40, 0, 40]), given([-40, 0, 40])) == ["right", "left"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([[1, 2, 3]], "target holds 1 inputs"),
        ([[1, 2], [3, 4]], "vectors have shape (2, 2); the head takes (n, 3)"),
        ([[1, 2, 3], [1, np.nan, 3]], "input 1 of target holds nan at position 1"),
    ],
)
async def test_a_target_that_says_nothing_is_refused(server, target, message):
    target = tensors.encode(np.array(target, np.float32))
    code, details = await said(server.calls.CreateHead(create(examples=points(), target=target)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message in details
