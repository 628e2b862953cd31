"""Transfer over the wire: what the process that measures is given, what comes back, and what is refused."""

import asyncio
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
import numpy as np
import pytest

from frostline.server.api import content_examples
from frostline.server.api.transfer import report_message
from frostline.server.heads import examples
from frostline.server.heads.fitted import Recipe
from frostline.server.heads.transfer import contents
from frostline.server.heads.transfer.report import TransferReport
from frostline.server.heads.workshop import Workshop
from frostline.v1 import head_service_pb2 as h
from frostline.v1 import transfer_report_pb2
from frostline.wire import tensors
from made_transfer import transfer_report
from raw import create_request, filtered, picture, record, refused, upsert_request, vector

TEXTS = [("red cat", "animal"), ("blue dog", "animal"), ("red house", "building"), ("the house", "building")]


def given(*pairs, **more):
    return h.Examples(examples=[h.Example(text=content, label=label) for content, label in pairs], **more)


def recorded(*pairs, field="kind", **more):
    """Records whose payload holds the label."""
    return [
        record(f"r{n}", content, payload=json.dumps({field: label}).encode(), **more)
        for n, (content, label) in enumerate(pairs)
    ]


class Measuring:
    """A workshop that remembers what it is asked, and answers with a report that was made up."""

    def __init__(self):
        self.question = self.labelled = self.contents = None
        self.stopped, self.waits = asyncio.Event(), False
        self.loop = asyncio.get_running_loop()

    def judge(self, prepare, report, work):
        with TemporaryDirectory() as folder:
            self.question = question = prepare(Path(folder))
            self.labelled = examples.load(question.examples)
            found = contents.load(question.contents, len(self.labelled.targets))
            self.contents = [each if isinstance(each, str) else each.read_bytes() for each in found]
        report("learning", 0.5)
        while self.waits:
            if work.stopped:
                self.loop.call_soon_threadsafe(self.stopped.set)
                raise work.stopped
        return transfer_report().model_dump(mode="json")

    @property
    def labels(self):
        return examples.labels_of(self.labelled)


@pytest.fixture
async def measuring(monkeypatch):
    made = Measuring()
    monkeypatch.setattr(Workshop, "judge", lambda _, *arguments: made.judge(*arguments))
    return made


async def measured(server, **request):
    return [told async for told in server.calls.MeasureTransfer(h.MeasureTransferRequest(**request))]


async def said(server, **request):
    error = await refused(server.calls.MeasureTransfer(h.MeasureTransferRequest(**request)).read())
    return error.code(), error.details()


async def test_texts_are_embedded_and_measured_beside_what_they_are(server, measuring):
    told = await measured(
        server,
        encoder="encoders/tiny",
        examples=given(*TEXTS),
        held_out=given(("a cat", "animal")),
        options=h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=2),
        draws=20,
    )
    question = measuring.question
    assert (question.encoder, question.held_out, question.draws) == ("tiny", 1, 20)
    assert (question.options.recipe, question.options.strength) == (Recipe.RIDGE, 2)
    assert question.embedding_seconds > 0
    assert measuring.contents == [content for content, _ in TEXTS] + ["a cat"]
    assert measuring.labels == [label for _, label in TEXTS] + ["animal"]
    assert measuring.labelled.features.shape == (5, 32)
    assert len(np.unique(measuring.labelled.features, axis=0)) == 5
    progress = [each.progress for each in told]
    assert progress == sorted(progress)
    assert [each.HasField("report") for each in told] == [False] * (len(told) - 1) + [True]
    assert told[-1].html.decode().startswith("<!doctype html>")


async def test_the_cost_comes_first_and_alone_where_no_more_is_asked_for(server, measuring):
    request = {"encoder": "encoders/tiny", "examples": given(*TEXTS), "draws": 12}
    (told,) = await measured(server, **request, validate_only=True)
    assert (told.cost.heads, told.cost.baselines) == (1, 1)
    assert told.cost.seconds > 0
    assert measuring.question is None
    more = {"examples": given(*TEXTS * 3), "options": h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1)}
    (cheap,) = await measured(server, **(request | more), validate_only=True)
    assert (cheap.cost.heads, cheap.cost.baselines) == (25, 25)
    whole = await measured(server, **request)
    assert [each.HasField("cost") for each in whole] == [True] + [False] * (len(whole) - 1)
    assert whole[0].cost == told.cost


