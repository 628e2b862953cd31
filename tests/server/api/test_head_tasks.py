"""Heads of several labels and of numbers over the wire: trained, asked, judged, updated, merged; what is refused."""

import json
import re

import grpc
import numpy as np
import pytest
from onnx import ModelProto

from frostline.v1 import head_service_pb2 as h
from frostline.wire import tensors
from raw import create_request, record, refused, upsert_request, vector

SEVERAL = h.HeadOptions(
    task=h.HEAD_TASK_LABELS, recipe=h.RECIPE_LOGISTIC, strength=10, coverage=0.9, scaling=h.FEATURE_SCALING_NONE
)
NUMBER = h.HeadOptions(task=h.HEAD_TASK_VALUE, recipe=h.RECIPE_RIDGE, strength=0.01)
LEFT, RIGHT = h.LabelSet(labels=["left"]), h.LabelSet(labels=["top", "right"])


def places(n=24, seed=0):
    """Vectors on two sides, every other right and at the top."""
    draw = np.random.default_rng(seed)
    return (draw.standard_normal((n, 3)) * 0.2 + [[-1, 0, 1], [1, 0, 1]] * (n // 2)).astype(np.float32)


def tagged(n=24, seed=0):
    return h.Examples(vectors=tensors.encode(places(n, seed)), label_sets=[LEFT, RIGHT] * (n // 2))


def measured(n=24, seed=0):
    rows = places(n, seed)
    return h.Examples(vectors=tensors.encode(rows), values=(100 + 3 * rows[:, 0]).tolist())


def create(examples, options, head_id="heads"):
    return h.CreateHeadRequest(head_id=head_id, examples=examples, options=options)


async def trained(calls, answer, name="heads"):
    await answer
    reports = [report async for report in calls.WatchHead(h.WatchHeadRequest(name=f"heads/{name}"))]
    version = reports[-1].head.versions[0]
    assert version.state == h.HEAD_STATE_READY, version.failure
    return version


async def exported(calls, name="heads", format=h.EXPORT_FORMAT_ARCHIVE):
    request = h.ExportHeadRequest(name=f"heads/{name}", format=format)
    return b"".join([chunk.data async for chunk in calls.ExportHead(request)])


def asked(rows, name="heads"):
    return h.PredictRequest(head=f"heads/{name}", vectors=tensors.encode(np.array(rows, np.float32)), limit=3)


def sets(answer):
    ends = np.cumsum(answer.set_sizes)
    return [
        sorted(answer.classes[place] for place in answer.set_labels[end - size : end])
        for size, end in zip(answer.set_sizes, ends, strict=True)
    ]


async def test_a_head_gives_several_labels(server):
    calls = server.calls
    version = await trained(calls, calls.CreateHead(create(tagged(), SEVERAL)))
    assert (version.recipe, version.example_count, version.exact_updates) == (h.RECIPE_LOGISTIC, 24, False)
    assert {each.label: each.example_count for each in version.classes} == {"left": 12, "right": 12, "top": 12}
    assert all(0 < each.threshold < 1 for each in version.classes)
    assert (await calls.GetHead(h.GetHeadRequest(name="heads/heads"))).options == SEVERAL
    answer = await calls.Predict(asked([[-1, 0, 1], [1, 0, 1]]))
    assert sets(answer) == [["left"], ["right", "top"]]
    assert tensors.decode(answer.probabilities).sum() > 2.5
    judged = await calls.EvaluateHead(h.EvaluateHeadRequest(head="heads/heads", examples=tagged(seed=1)))
    assert (judged.accuracy.value, judged.micro_f1.value, judged.hamming_loss, judged.mean_set_size) == (1, 1, 0, 1.5)
    assert ([each.label for each in judged.classes], list(judged.confusion)) == (["left", "right", "top"], [])

    none = [h.Example(vector=vector([0, 4 + n / 10, 0]), labels=["far"] * (n > 3)) for n in range(8)]
    gone = h.Examples(vectors=tensors.encode(places()[1:4:2]), label_sets=[RIGHT] * 2)
    update = h.UpdateHeadRequest(
        name="heads/heads", added=h.Examples(examples=none), removed=gone, removed_classes=["left"]
    )
    version = await trained(calls, calls.UpdateHead(update))
    assert {each.label: each.example_count for each in version.classes} == {"far": 4, "right": 10, "top": 10}
    assert version.example_count == 18


async def test_a_head_answers_numbers(server):
    calls = server.calls
    version = await trained(calls, calls.CreateHead(create(measured(), NUMBER)))
    assert (version.recipe, version.example_count, version.exact_updates) == (h.RECIPE_RIDGE, 24, True)
    assert not version.classes
    assert 0 < version.margin < 0.5
    answer = await calls.Predict(asked([[-1, 0, 1], [2, 0, 1]]))
    assert answer.values == pytest.approx([97, 106], abs=0.2)
    assert answer.margin == version.margin
    assert (list(answer.labels), list(answer.set_sizes)) == ([], [])
    assert tensors.decode(answer.out_of_scope).shape == (2,)
    mixed = h.PredictRequest(
        head="heads/heads", vectors=tensors.encode(np.array([[np.nan] * 3, [1, 0, 1]], np.float32))
    )
    answer = await calls.Predict(mixed)
    assert ([error.index for error in answer.errors], np.isnan(answer.values).tolist()) == ([0], [True, False])
    judged = await calls.EvaluateHead(h.EvaluateHeadRequest(head="heads/heads", examples=measured(seed=1)))
    assert judged.value.mean_absolute_error.value < 0.1
    assert judged.value.explained.value > 0.99
    assert not judged.HasField("accuracy")
    graph = ModelProto.FromString(await exported(calls, format=h.EXPORT_FORMAT_HEAD_ONNX))
    assert [each.name for each in graph.graph.output] == ["values", "scope"]

    more = [h.Example(vector=vector(row), value=100 + 3 * row[0]) for row in places(4, seed=2).tolist()]
    await trained(calls, calls.UpdateHead(h.UpdateHeadRequest(name="heads/heads", added=h.Examples(examples=more))))
    gone = h.UpdateHeadRequest(name="heads/heads", removed=h.Examples(examples=more[:1]))
    assert (await trained(calls, calls.UpdateHead(gone))).example_count == 27
    parts = [h.MergePart(archive=await exported(calls)), h.MergePart(head="heads/heads")]
    merged = h.MergeHeadsRequest(head_id="both", parts=parts)
    assert (await trained(calls, calls.MergeHeads(merged), "both")).example_count == 54
    answers = [(await calls.Predict(asked([[-1, 0, 1]], name))).values[0] for name in ("heads", "both")]
    assert answers[0] == pytest.approx(answers[1], abs=0.1)


async def test_fields_of_records_hold_labels_and_numbers(server):
    calls = server.calls
    await calls.CreateCollection(create_request(dimensions=3))
    payloads = [{"tags": ["left", 1], "n": 1.5}, {"tags": "right", "n": -2}, {"tags": None}, {"tags": ["left"], "n": 3}]
    await calls.UpsertRecords(
        upsert_request(
            *(
                record(str(place), vector=row, payload=json.dumps(payload).encode())
                for place, (row, payload) in enumerate(zip(places(4).tolist(), payloads, strict=True))
            )
        )
    )
    tags = h.Examples(records=h.LabelledRecords(collection="collections/notes", field="tags"))
    version = await trained(calls, calls.CreateHead(create(tags, SEVERAL)))
    assert {each.label: each.example_count for each in version.classes} == {"left": 2, "right": 1, "1": 1}
    numbers = h.Examples(records=h.LabelledRecords(collection="collections/notes", field="n"))
    assert (await trained(calls, calls.CreateHead(create(numbers, NUMBER, "numbers")), "numbers")).example_count == 3
    error = await refused(calls.CreateHead(create(tags, NUMBER)))
    assert "field 'tags' of record '0' holds 'left'; the head answers numbers" in error.details()


def labelled(*labels):
    return h.Examples(vectors=tensors.encode(places(len(labels))), labels=labels)


ONE = h.Example(vector=vector([1, 2, 3]), label="a")
SET = h.Example(vector=vector([1, 2, 3]), labels=["a", "b"])
VALUE = h.Example(vector=vector([1, 2, 3]), value=1)


@pytest.mark.parametrize(
    ("examples", "options", "wrong"),
    [
        ([ONE, SET], None, "example 1: it has labels, but the head answers one class, so it learns one label of each"),
        ([SET, ONE], SEVERAL, "example 1: it has one label, but the head answers several labels, so it"),
        (
            [VALUE, ONE],
            NUMBER,
            "example 1: it has one label, but the head answers numbers, so it learns a value of each",
        ),
        ([VALUE, h.Example(vector=vector([1, 2, 3]))], NUMBER, "example 1: it has no value"),
        ([VALUE, h.Example(vector=vector([1, 2, 3]), value=np.inf)], NUMBER, "example 1: value inf cannot be learned"),
        ([VALUE, VALUE], NUMBER, r"all examples have the value 1\.0"),
        ([SET, SET], SEVERAL, "all examples have the labels"),
        (labelled("a", "b"), NUMBER, "2 vectors come with one label each, but the head answers numbers"),
        (measured(), SEVERAL, "24 vectors come with a value each, but the head answers several labels"),
        (tagged(), None, "24 vectors come with labels each, but the head answers one class"),
        (tagged(), h.HeadOptions(task=h.HEAD_TASK_LABELS, recipe=h.RECIPE_LDA), "lda cannot learn several labels"),
        (measured(), h.HeadOptions(task=h.HEAD_TASK_VALUE, recipe=h.RECIPE_LOGISTIC), "logistic cannot learn numbers"),
        (measured(), h.HeadOptions(task=h.HEAD_TASK_VALUE, descriptions={"a": "b"}), "this head answers numbers"),
        (tagged(), h.HeadOptions(task=99), "task 99 is unknown"),
    ],
)
async def test_what_does_not_fit_the_task_is_refused_before_any_work(server, examples, options, wrong):
    given = h.Examples(examples=examples) if isinstance(examples, list) else examples
    error = await refused(server.calls.CreateHead(create(given, options)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(wrong, error.details())
    assert not list((server.data_dir / "heads").iterdir())


async def test_an_update_and_a_judgement_say_what_the_head_answers(server):
    calls = server.calls
    await trained(calls, calls.CreateHead(create(measured(), NUMBER)))
    error = await refused(calls.UpdateHead(h.UpdateHeadRequest(name="heads/heads", removed_classes=["a"])))
    assert "has no classes to remove" in error.details()
    for call in (
        calls.UpdateHead(h.UpdateHeadRequest(name="heads/heads", added=labelled("a", "b"))),
        calls.EvaluateHead(h.EvaluateHeadRequest(head="heads/heads", examples=tagged())),
    ):
        assert "learns a value of each" in (await refused(call)).details()
