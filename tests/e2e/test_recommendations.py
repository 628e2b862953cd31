"""Recommendations from a real server, through the public client."""

import json
import math
import time
from dataclasses import dataclass

import numpy as np
import pytest

from frostline.client import (
    Client,
    Interaction,
    InvalidInput,
    NotFound,
    Record,
    Strategy,
    Weighted,
)
from recommending import NOON, tastes, vectors
from serving import running_server

ITEMS = 40
NAME = "all-minilm-l6-v2"
TEXTS = {
    "wolf": "A pack of wolves hunts deer in the winter forest",
    "bear": "Brown bears catch salmon in a mountain river",
    "whale": "Whales sing to each other across the ocean",
    "bread": "How to bake sourdough bread at home",
    "soup": "A recipe for onion soup with melted cheese",
    "cake": "Chocolate cake with cherries and cream",
    "rocket": "Engineers launch a rocket to the moon",
    "probe": "A space probe sends pictures from the rings of Saturn",
}


@dataclass
class Shop:
    """A collection of records `r0` to `r39` in groups `g0` to `g4`, with users `u0` to `u29`, that was learned from."""

    client: Client
    name: str
    sequence: int

    def ask(self, user=None, **options):
        return self.client.recommend(self.name, user=user, **options)

    def all(self, user=None, **options):
        return self.ask(user, **{"limit": 1000, "include_seen": True, **options})


def filled(client, name, items=ITEMS, interactions=(), **fields):
    client.create_collection(name, dimensions=8, **fields)
    made = vectors(items) if items else []
    written = client.upsert(name, [Record(f"r{n}", vector=each, payload=payload(n)) for n, each in enumerate(made)])
    sequence = written.sequence
    if interactions:
        given = [Interaction(each.user, each.record, each.weight, each.time, each.kind) for each in interactions]
        sequence = client.record_interactions(name, given).sequence
    return Shop(client, name, sequence)


def payload(n):
    return {"n": n, "group": f"g{n % 5}", "about": {"title": f"number {n}", "long": "x" * 100}}


@pytest.fixture(scope="module")
def shop(minilm: Client) -> Shop:
    shop = filled(minilm, "shop", interactions=tastes(), fields={"group": "keyword", "n": "integer"})
    shop.ask(min_learned_sequence=shop.sequence, timeout_seconds=120)
    return shop


@pytest.fixture(scope="module")
def texts(minilm: Client) -> Shop:
    minilm.create_collection("texts", encoder=NAME)
    sequence = minilm.upsert("texts", [Record(name, text=text) for name, text in TEXTS.items()]).sequence
    return Shop(minilm, "texts", sequence)


def test_a_known_user_is_recommended_what_is_new_to_them(shop):
    found = shop.ask("u0")
    seen = {each.record for each in shop.client.list_interactions(shop.name, user="u0")}
    assert len(found) == 10
    assert not seen & set(found.ids)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    assert (found.strategy, found.known_count, found.notes) == (Strategy.AUTO, 8, ())
    assert found.sequence >= found.learned_sequence >= shop.sequence
    assert found[0].payload == payload(int(found[0].id[1:]))
    assert found.timings.search_seconds > 0


def test_an_unknown_user_is_told_so_and_gets_what_suits_anybody(shop):
    found, anybody = shop.ask("nobody"), shop.ask()
    assert found.notes == ("nothing is known of user 'nobody'; what suits anybody is answered",)
    assert (found.ids, found.known_count, anybody.notes) == (anybody.ids, 0, ())
    popular = shop.ask("nobody", strategy="ease")
    assert (popular.strategy, popular.ids) == (Strategy.POPULAR, shop.ask(strategy="popular").ids)
    assert "ease needs a user with interactions or examples; what is popular is answered" in popular.notes


@pytest.mark.parametrize("strategy", Strategy)
def test_each_strategy_answers_by_itself(shop, strategy):
    found = shop.ask("u0", strategy=strategy)
    assert (found.strategy, len(found), found.notes) == (strategy, 10, ())


