"""Recommendations over the wire: what is refused, and what is embedded."""

import math

import grpc
import numpy as np
import pytest

from frostline.v1 import interaction_pb2 as i
from frostline.v1 import recommendation_service_pb2 as pb
from frostline.v1 import search_service_pb2 as s
from raw import create_request, detail, filtered, picture, record, refused, upsert_request, vector

NOTES = "collections/notes"


@pytest.fixture
async def notes(server):
    await server.calls.CreateCollection(create_request(encoder="encoders/tiny"))
    await server.calls.UpsertRecords(upsert_request(*(record(name, f"about {name}") for name in "abcdef")))
    return server.calls


def asking(*examples, **fields) -> pb.RecommendRequest:
    return pb.RecommendRequest(collection=NOTES, examples=examples, **fields)


def part(**fields) -> s.QueryPart:
    return s.QueryPart(**fields)


def scores(answer):
    return np.frombuffer(answer.scores, "<f4").tolist()


REFUSED = {
    "limit": (asking(limit=1_001), "limit 1001 is out of range"),
    "negative limit": (asking(limit=-1), "limit -1 is out of range"),
    "offset": (asking(offset=-1), "offset -1 is out of range"),
    "too deep": (asking(offset=9_991), "it may come to 10000"),
    "min_score": (asking(min_score=math.nan), "min_score nan is no score"),
    "diversity": (asking(diversity=1.1), "diversity 1.1 is out of range"),
    "diversity nan": (asking(diversity=math.nan), "diversity nan is out of range"),
    "half-life": (asking(half_life_seconds=-1), "half_life_seconds -1 is out of range"),
    "half-life nan": (asking(half_life_seconds=math.inf), "half_life_seconds inf is out of range"),
    "fields": (asking(payload_fields=["n"]), "payload_fields needs include_payloads"),
    "user": (asking(user="x" * 513), "user id"),
    "weight nan": (asking(part(record_id="a", weight=math.nan)), "example 0 has the weight nan"),
    "weight inf": (asking(part(record_id="a", weight=-math.inf)), "example 0 has the weight -inf"),
    "weight 0": (asking(part(record_id="a"), part(record_id="b", weight=0)), "example 1 has the weight 0"),
    "too much weight": (asking(part(record_id="a", weight=1e10)), "example 0 has the weight 1e+10"),
    "nothing": (asking(part(weight=1)), "example 0 holds neither record id, text, image nor vector"),
    "dimensions": (asking(part(vector=vector([1, 2]))), "dimension"),
    "image": (asking(part(image=picture())), "image"),
    "strategy": (asking(strategy=99), "strategy"),
    "filter": (asking(filter=filtered("n >")), "filter"),
    "group": (asking(grouping=s.Grouping()), "group"),
    "many examples": (asking(*[part(record_id="a")] * 1_001), "examples"),
    "many kinds": (asking(kinds=["k"] * 101), "kinds"),
}


async def test_what_cannot_be_answered_is_refused(notes):
    for case, (request, why) in REFUSED.items():
        error = await refused(notes.Recommend(request))
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT, case
        assert why in error.details(), case


async def test_what_does_not_exist_is_not_found(notes):
    for request in (
        asking(part(record_id="missing")),
        asking(vector_name="missing"),
        pb.RecommendRequest(collection="collections/missing"),
    ):
        error = await refused(notes.Recommend(request))
        assert (error.code(), detail(error).reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")


async def test_profiles_and_texts_are_embedded_as_searched_texts_are(notes):
    profile = await notes.Recommend(asking(profile="about b", strategy=pb.STRATEGY_AVERAGE_VECTOR))
    text = await notes.Recommend(asking(part(text="about b"), strategy=pb.STRATEGY_AVERAGE_VECTOR))
    assert (list(profile.ids), profile.known_count, profile.strategy) == (list(text.ids), 1, pb.STRATEGY_AVERAGE_VECTOR)
    assert scores(profile) == pytest.approx(scores(text))
    assert profile.timings.inference_seconds > 0
    found = await notes.SearchRecords(
        s.SearchRecordsRequest(collection=NOTES, queries=[s.Query(text="about b")], limit=6)
    )
    assert list(found.ids) == list(profile.ids)


async def test_weights_of_the_largest_size_give_numbers(notes):
    for strategy in range(1, 11):
        answer = await notes.Recommend(
            asking(
                part(record_id="a", weight=1e9),
                part(text="about b", weight=-1e9),
                part(record_id="c", weight=1e-38),
                strategy=strategy,
                include_seen=True,
            )
        )
        assert len(answer.ids) == 6
        assert np.isfinite(scores(answer)).all()


async def test_users_with_weights_of_all_sizes_get_numbers(notes):
    given = [("a", 1e9), ("b", 1e-300), ("c", -1e9), ("d", 0.0)]
    interactions = [i.Interaction(user="u", record=record_id, weight=weight) for record_id, weight in given]
    interactions += [
        i.Interaction(user="v", record="a", weight=0.0),
        i.Interaction(user="w", record="b", weight=-1e-310),
    ]
    written = await notes.RecordInteractions(pb.RecordInteractionsRequest(collection=NOTES, interactions=interactions))
    assert not written.errors
    for user in "uvw":
        for strategy in range(1, 11):
            answer = await notes.Recommend(asking(user=user, strategy=strategy, include_seen=True, explain=True))
            assert len(answer.ids) == 6
            assert np.isfinite(scores(answer)).all()


async def test_a_write_is_waited_for(notes):
    written = await notes.UpsertRecords(upsert_request(record("new", "about new")))
    answer = await notes.Recommend(asking(min_sequence=written.sequence))
    assert "new" in answer.ids
    assert answer.sequence >= written.sequence
