import inspect

import grpc
import numpy as np
import pytest

from fake_calls import fails
from frostline.client import (
    Client,
    ExampleShare,
    Interaction,
    Internal,
    InvalidInput,
    NotFound,
    Recommendation,
    RecommendationReasons,
    Record,
    Strategy,
    StrategyShare,
    Weighted,
)
from frostline.client._names import STRATEGIES
from frostline.client._to_wire_recommendations import RecommendOptions
from frostline.v1 import recommendation_service_pb2 as v1
from frostline.v1 import search_service_pb2 as search_v1

EYE = np.eye(4, dtype=np.float32)


@pytest.fixture
def movies(fake, client) -> str:
    client.create_collection("movies", encoder="tiny")
    genres = ["crime", "crime", "war", None]
    client.upsert(
        "movies",
        [Record(f"m{n}", text=f"m{n}", payload={"n": n} | ({"genre": g} if g else {})) for n, g in enumerate(genres)],
    )
    done = [("u", "m0", 1.0), ("v", "m0", 3.0), ("v", "m2", 5.0), ("w", "m1", 1.0), ("w", "m3", -2.0)]
    client.record_interactions("movies", [Interaction(*each, time=1.0) for each in done])
    fake.requests.clear()
    return "movies"


def sent(fake) -> v1.RecommendRequest:
    return fake.of("Recommend")[-1]


def test_recommendations_are_a_sequence_and_say_how_they_came_about(client, movies):
    found = client.recommend(movies, user="u")
    assert found[0] == Recommendation("m2", 2.5, {"n": 2, "genre": "war"})
    assert found.ids == [each.id for each in found] == ["m2", "m1", "m3"]
    assert (len(found), found[-1].score, [each.id for each in found[1:]]) == (3, -1.0, ["m1", "m3"])
    assert (found.strategy, found.known_count, found.notes) == (Strategy.AUTO, 1, ())
    assert (found.sequence, found.learned_sequence, found.timings.search_seconds) == (1, 0, 0.125)


def test_none_say_why(client, movies):
    found = client.recommend(movies, filter="n > 9")
    assert (len(found), list(found), found.ids) == (0, [], [])
    assert found.notes == ("no record is left; ask with fewer conditions",)


def test_reasons_and_groups_are_there_when_asked_for(client, movies):
    found = client.recommend(movies, user="u", group_by="genre", explain=True)
    assert [each.group for each in found] == ["war", "crime", None]
    assert found[0].reasons == RecommendationReasons(
        (StrategyShare(Strategy.EASE, 2.25), StrategyShare(Strategy.POPULAR, 0.25)), (ExampleShare("m0", 0.5),)
    )
    plain = client.recommend(movies, user="u", include_payloads=False)[0]
    assert (plain.payload, plain.group, plain.reasons) == ({}, None, None)


def test_every_option_arrives(fake, client, movies):
    client.recommend(
        movies,
        user="u",
        profile="slow science fiction",
        positives=["m1"],
        negatives=["m2"],
        limit=7,
        filter="n < $most",
        parameters={"most": 9},
        offset=1,
        include_seen=True,
        excluded_ids=["m3"],
        min_score=-0.5,
        strategy=Strategy.EASE,
        diversity=0.25,
        group_by="genre",
        max_per_group=2,
        half_life_seconds=86_400,
        kinds=["rating", ""],
        include_payloads=False,
        payload_fields=["n", "a.b"],
        vector_name="photo",
        explain=True,
        min_sequence=3,
        min_learned_sequence=2,
    )
    expected = v1.RecommendRequest(
        collection="collections/movies",
        user="u",
        profile="slow science fiction",
        examples=[search_v1.QueryPart(record_id="m1", weight=1), search_v1.QueryPart(record_id="m2", weight=-1)],
        limit=7,
        offset=1,
        include_seen=True,
        excluded_ids=["m3"],
        min_score=-0.5,
        strategy=v1.STRATEGY_EASE,
        diversity=0.25,
        grouping=search_v1.Grouping(path="genre", max_per_group=2),
        half_life_seconds=86_400,
        kinds=["rating", ""],
        payload_fields=["n", "a.b"],
        vector_name="photo",
        explain=True,
        min_sequence=3,
        min_learned_sequence=2,
    )
    expected.filter.expression = "n < $most"
    expected.filter.parameters["most"] = b"9"
    assert sent(fake) == expected
    client.recommend(movies)
    assert sent(fake) == v1.RecommendRequest(
        collection="collections/movies", include_payloads=True, strategy=v1.STRATEGY_AUTO
    )


def test_both_doors_know_the_same_options():
    own = {"self", "collection", "timeout_seconds"}
    assert set(inspect.signature(Client.recommend).parameters) - own == set(RecommendOptions.__annotations__)


def test_strategies_are_those_of_the_contract(fake, client, movies):
    assert STRATEGIES == {
        name.removeprefix("STRATEGY_").lower(): number
        for name, number in v1.Strategy.items()
        if name != "STRATEGY_UNSPECIFIED"
    }
    assert list(Strategy) == list(STRATEGIES)
    for strategy in Strategy:
        for given in (strategy, strategy.value):
            assert client.recommend(movies, strategy=given).strategy is strategy
            assert sent(fake).strategy == STRATEGIES[strategy]