def test_a_profile_says_what_somebody_likes(texts):
    found = texts.ask("new", profile="films about wild animals", limit=3, strategy="average_vector")
    assert set(found.ids) == {"wolf", "bear", "whale"}
    assert found.known_count == 1
    found = texts.ask(profile="cooking and baking", limit=3)
    assert set(found.ids) == {"bread", "soup", "cake"}
    with_negative = texts.ask(profile="wild animals", negatives=[Weighted("whale")], limit=2)
    assert set(with_negative.ids) == {"wolf", "bear"}


def test_examples_may_be_records_texts_and_vectors_with_weights(texts):
    examples = [Weighted("wolf", 0.1), Weighted(text="cheese and onions", weight=5.0)]
    found = texts.ask(positives=examples, strategy="sum_scores", limit=1)
    assert (found.ids, found.known_count) == (["soup"], 2)
    vector = texts.client.embed([TEXTS["rocket"]], NAME)[0]
    assert texts.ask(positives=[Weighted(vector=vector)], strategy="best_score", limit=2).ids == ["rocket", "probe"]
    assert (
        texts.ask(positives=[Weighted(text="space")], strategy="ease").notes[0].startswith("ease learns from records")
    )


def test_only_negatives_are_stayed_away_from(texts):
    close = texts.ask(positives=["bread"], strategy="average_vector").ids
    for strategy in ("auto", "average_vector", "best_score", "sum_scores"):
        assert texts.ask(negatives=["bread"], strategy=strategy).ids == close[::-1], strategy


@pytest.mark.parametrize("strategy", ["auto", "content", "average_vector"])
def test_who_dislikes_only_gets_something_else(shop, strategy):
    away = shop.all(negatives=["r3"], strategy=strategy)
    close = shop.all(positives=["r3"], strategy=strategy)
    assert away.ids.index("r3") > close.ids.index("r3")
    assert (away.ids.index("r3"), close.ids.index("r3")) == (39, 0) or strategy == "auto"


def test_an_example_that_is_no_record_is_not_found(shop):
    with pytest.raises(NotFound, match="no record 'r999', which is an example"):
        shop.ask(positives=["r999"])
    with pytest.raises(NotFound):
        shop.client.recommend("missing")


def test_weights_that_are_none_are_refused(shop):
    for weight in (math.nan, math.inf, 0.0):
        with pytest.raises(InvalidInput):
            shop.ask(positives=[Weighted("r1", weight)])
    with pytest.raises(InvalidInput):
        shop.ask(positives=[Weighted(vector=np.full(8, math.nan, np.float32))])
    with pytest.raises(InvalidInput):
        shop.ask(positives=[Weighted(vector=np.ones(7, np.float32))])
    with pytest.raises(InvalidInput):
        shop.ask(profile="a text", positives=["r1"])  # vectors have no encoder


@pytest.mark.parametrize("options", [{}, {"diversity": 0.5}, {"group_by": "group", "max_per_group": 3}])
def test_pages_do_not_overlap(shop, options):
    pages = [shop.ask("u0", limit=4, offset=offset, include_seen=True, **options) for offset in (0, 4, 8)]
    ids = [id for page in pages for id in page.ids]
    assert len(ids) == len(set(ids)) == 12
    assert ids == list(shop.ask("u0", limit=12, include_seen=True, **options).ids)
    behind = shop.ask("u0", offset=100)
    assert (len(behind), behind.notes) == (0, ("nothing is recommended behind the offset 100: there are 32 in all",))


