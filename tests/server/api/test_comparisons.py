"""Comparing encoders over the wire: what it takes, how far it is, what was found; and what is refused."""

import io
import json

import grpc
import pytest
from PIL import Image

from frostline.v1 import comparison_pb2 as c
from frostline.v1 import embedding_pb2 as pb
from frostline.v1 import encoder_service_pb2 as e
from frostline.v1 import head_service_pb2 as h
from raw import create_request, record, refused, upsert_request, vector

WORDS = {"animal": "cat dog cat cat dog the cat a dog".split(), "colour": "red blue red blue a red the blue".split()}
TEXTS = [
    h.Example(text=f"{word} {'in the house ' * place}", label=label)
    for label, words in WORDS.items()
    for place, word in enumerate(words)
]
DEPTHS = ["embeddings", "layer-1", "layer-2"]


def picture(colour, side):
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def question(given=TEXTS, **fields):
    return h.CompareEncodersRequest(examples=h.Examples(examples=given), **fields)


async def told(server, request):
    return [each async for each in server.calls.CompareEncoders(request)]


async def refusal(server, request):
    error = await refused(told(server, request))
    return error.code(), error.details()


async def test_every_depth_is_ranked_after_the_cost_was_told(server):
    answers = await told(server, question())
    cost = answers[0].cost
    assert (cost.example_count, cost.seen_count) == (len(TEXTS), 0)
    assert [(each.encoder, each.space.layer) for each in cost.candidates] == [("encoders/tiny", x) for x in DEPTHS]
    assert cost.seconds == pytest.approx(sum(each.embed_seconds + each.compare_seconds for each in cost.candidates))
    shares = [each.progress for each in answers[1:]]
    assert shares == sorted(shares)
    assert {each.step for each in answers[1:-1]} <= {"starting", "embedding", "comparing"}
    found = answers[-1].comparison
    assert (found.example_count, found.class_count) == (len(TEXTS), 2)
    assert sorted(each.space.layer for each in found.encoders) == DEPTHS
    best = found.encoders[0]
    assert (best.tied, best.behind.value, best.distance) == (True, 0, c.TRANSFER_DISTANCE_UNSPECIFIED)
    assert best.accuracy.low <= best.accuracy.value <= best.accuracy.high <= 1
    assert best.accuracy.value == max(each.accuracy.value for each in found.encoders)
    assert best.space == pb.EmbeddingSpace(
        fingerprint=best.space.fingerprint,
        layer=best.space.layer,
        pooling=pb.POOLING_MEAN,
        dimensions=32,
        normalize=True,
    )


async def test_only_the_cost_where_no_more_is_asked_for(server):
    (answer,) = await told(server, question(validate_only=True, max_examples=6, layers=["layer-2"]))
    assert answer.cost.example_count == 6
    assert [each.space.layer for each in answer.cost.candidates] == ["layer-2"]
    assert not answer.HasField("comparison")


async def test_images_are_compared_by_what_takes_images_and_with_what_was_seen(server):
    shades = [(level, 255 - level, 40) for level in range(0, 250, 25)]
    given = [h.Example(image=picture(shade, 20), label="low" if shade[0] < 125 else "high") for shade in shades]
    seen = [pb.Input(image=picture((9, level, level), 20)) for level in range(0, 250, 25)]
    answers = await told(server, question(given, seen=seen))
    assert answers[0].cost.seen_count == len(seen)
    found = answers[-1].comparison.encoders
    assert sorted(each.space.layer for each in found) == ["embedding", "logits"]
    for each in found:
        assert each.HasField("separability")
        assert each.distance != c.TRANSFER_DISTANCE_UNSPECIFIED


async def test_records_bring_the_contents_they_keep(server):
    calls = server.calls
    await calls.CreateCollection(create_request("notes", encoder="encoders/tiny"))
    rows = [
        record(str(place), each.text, payload=json.dumps({"kind": each.label}).encode())
        for place, each in enumerate(TEXTS)
    ]
    await calls.UpsertRecords(upsert_request(*rows))
    named = [h.Example(record_id="3", label="animal"), h.Example(record_id="9", label="colour")]
    records = h.LabelledRecords(collection="collections/notes", field="kind")
    examples = h.Examples(examples=named, records=records)
    (answer,) = await told(server, h.CompareEncodersRequest(examples=examples, validate_only=True))
    assert answer.cost.example_count == 2 + len(TEXTS)
    await calls.UpsertRecords(upsert_request(record("bare", vector=32 * [0.5], payload=b'{"kind": "colour"}')))
    code, message = await refusal(server, h.CompareEncodersRequest(examples=examples))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "record 'bare' of collection 'notes' has no text or image" in message


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (question([]), "there are no examples"),
        (question([], encoders=["encoders/tiny"]), "there are no examples"),
        (question([h.Example(vector=vector([1.0]), label="a")]), "the examples hold vectors"),
        (question(TEXTS[:3]), "all examples are of class 'animal'"),
        (question([TEXTS[0], TEXTS[-1]]), "each class has one example among 2"),
        (question(max_examples=-1), "max_examples -1 is out of range"),
        (question(max_examples=20_000), "max_examples 20000 is out of range"),
        (question(encoders=["encoders/tiny-image"]), "takes image inputs"),
        (question(encoders=["encoders/tiny", "encoders/tiny-image"]), "encoder 'tiny-image' takes image inputs"),
        (question(seen=[pb.Input(text="one")]), "there is 1 input"),
        (question(seen=[pb.Input(text="one"), pb.Input(image=b"two")]), "seen input 1 is no text"),
        (question(seen=501 * [pb.Input(text="one")]), "501 inputs that the encoders have seen are too many"),
    ],
)
async def test_bad_questions_are_refused(server, request_, said):
    code, message = await refusal(server, request_)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert said in message


async def test_what_is_not_there_is_said(server):
    unknown = question(encoders=["encoders/large"])
    assert (await refusal(server, unknown))[0] == grpc.StatusCode.NOT_FOUND
    code, message = await refusal(server, question(layers=["layer-2", "layer-9"]))
    assert (code, message) == (
        grpc.StatusCode.NOT_FOUND,
        "no encoder of these has a layer 'layer-9'; there are embeddings, layer-1, layer-2",
    )
    await server.calls.DeleteEncoder(e.DeleteEncoderRequest(name="encoders/tiny"))
    assert "no encoder that takes text" in (await refusal(server, question()))[1]


async def test_an_image_that_cannot_be_read_is_named(server):
    given = [h.Example(image=picture((place, 0, 0), 20), label="ab"[place % 2]) for place in range(4)]
    given.append(h.Example(image=b"no image", label="a"))
    code, message = await refusal(server, question(given))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert message.startswith("example 4: ")
