"""Questions about heads over the wire: from every kind of input, told while they are answered; and what is refused."""

import json

import grpc
import numpy as np
import pytest

from frostline.v1 import collection_pb2 as cp
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import head_service_pb2 as h
from frostline.wire import tensors
from raw import create_request, filtered, record, upsert_request

RIDGE = h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1)


def sides(n=12, seed=0):
    """Points left and right of nothing, by turns."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 3)) * 0.3 + [0, 0, 1]
    rows[:, 0] += np.tile([-1.0, 1.0], n // 2)
    return rows.astype(np.float32)


def points(n=12, seed=0):
    return h.Examples(vectors=tensors.encode(sides(n, seed)), labels=["left", "right"] * (n // 2))


def vectors(rows):
    return h.Unlabelled(vectors=tensors.encode(np.asarray(rows, np.float32)))


async def train(calls, name="sides", **fields):
    await calls.CreateHead(h.CreateHeadRequest(head_id=name, **({"examples": points(), "options": RIDGE} | fields)))
    async for _ in calls.WatchHead(h.WatchHeadRequest(name=f"heads/{name}")):
        pass


async def answer(call):
    """The last message, and the steps that were told before."""
    told = [each async for each in call]
    assert told[-1].progress == 1
    return told[-1], [each.step for each in told[:-1]]


async def why_not(call):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        async for _ in call:
            pass
    return error.value.code(), error.value.details()


@pytest.fixture
async def calls(server):
    await train(server.calls)
    return server.calls


async def test_drift_of_vectors(calls):
    moved = sides(20, seed=1)
    moved[:14, 2] += 9
    last, steps = await answer(
        calls.MeasureDrift(h.MeasureDriftRequest(head="heads/sides", inputs=vectors(moved), limit=3))
    )
    assert set(steps) <= {"starting", "comparing"}
    assert (last.drift.version, last.drift.example_count, last.drift.input_count) == (1, 12, 20)
    assert 0.001 <= last.drift.p_value < 0.05
    assert {each.position for each in last.drift.shifted} < set(range(14))
    assert [each.record_id for each in last.drift.shifted] == ["", "", ""]


async def test_suggestions_from_records_without_a_label(server, calls):
    await calls.CreateCollection(
        create_request(dimensions=3, fields=[cp.IndexedField(path="n", kind=cp.FIELD_KIND_INTEGER)])
    )
    between = [[0, 0.1 * n, 1] for n in range(4)]
    records = [record(f"between {n}", vector=row, payload=b'{"n": 1}') for n, row in enumerate(between)]
    records += [
        record(f"done {n}", vector=row, payload=json.dumps({"n": 1, "side": "left"}).encode())
        for n, row in enumerate(between)
    ]
    records += [record(f"other {n}", vector=row.tolist(), payload=b'{"n": 2}') for n, row in enumerate(sides(4))]
    await calls.UpsertRecords(upsert_request(*records))
    asked = h.UnlabelledRecords(collection="collections/notes", filter=filtered("n = 1"), field="side")
    request = h.SuggestLabelsRequest(head="heads/sides", inputs=h.Unlabelled(records=asked), count=2)
    last, steps = await answer(calls.SuggestLabels(request))
    assert set(steps) <= {"starting", "selecting"}  # what is over at once is not told
    assert (last.suggestions.version, last.suggestions.input_count) == (1, 4)
    assert len(last.suggestions.suggestions) == 2
    for each in last.suggestions.suggestions:
        assert each.record_id == f"between {each.position}"
        assert each.label in ("left", "right")
        assert each.score == pytest.approx(2 * (1 - each.probability), abs=1e-6)  # of two classes
    request.ClearField("head")
    last, _ = await answer(calls.SuggestLabels(request))  # what is labelled in the collection is covered already
    assert last.suggestions.suggestions[0].score == pytest.approx(0, abs=1e-6)
    assert (last.suggestions.version, last.suggestions.suggestions[0].label) == (0, "")
    asked.field = ""
    request.inputs.records.CopyFrom(asked)
    last, _ = await answer(calls.SuggestLabels(request))
    assert (last.suggestions.input_count, last.suggestions.suggestions[0].score > 0.5) == (8, True)
    asked.filter.CopyFrom(filtered("n = 3"))
    request.inputs.records.CopyFrom(asked)
    assert "no record of collection 'notes' has a vector" in (await why_not(calls.SuggestLabels(request)))[1]


async def test_audits_of_a_head_and_of_a_field(server, calls):
    labels = ["left", "right"] * 12
    labels[5] = "left"
    wrong = h.Examples(vectors=tensors.encode(sides(24)), labels=labels)
    await train(calls, "wrong", examples=wrong)
    last, steps = await answer(calls.AuditLabels(h.AuditLabelsRequest(head="heads/wrong")))
    assert set(steps) <= {"starting", "judging labels", "comparing examples"}
    (suspect,) = last.audit.suspects
    assert (suspect.example.position, suspect.example.label, suspect.suggested_label) == (5, "left", "right")
    assert (last.audit.example_count, last.audit.suspect_count) == (24, 1)

    await calls.CreateCollection(create_request(dimensions=3))
    rows = sides(24).tolist()
    records = [
        record(f"r{n}", vector=row, payload=json.dumps({"side": label}).encode() if n else b"{}")
        for n, (row, label) in enumerate(zip(rows, labels, strict=True))
    ]
    await calls.UpsertRecords(upsert_request(*records))
    field = h.Examples(records=h.LabelledRecords(collection="collections/notes", field="side"))
    last, _ = await answer(calls.AuditLabels(h.AuditLabelsRequest(examples=field)))
    assert [each.example.record_id for each in last.audit.suspects] == ["r5"]


async def test_texts_are_embedded_first(server):
    texts = [h.Example(text=text, label=text[-3:]) for text in ("red cat", "blue dog", "old cat", "new dog", "big cat")]
    await train(server.calls, "texts", encoder="encoders/tiny", examples=h.Examples(examples=texts))
    inputs = h.Unlabelled(inputs=[pb.Input(text=f"a {n}") for n in range(6)])
    last, _ = await answer(server.calls.MeasureDrift(h.MeasureDriftRequest(head="heads/texts", inputs=inputs)))
    assert (last.drift.example_count, len(last.drift.shifted)) == (5, 6)
    request = h.SuggestLabelsRequest(encoder="encoders/tiny", inputs=inputs, count=3)
    assert len((await answer(server.calls.SuggestLabels(request)))[0].suggestions.suggestions) == 3


async def test_a_merged_head_has_nothing_to_compare_with(calls):
    chunks = [chunk.data async for chunk in calls.ExportHead(h.ExportHeadRequest(name="heads/sides"))]
    parts = [h.MergePart(head="heads/sides"), h.MergePart(archive=b"".join(chunks))]
    await calls.MergeHeads(h.MergeHeadsRequest(head_id="both", parts=parts))
    async for _ in calls.WatchHead(h.WatchHeadRequest(name="heads/both")):
        pass
    for call in (
        calls.MeasureDrift(h.MeasureDriftRequest(head="heads/both", inputs=vectors(sides()))),
        calls.AuditLabels(h.AuditLabelsRequest(head="heads/both")),
    ):
        code, why = await why_not(call)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "head 'both' was merged of others and has no examples" in why


async def test_heads_that_answer_numbers_are_asked_for_drift_and_coverage_alone(server):
    calls = server.calls
    numbers = h.Examples(vectors=tensors.encode(sides()), values=sides()[:, 1].tolist())
    await train(calls, "numbers", examples=numbers, options=h.HeadOptions(task=h.HEAD_TASK_VALUE))
    asked = {"head": "heads/numbers", "inputs": vectors(sides(seed=1))}
    assert (await answer(calls.MeasureDrift(h.MeasureDriftRequest(**asked))))[0].drift.example_count == 12
    found = (await answer(calls.SuggestLabels(h.SuggestLabelsRequest(**asked, count=1))))[0].suggestions
    assert [(each.label, each.probability) for each in found.suggestions] == [("", 0)]
    margin = h.SuggestLabelsRequest(**asked, strategy=h.LABEL_STRATEGY_MARGIN)
    for call in (calls.SuggestLabels(margin), calls.AuditLabels(h.AuditLabelsRequest(head="heads/numbers"))):
        assert "head 'numbers' answers several labels or numbers" in (await why_not(call))[1]


REFUSED = [
    ("MeasureDrift", h.MeasureDriftRequest(head="heads/sides"), "there are no inputs"),
    ("MeasureDrift", h.MeasureDriftRequest(head="heads/sides", inputs=vectors(sides(4))), "there are 4 inputs"),
    ("MeasureDrift", h.MeasureDriftRequest(head="heads/sides", limit=1001), "limit 1001 is out of range"),
    ("MeasureDrift", h.MeasureDriftRequest(head="heads/sides", inputs=vectors(np.ones((5, 2)))), "shape"),
    ("MeasureDrift", h.MeasureDriftRequest(head="heads/sides", inputs=vectors(np.full((5, 3), np.nan))), "nan"),
    (
        "MeasureDrift",
        h.MeasureDriftRequest(
            head="heads/sides", inputs=h.Unlabelled(inputs=[pb.Input(text="a")], vectors=vectors(sides()).vectors)
        ),
        "given as inputs and as vectors",
    ),
    ("SuggestLabels", h.SuggestLabelsRequest(inputs=vectors(sides()), strategy=2), "strategy margin goes by"),
    ("SuggestLabels", h.SuggestLabelsRequest(inputs=vectors(sides()), strategy=9), "strategy 9 is unknown"),
    ("SuggestLabels", h.SuggestLabelsRequest(inputs=vectors(sides()), count=-1), "count -1 is out of range"),
    ("SuggestLabels", h.SuggestLabelsRequest(), "there are no examples"),
    ("AuditLabels", h.AuditLabelsRequest(), "there are no examples"),
    ("AuditLabels", h.AuditLabelsRequest(examples=h.Examples(examples=[h.Example(text="a")])), "no encoder"),
    ("AuditLabels", h.AuditLabelsRequest(examples=points(), limit=10_001), "limit 10001 is out of range"),
]


async def test_what_cannot_be_answered_is_refused_before_any_work(calls, monkeypatch):
    monkeypatch.setattr("frostline.server.heads.workshop.Workshop.judge", None)
    for method, request, wrong in REFUSED:
        code, why = await why_not(getattr(calls, method)(request))
        assert (code, wrong in why) == (grpc.StatusCode.INVALID_ARGUMENT, True), why


async def test_a_head_that_is_not_there(server):
    request = h.MeasureDriftRequest(head="heads/none", inputs=vectors(sides()))
    assert (await why_not(server.calls.MeasureDrift(request)))[0] is grpc.StatusCode.NOT_FOUND