def test_what_is_seen_excluded_or_filtered_out_is_not_recommended(shop):
    everything = shop.all("u0")
    assert len(everything) == ITEMS
    unseen = shop.ask("u0", limit=1000)
    assert len(unseen) == 32
    assert unseen.notes == ("32 instead of 1000: no more records may be recommended",)
    some = shop.all("u0", excluded_ids=["r1", "r2", "missing"], filter="n < 10 AND group != 'g4'")
    assert set(some.ids) == {"r0", "r3", "r5", "r6", "r7", "r8"}
    assert [each for each in everything.ids if each in some.ids] == list(some.ids)
    assert "r5" not in shop.ask(positives=["r5"], limit=1000).ids


def test_none_say_why(shop):
    for options, why in (
        ({"filter": "n > 1000"}, "the filter lets no record through"),
        ({"excluded_ids": [f"r{n}" for n in range(ITEMS)]}, "seen, examples or excluded"),
        ({"filter": "n = 1", "excluded_ids": ["r1"]}, "seen, examples or excluded"),
        ({"min_score": 1e6}, "no record has a score of at least 1e+06; the highest is"),
        ({"min_score": 1e300}, "no record has a score of at least 1e+300"),
    ):
        found = shop.ask(**options)
        assert len(found) == 0
        assert found.notes[0].startswith("nothing is recommended: ")
        assert why in found.notes[0]


def test_the_lowest_score_cuts(shop):
    everything = shop.all("u0")
    lowest = everything[10].score
    assert shop.all("u0", min_score=lowest).ids == everything.ids[:11]


def test_few_of_a_group_are_let_through(shop):
    found = shop.ask("u0", group_by="group", max_per_group=1)
    assert sorted(each.group for each in found) == [f"g{n}" for n in range(5)]
    assert found[0].id == shop.ask("u0").ids[0]
    assert all(each.payload["group"] == each.group for each in found)


def test_what_differs_comes_first_with_diversity(shop):
    def alike(found):
        made = vectors(ITEMS)[[int(each[1:]) for each in found.ids]]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return float(np.triu(made @ made.T, 1).max())

    plain, diverse = (shop.ask("u0", diversity=each, limit=8, include_seen=True) for each in (0.0, 0.8))
    assert plain.ids[0] == diverse.ids[0]
    assert alike(diverse) < alike(plain)


def test_kinds_and_half_lives_of_what_users_did_count(shop):
    given = [
        Interaction("kinds", "r1", 1.0, NOON - 400 * 86_400, "bought"),
        Interaction("kinds", "r2", 1.0, NOON, "seen"),
    ]
    sequence = shop.client.record_interactions(shop.name, given).sequence

    def ask(**options):
        return shop.all("kinds", strategy="average_vector", min_sequence=sequence, **options)

    both, bought, newest = ask(), ask(kinds=["bought"]), ask(half_life_seconds=86_400.0)
    assert [each.known_count for each in (both, bought, newest)] == [2, 1, 2]
    assert bought.ids[0] == "r1"
    assert newest.ids[0] == "r2"
    neither = ask(kinds=["none"])
    assert (neither.known_count, neither.strategy) == (0, Strategy.POPULAR)
    assert {"r1", "r2"}.isdisjoint(shop.ask("kinds", kinds=["none"], limit=1000).ids)


def test_payloads_come_as_asked_for(shop):
    found = shop.ask("u0", payload_fields=["about.title", "n"])
    number = int(found[0].id[1:])
    assert found[0].payload == {"n": number, "about": {"title": f"number {number}"}}
    assert shop.ask("u0", include_payloads=False)[0].payload == {}


@pytest.mark.parametrize("strategy", ["auto", "content", "ease"])
def test_reasons_add_up_and_name_examples(shop, strategy):
    found = shop.ask(positives=["r1", Weighted("r2", 0.5)], negatives=["r3"], strategy=strategy, explain=True)
    for each in found:
        assert sum(share.score for share in each.reasons.strategies) == pytest.approx(each.score, abs=1e-4)
        assert {share.record for share in each.reasons.examples} == {"r1", "r2", "r3"}
    without = shop.all(positives=["r1"], negatives=["r3"], strategy=strategy)
    scores = {each.id: each.score for each in without}
    (share,) = (each.score for each in found[0].reasons.examples if each.record == "r2")
    assert share == pytest.approx(found[0].score - scores[found[0].id], abs=1e-4)
    assert shop.ask("u0")[0].reasons is None