async def test_images_are_given_on_as_files(server, measuring):
    images = [picture(n) for n in range(4)]
    pairs = zip(images, "aabb", strict=True)
    await measured(
        server,
        encoder="encoders/tiny-image",
        examples=h.Examples(examples=[h.Example(image=image, label=label) for image, label in pairs]),
    )
    assert measuring.contents == images
    assert (measuring.question.held_out, measuring.question.draws) == (0, 10)


async def test_records_bring_their_vectors_where_these_live_in_the_encoders_space(server, measuring):
    await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    await server.calls.UpsertRecords(upsert_request(*recorded(*TEXTS), record("none", "unlabelled")))
    asked = h.LabelledRecords(collection="collections/notes", field="kind")
    single = h.Examples(collection="collections/notes", examples=[h.Example(record_id="r0", label="animal")])
    await measured(server, examples=h.Examples(records=asked), held_out=single)
    assert (measuring.question.encoder, measuring.question.held_out) == ("tiny", 1)
    assert measuring.question.embedding_seconds is None
    assert measuring.contents == [content for content, _ in [*TEXTS, TEXTS[0]]]
    assert (measuring.labelled.features[0] == measuring.labelled.features[4]).all()
    before = measuring.labelled.features
    await measured(server, encoder="encoders/tiny", examples=given(*TEXTS), held_out=given(TEXTS[0]))
    np.testing.assert_allclose(measuring.labelled.features, before, atol=1e-5)


async def test_records_of_another_space_are_embedded_anew(server, measuring):
    await server.calls.CreateCollection(create_request(dimensions=2))
    rows = [record(each.id, each.text, payload=each.payload, vector=[1, n]) for n, each in enumerate(recorded(*TEXTS))]
    await server.calls.UpsertRecords(upsert_request(*rows))
    asked = h.Examples(records=h.LabelledRecords(collection="collections/notes", field="kind"))
    await measured(server, examples=asked)
    assert measuring.question.encoder == ""
    assert measuring.labelled.features.tolist() == [[1, n] for n in range(4)]
    await measured(server, encoder="encoders/tiny", examples=asked)
    assert (measuring.question.encoder, measuring.labelled.features.shape) == ("tiny", (4, 32))


async def test_a_caller_who_goes_ends_the_measurement(server, measuring):
    measuring.waits = True
    request = h.MeasureTransferRequest(encoder="encoders/tiny", examples=given(*TEXTS))
    call = server.calls.MeasureTransfer(request)
    while (await call.read()).step != "learning":
        pass
    call.cancel()
    await asyncio.wait_for(measuring.stopped.wait(), 20)


def test_the_message_holds_all_that_the_report_holds():
    report = transfer_report(crossover=12.5)
    message = report_message(report)
    assert {field.name for field, _ in message.ListFields()} == set(TransferReport.model_fields)
    assert message.verdict == transfer_report_pb2.TRANSFER_VERDICT_POSITIVE
    assert message.points[2].head_draws[:] == list(report.points[2].head_draws)
    assert message.baselines[0].chosen
    assert not message.baselines[1].HasField("accuracy")
    assert not report_message(transfer_report(head_growth=None)).HasField("head_growth")