def test_examples_are_records_texts_images_and_vectors_each_with_a_weight(fake, client, movies, tmp_path):
    (tmp_path / "a.png").write_bytes(b"png")
    positives = [
        "m0",
        Weighted("m1", 0.5),
        Weighted(text="a heist", weight=2.0),
        Weighted(image=tmp_path / "a.png", vector_name="photo"),
        Weighted(image=b"gif"),
    ]
    client.recommend(movies, positives=positives, negatives=[Weighted(vector=EYE[0], weight=0.25), "m2"])
    parts = sent(fake).examples
    kinds = [part.WhichOneof("kind") for part in parts]
    assert kinds == ["record_id", "record_id", "text", "image", "image", "vector", "record_id"]
    assert [part.weight for part in parts] == [1, 0.5, 2, 1, 1, -0.25, -1]
    assert [part.image for part in parts[3:5]] == [b"png", b"gif"]
    assert (parts[2].text, parts[3].vector_name, parts[5].vector.data) == ("a heist", "photo", EYE[0].tobytes())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "luck"}, "strategy 'luck' is unknown; it is one of auto, popular"),
        ({"limit": 0}, "limit 0"),
        ({"limit": 1.5}, "limit 1.5"),
        ({"offset": -1}, "offset -1"),
        ({"diversity": float("nan")}, "diversity nan"),
        ({"min_score": "high"}, "min_score 'high'"),
        ({"user": ""}, "user is empty"),
        ({"user": 7}, "7 is no str"),
        ({"profile": "\ud800"}, "no Unicode"),
        ({"half_life_seconds": 0}, "half_life_seconds 0 is not above 0"),
        ({"half_life_seconds": float("inf")}, "half_life_seconds inf"),
        ({"kinds": []}, "kinds is empty"),
        ({"kinds": "rating"}, "pass a list"),
        ({"excluded_ids": "m1"}, "pass a list"),
        ({"payload_fields": "n"}, "pass a list"),
        ({"max_per_group": 2}, "without group_by"),
        ({"parameters": {"p": 1}}, "'p' are of no use without a filter"),
        ({"min_sequence": -1}, "min_sequence -1"),
        ({"min_learned_sequence": 2**63}, "min_learned_sequence 9223372036854775808"),
        ({"positives": "m1"}, "one str was passed"),
        ({"negatives": Weighted("m1")}, "one Weighted was passed"),
        ({"positives": ["m1", 7]}, r"positives\[1\] must be a record's id or a Weighted, not a int"),
        ({"positives": [b"png"]}, r"positives\[0\] must be a record's id or a Weighted, not a bytes"),
        ({"positives": [Weighted()]}, r"positives\[0\] needs one of text, image, vector and record"),
        ({"negatives": [Weighted("m1", text="a")]}, r"negatives\[0\] needs one of"),
        ({"positives": [Weighted("m1", float("nan"))]}, r"weight of positives\[0\] nan is no finite number"),
        ({"positives": [Weighted("m1", -1.0)]}, r"weight of positives\[0\] -1.0 is not above 0"),
        ({"negatives": ["m1", Weighted("m2", -1.0)]}, r"weight of negatives\[1\] -1.0 is not above 0"),
        ({"positives": [Weighted(image="a.png")]}, "pass its file as pathlib.Path"),
        ({"positives": [Weighted(vector=np.ones((1, 4)))]}, r"a vector of shape \(d,\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(fake, client, options, message):
    with pytest.raises(InvalidInput, match=message):
        client.recommend("movies", **options)
    assert fake.requests == []


def test_what_the_server_refuses_is_raised(client, movies):
    with pytest.raises(NotFound, match="no record 'm9'"):
        client.recommend(movies, positives=["m9"])
    with pytest.raises(NotFound, match="nowhere"):
        client.recommend("nowhere")


def test_a_refused_call_is_tried_again(fake, client, movies):
    fake.faults["Recommend"].append(fails(grpc.StatusCode.UNAVAILABLE))
    assert client.recommend(movies, limit=1).ids == ["m2"]
    assert len(fake.of("Recommend")) == 2


@pytest.mark.parametrize("column", ["scores", "payloads", "groups", "reasons"])
def test_columns_that_do_not_fit_are_the_servers_fault(fake, client, monkeypatch, column):
    extra = {"scores": b"1234", "payloads": [b"{}"], "groups": [b"1"], "reasons": [v1.RecommendationReason()]}[column]
    full = {"ids": ["a", "b"], "scores": bytes(8)}
    monkeypatch.setattr(fake, "_recommend", lambda *_: v1.RecommendResponse(**full | {column: extra}))
    with pytest.raises(Internal, match="does not fit 2 recommendations"):
        client.recommend("movies")


def test_a_strategy_of_a_newer_server_is_its_number(fake, client, monkeypatch):
    monkeypatch.setattr(fake, "_recommend", lambda *_: v1.RecommendResponse(strategy=99))
    assert client.recommend("movies").strategy == "99"


async def test_the_asyncio_client_does_the_same(aclient):
    await aclient.create_collection("movies", encoder="tiny")
    await aclient.upsert("movies", [Record("a", text="a"), Record("b", text="b")])
    found = await aclient.recommend("movies", positives=["a"], strategy=Strategy.AVERAGE_VECTOR)
    assert (found.ids, found.strategy) == (["b"], Strategy.AVERAGE_VECTOR)