def test_an_empty_collection_recommends_nothing_and_says_so(minilm):
    shop = filled(minilm, "empty", items=0)
    for strategy in Strategy:
        found = shop.ask("u", strategy=strategy)
        assert (len(found), found.learned_sequence) == (0, 0)
        assert found.notes[-1] == "nothing is recommended: the collection has no records"
    minilm.upsert("empty", [Record("first", vector=np.ones(8, np.float32))])
    assert shop.ask("u").ids == ["first"]


def test_without_interactions_the_newest_records_are_recommended(minilm):
    shop = filled(minilm, "new", items=5)
    found = shop.ask("u", limit=3)
    assert (found.strategy, found.ids) == (Strategy.FRESH, ["r4", "r3", "r2"])
    assert "there are no interactions yet" in " ".join(found.notes)
    assert len(shop.ask(positives=["r1"])) == 4


@pytest.mark.full
def test_what_a_deleted_user_did_counts_no_more_and_is_not_in_what_is_learned(minilm):
    shop = filled(minilm, "deleted", interactions=tastes())
    never = filled(minilm, "never", interactions=[each for each in tastes() if each.user != "u7"])
    for each in (shop, never):
        each.ask(min_learned_sequence=each.sequence, timeout_seconds=120)
    shop.all("u7")
    sequence = minilm.delete_user("deleted", "u7").sequence
    for strategy in ("popular", "content", "average_vector", "best_score", "sum_scores"):
        found, wanted = (each.all("u3", strategy=strategy) for each in (shop, never))
        assert found.ids == wanted.ids
        np.testing.assert_allclose([e.score for e in found], [e.score for e in wanted], rtol=1e-6, atol=1e-6)
    again = shop.all("u3", min_learned_sequence=sequence, timeout_seconds=120)
    assert again.learned_sequence >= sequence
    for strategy in Strategy:
        found, wanted = (each.all("u3", strategy=strategy) for each in (shop, never))
        assert found.ids == wanted.ids
        np.testing.assert_allclose([e.score for e in found], [e.score for e in wanted], rtol=1e-5, atol=1e-5)
    gone = shop.ask("u7")
    assert (gone.known_count, gone.notes[0][:20]) == (0, "nothing is known of ")


@pytest.mark.full
def test_a_restart_finds_what_was_learned_and_deletes_it_for_who_is_deleted(tmp_path):
    with running_server(tmp_path / "data", encoders=[]) as server, Client(server.target) as client:
        shop = filled(client, "kept", interactions=tastes())
        shop.ask(min_learned_sequence=shop.sequence, timeout_seconds=120)
        before = shop.all("u0", strategy="ease")
        (folder,) = (tmp_path / "data" / "collections").glob("kept.*")
        assert len(list((folder / "learned").iterdir())) == 1
    with running_server(tmp_path / "data", encoders=[]) as server, Client(server.target) as client:
        again = client.recommend("kept", user="u0", strategy="ease", limit=1000, include_seen=True)
        assert (again.strategy, again.learned_sequence) == (Strategy.EASE, before.learned_sequence)
        assert again.ids == before.ids
    with running_server(tmp_path / "data", encoders=[]) as server, Client(server.target) as client:
        client.delete_user("kept", "u3")  # nobody has asked for recommendations yet
        assert list((folder / "learned").iterdir()) == []
        found = client.recommend("kept", user="u0", strategy="ease")
        assert (found.strategy, found.learned_sequence) == (Strategy.CONTENT, 0)
        started = time.monotonic()
    assert time.monotonic() - started < 20  # it may have been learning
    assert "Traceback" not in server.log(), json.dumps(server.log()[-2000:])