@pytest.mark.parametrize(
    ("request_", "wrong"),
    [
        ({}, "there are no examples"),
        ({"examples": given(*TEXTS)}, "no encoder is named"),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS[:2])}, "all examples are of class 'animal'"),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS, ("a", ""))}, "example 4 has an empty label"),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS[1:3])}, "one example of each of 2 classes, and none"),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS), "draws": 9}, "9 draws are out of range"),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS), "draws": 101}, "101 draws are out of range"),
        (
            {"encoder": "encoders/tiny", "examples": given(*TEXTS), "options": h.HeadOptions(strength=1)},
            "strength 1 of auto",
        ),
        (
            {
                "encoder": "encoders/tiny",
                "examples": given(*TEXTS),
                "options": h.HeadOptions(descriptions={"animal": "cats"}),
            },
            "descriptions count like examples",
        ),
        (
            {
                "encoder": "encoders/tiny",
                "examples": given(*TEXTS),
                "options": h.HeadOptions(task=h.HEAD_TASK_LABELS),
            },
            "heads that answer one class",
        ),
        (
            {
                "encoder": "encoders/tiny",
                "examples": h.Examples(examples=[h.Example(text="a", labels=["b", "c"])]),
            },
            "example 0: it has 2 labels in a list, and here each example is of one class; give its label alone",
        ),
        (
            {
                "encoder": "encoders/tiny",
                "examples": given(*TEXTS),
                "held_out": h.Examples(examples=[h.Example(text="a", label="animal", value=0)]),
            },
            "held-out example 0: it has a number, and here each example is of one class",
        ),
        (
            {"encoder": "encoders/tiny", "examples": given(*TEXTS, label_sets=[h.LabelSet(labels=["a"])])},
            "the examples hold bare vectors",
        ),
        ({"encoder": "encoders/tiny", "examples": given(*TEXTS, values=[1])}, "the examples hold bare vectors"),
        (
            {
                "encoder": "encoders/tiny",
                "examples": h.Examples(vectors=tensors.encode(np.eye(2, dtype=np.float32)), labels=["a", "b"]),
            },
            "the examples hold bare vectors",
        ),
        (
            {"encoder": "encoders/tiny", "examples": h.Examples(examples=[h.Example(vector=vector([1]), label="a")])},
            "example 0: it holds neither text, image nor record id",
        ),
        (
            {"encoder": "encoders/tiny-image", "examples": given(*TEXTS)},
            "example 0: encoder 'tiny-image' takes image inputs",
        ),
        (
            {"encoder": "encoders/tiny", "examples": given(*TEXTS), "held_out": given(("a", "plant"))},
            "a held-out example is of class 'plant'",
        ),
        (
            {"encoder": "encoders/tiny-image", "examples": given(), "held_out": given(("a", "plant"))},
            "held-out example 0: encoder 'tiny-image' takes image inputs",
        ),
    ],
)
async def test_what_cannot_be_measured_is_refused_before_any_work(server, measuring, request_, wrong):
    code, why = await said(server, **request_)
    assert (code, bool(re.search(wrong, why))) == (grpc.StatusCode.INVALID_ARGUMENT, True), why
    assert measuring.question is None


async def test_records_without_content_and_texts_among_images_are_refused(server, measuring):
    asked = h.Examples(records=h.LabelledRecords(collection="collections/notes", field="kind"))
    await server.calls.CreateCollection(create_request(dimensions=2))
    rows = [record(str(n), vector=[1, n], payload=b'{"kind": "a"}') for n in range(2)]
    await server.calls.UpsertRecords(upsert_request(*rows))
    assert "record '0' of collection 'notes' has no text or image" in (await said(server, examples=asked))[1]
    rows = [
        record("0", "text", vector=[1, 0], payload=b'{"kind": "a"}'),
        record("1", image=picture(1), vector=[1, 0], payload=b'{"kind": "b"}'),
    ]
    await server.calls.UpsertRecords(upsert_request(*rows))
    assert "there are texts and images among the examples" in (await said(server, examples=asked))[1]
    asked.records.filter.CopyFrom(filtered('kind = "c"'))
    assert (await said(server, examples=asked))[0] is grpc.StatusCode.NOT_FOUND


async def test_contents_have_a_limit(server, measuring, monkeypatch):
    monkeypatch.setattr(content_examples, "MOST_CONTENT_BYTES", 20)
    code, why = await said(server, encoder="encoders/tiny", examples=given(*TEXTS))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "example 2: the texts or images of the first 3 examples have more than 20 bytes" in why


async def test_transfer_is_measured_from_end_to_end(server):
    draw = np.random.default_rng(0)
    noise = "the of to and is in it file line word".split()
    pairs = [
        (" ".join([*draw.choice(noise, 2), word]), label)
        for _ in range(8)
        for word, label in (("cat", "animal"), ("house", "building"))
    ]
    told = await measured(
        server,
        encoder="encoders/tiny",
        examples=given(*pairs),
        options=h.HeadOptions(recipe=h.RECIPE_RIDGE, strength=1),
    )
    report = told[-1].report
    assert (list(report.classes), report.split.training_count, report.split.held_out_count) == (
        ["animal", "building"],
        8,
        8,
    )
    assert [point.examples for point in report.points] == [2, 4, 8]
    assert report.points[-1].scratch.value > 0.7  # a word tells; by chance it is 0.5
    assert report.baselines[0].name.startswith("TF-IDF")
    assert f"{len(pairs) // 2} examples of 2 classes to learn from" in " ".join(told[-1].html.decode().split())
