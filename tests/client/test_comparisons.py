import pytest

from fake_calls import Code, fails
from fake_encoders import SPACE
from frostline.client import Example, Internal, Interval, InvalidInput, LabelledRecords, Unavailable
from frostline.client._from_wire import space_of
from frostline.v1 import embedding_pb2 as pb
from frostline.wire.reasons import Reason

PETS = [Example(text="miaow", label="cat"), Example(text="woof", label="dog"), Example(text="purr", label="cat")]


def test_the_best_comes_first_with_what_may_be_as_good(client):
    told, heard = [], []
    found = client.compare_encoders(PETS, cost=heard.append, progress=lambda *each: told.append(each))
    assert (found.example_count, found.class_count) == (3, 2)
    assert [each.encoder for each in found.encoders] == ["wide", "tiny"]
    assert found.best.accuracy == Interval(0.9, 0.85, 0.95)
    assert found.best.space == space_of(SPACE)
    assert (found.best.separability, found.best.distance) == (Interval(0.25, 0.125, 0.375), "near")
    assert found.tied == (found.best,)
    tiny = found.encoders[1]
    assert (tiny.behind, tiny.separability, tiny.distance) == (Interval(0.3, 0.2, 0.4), None, "")
    assert (tiny.penalty, tiny.log_evidence, tiny.h_score, tiny.neighbor_accuracy) == (10, -0.25, 0.5, 0.5)
    assert tiny.embed_seconds == 29
    assert told == [("embedding", 0.25), ("comparing", 0.75)]
    assert [each.seconds for each in heard] == [91.25]


def test_the_cost_alone(fake, client):
    cost = client.comparison_cost(PETS, layers=["pooled"])
    assert fake.of("CompareEncoders")[0].validate_only
    assert (cost.example_count, cost.seen_count, cost.seconds) == (3, 2, 91.25)
    assert [(each.encoder, each.embed_seconds, each.compare_seconds) for each in cost.candidates] == [
        ("tiny", 30, 0.5),
        ("wide", 60, 0.75),
    ]


def test_what_is_asked_reaches_the_server(fake, client, tmp_path):
    image = tmp_path / "seen.png"
    image.write_bytes(b"pixels")
    records = LabelledRecords("notes", "kind", "n < 3")
    client.compare_encoders(
        PETS[:1], encoders=["tiny"], layers=["pooled"], records=records, seen=[b"bytes", image], max_examples=7
    )
    (request,) = fake.of("CompareEncoders")
    assert (list(request.encoders), list(request.layers), request.max_examples) == (["encoders/tiny"], ["pooled"], 7)
    assert list(request.seen) == [pb.Input(image=b"bytes"), pb.Input(image=b"pixels")]
    assert request.examples.records.collection == "collections/notes"
    assert [(each.text, each.label) for each in request.examples.examples] == [("miaow", "cat")]
    assert not request.validate_only


def test_large_contents_travel_as_they_are(fake, client):
    client.compare_encoders([Example(text="x" * (7 << 19), label="long"), *PETS])
    assert len(fake.of("CompareEncoders")[0].examples.examples) == 4
    assert fake.of("Embed") == []


def test_one_name_where_several_are_expected_is_refused(client):
    for wrong in ({"encoders": "tiny"}, {"layers": "pooled"}, {"seen": "a text"}):
        with pytest.raises(InvalidInput, match="one str was passed"):
            client.compare_encoders(PETS, **wrong)


def test_an_answer_that_does_not_come_is_the_servers_fault(client):
    with pytest.raises(Internal, match="without an answer"):
        client.compare_encoders(PETS, layers=["nothing"])


def test_a_server_that_is_not_there_yet_is_asked_again(fake, client):
    fake.faults["CompareEncoders"].append(fails(Code.UNAVAILABLE, "soon", Reason.SHUTTING_DOWN))
    try:
        assert client.compare_encoders(PETS).best.encoder == "wide"
    except Unavailable:
        pytest.fail("it was not asked again")
