"""What is recommended: at once as things are now, and without a trace of who was deleted."""

import numpy as np
import pytest

from collecting import record
from frostline.server.collections.rows.operations import Write
from frostline.server.recommendations.asking import Ask, Example, Strategy
from frostline.server.recommendations.recommender import Recommender
from recommending import DAY, did, learned_from, note, shop, stock, tastes, vectors

EXACT = [
    Strategy.POPULAR,
    Strategy.CONTENT,
    Strategy.AVERAGE_VECTOR,
    Strategy.BEST_SCORE,
    Strategy.SUM_SCORES,
]
LEARNED = [Strategy.AUTO, Strategy.EASE, Strategy.ITEM_NEIGHBORS, Strategy.FACTORS]
THERE = tastes()
GONE = [did("gone", f"r{n}", 1.0 + n % 3, -n / 10) for n in range(0, 45, 3)]  # also with records that nobody else knows


@pytest.fixture
def recommender(catalogue):
    """Over a collection that nothing was learned from."""
    recommender = Recommender(shop(catalogue, items=45, interactions=THERE))
    yield recommender
    recommender.close()


def by_id(answer):
    return dict(zip(answer.ids, answer.scores.tolist(), strict=True))


def all_of(recommender, user="u0", strategy=Strategy.AUTO, **fields):
    """The answer with all records."""
    return recommender.recommend(Ask(user=user, strategy=strategy, limit=1_000, include_seen=True, **fields))


def check_same(one, other):
    assert one.ids == other.ids
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6, atol=1e-7)
    assert (one.strategy, one.notes, one.known_count) == (other.strategy, other.notes, other.known_count)


@pytest.mark.parametrize("strategy", EXACT)
def test_a_deleted_user_leaves_no_trace_in_what_is_exact(catalogue, recommender, strategy):
    never = Recommender(shop(catalogue, "never", items=45, interactions=THERE))
    for each in (recommender, never):
        all_of(each)  # so that it follows from here on
    note(recommender.collection, *GONE)
    if strategy in (Strategy.POPULAR, Strategy.CONTENT):
        assert all_of(recommender, "u3", strategy).scores.tolist() != all_of(never, "u3", strategy).scores.tolist()
    recommender.collection.interactions.delete_user("gone").result(10)
    for user in ("u0", "u3", "gone", ""):
        check_same(all_of(recommender, user, strategy), all_of(never, user, strategy))
    one, other = recommender.state(), never.state()
    np.testing.assert_allclose(one.heads._gram, other.heads._gram, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(one.popularity._sums[0], other.popularity._sums[0], rtol=1e-8)
    never.close()


@pytest.mark.parametrize("days", [1, 7, 30])
def test_nor_in_what_is_popular_now(catalogue, recommender, days):
    """Scores may have another scale, since the newest time of all may have been theirs."""
    never = Recommender(shop(catalogue, "never", items=45, interactions=THERE))
    note(recommender.collection, *GONE)
    all_of(recommender)
    recommender.collection.interactions.delete_user("gone").result(10)
    one, other = (all_of(each, "", Strategy.POPULAR, half_life_seconds=days * DAY) for each in (recommender, never))
    assert one.ids == other.ids
    np.testing.assert_allclose(one.scores / one.scores[0], other.scores / other.scores[0], rtol=1e-6)
    never.close()


def test_nor_in_what_is_learned_again(catalogue, recommender):
    never = Recommender(shop(catalogue, "never", items=45, interactions=THERE))
    note(recommender.collection, *GONE)
    with_them = learned_from(recommender.collection)
    assert recommender.put(with_them)
    recommender.collection.interactions.delete_user("gone").result(10)
    for strategy in LEARNED:
        answer = all_of(recommender, "u3", strategy)
        assert answer.learned_sequence == 0
        assert strategy is Strategy.AUTO or "must forget somebody" in answer.notes[0]
    assert not recommender.put(with_them)
    assert all_of(recommender).learned_sequence == 0
    assert recommender.put(learned_from(recommender.collection))
    assert never.put(learned_from(never.collection))
    for strategy in (*LEARNED, *EXACT):
        for user in ("u0", "u3", "gone", ""):
            check_same(all_of(recommender, user, strategy), all_of(never, user, strategy))
    never.close()


def test_it_would_show_if_somebody_were_left_in_what_is_learned(catalogue, recommender):
    """That the test above can fail: what is learned with them is something else."""
    never = Recommender(shop(catalogue, "never", items=45, interactions=THERE))
    note(recommender.collection, *GONE)
    for each in (recommender, never):
        assert each.put(learned_from(each.collection))
    for strategy in LEARNED:
        one, other = (by_id(all_of(each, "u3", strategy)) for each in (recommender, never))
        assert max(abs(one[key] - other[key]) for key in one) > 1e-4
    never.close()


@pytest.mark.parametrize("learned", [False, True])
def test_new_interactions_and_records_count_at_the_next_call(recommender, learned):
    collection = recommender.collection
    if learned:
        assert recommender.put(learned_from(collection))
    before = all_of(recommender, "new")
    assert before.notes[0].startswith("nothing is known of user 'new'")
    note(collection, did("new", "r1", 2.0))
    after = all_of(recommender, "new")
    assert (after.known_count, after.sequence) == (1, collection.sequence)
    assert "nothing is known" not in after.notes[0]
    assert by_id(after) != by_id(before)
    assert "r1" not in recommender.recommend(Ask(user="new", limit=100)).ids
    near = vectors(2)[1] + 0.01
    collection.upsert([Write(record("like-r1", near, n=1, group="g1")), Write(record("unlike-r1", -near))]).result(10)
    scores = by_id(all_of(recommender, "new"))
    assert scores["like-r1"] > scores["unlike-r1"]
    if learned:  # before, what is popular counts more for somebody of whom so little is known
        assert scores["like-r1"] > np.median(list(scores.values()))
    collection.delete(["like-r1"]).result(10)
    assert "like-r1" not in all_of(recommender, "new").ids


@pytest.mark.parametrize("known", [False, True])
def test_a_record_that_becomes_popular_after_learning_is_popular(recommender, known):
    """Also one that nobody had interacted with when it was learned."""
    collection = recommender.collection
    if not known:
        stock(collection, [50])
    assert recommender.put(learned_from(collection))
    record_id = "r7" if known else "r50"
    assert all_of(recommender, "").ids[0] != record_id
    note(collection, *(did(f"new{n}", record_id, 5.0) for n in range(100)))
    answer = all_of(recommender, "", explain=True)
    assert answer.ids[0] == record_id
    assert sum(answer.reasons[0].strategies.values()) == pytest.approx(float(answer.scores[0]), rel=1e-4)
    assert all_of(recommender, "", Strategy.POPULAR).ids[0] == record_id


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("strategy", Strategy)
def test_reasons_add_up(recommender, learned, strategy):
    collection = recommender.collection
    if learned:
        assert recommender.put(learned_from(collection))
    stock(collection, [60, 61], seed=5)
    note(
        collection,
        did("u0", "r60", -1.0),
        did("u1", "r61"),
        did("me", "r1", 3.0),
        did("me", "r2"),
        did("me", "r5", -1.0),
    )
    examples = [Example(0.5, vector=vectors(1)[0])]
    answer = all_of(recommender, "me", strategy, examples=examples, explain=True)
    plain = all_of(recommender, "me", strategy, examples=examples)
    assert answer.ids == plain.ids
    np.testing.assert_allclose(answer.scores, plain.scores, rtol=1e-4, atol=1e-5)
    for score, reason in zip(answer.scores, answer.reasons, strict=True):
        assert sum(reason.strategies.values()) == pytest.approx(score, rel=1e-4, abs=1e-4)
    if strategy is Strategy.AUTO:
        assert len(answer.reasons[0].strategies) > 1


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("strategy", [Strategy.AUTO, Strategy.CONTENT, Strategy.EASE, Strategy.SUM_SCORES])
def test_the_share_of_an_example_is_what_the_score_is_less_without_it(recommender, learned, strategy):
    if learned:
        assert recommender.put(learned_from(recommender.collection))
    examples = [Example(1.0, "r1"), Example(0.5, "r2"), Example(-1.0, "r3")]

    def ask(*chosen):
        return recommender.recommend(
            Ask(examples=chosen, strategy=strategy, limit=100, include_seen=True, explain=True)
        )

    answer = ask(*examples)
    without = by_id(ask(examples[0], examples[2]))
    for record_id, score, reason in zip(answer.ids, answer.scores.tolist(), answer.reasons, strict=True):
        assert set(reason.examples) == {"r1", "r2", "r3"}
        assert reason.examples["r2"] == pytest.approx(score - without[record_id], abs=1e-4)


def test_the_newest_interactions_count_most_where_they_decay(recommender):
    note(recommender.collection, did("me", "r1", days=-100), did("me", "r2"))
    old, new = (all_of(recommender, "", Strategy.AVERAGE_VECTOR, examples=[Example(1.0, r)]) for r in ("r1", "r2"))
    plain = all_of(recommender, "me", Strategy.AVERAGE_VECTOR)
    decayed = all_of(recommender, "me", Strategy.AVERAGE_VECTOR, half_life_seconds=DAY)
    assert by_id(decayed) == pytest.approx(by_id(new), abs=1e-5)
    assert by_id(plain) != pytest.approx(by_id(new), abs=1e-2)
    assert by_id(plain) != pytest.approx(by_id(old), abs=1e-2)


def test_one_record_with_interactions_tells_its_user_what_is_like_it(catalogue):
    """Nothing can be told from who likes what, and popularity says the same to all."""
    recommender = Recommender(shop(catalogue, items=20, interactions=[did("only", "r3")]))
    assert recommender.put(learned_from(recommender.collection))
    answer = recommender.recommend(Ask(user="only", limit=100))
    assert answer.ids == recommender.recommend(Ask(user="only", limit=100, strategy=Strategy.CONTENT)).ids
    assert len(set(answer.scores.tolist())) == len(answer.ids) == 19
    recommender.close()


@pytest.mark.parametrize("deleted", [False, True])
def test_what_nobody_asked_for_for_long_is_not_kept_in_memory(recommender, monkeypatch, deleted):
    collection = recommender.collection
    assert recommender.put(learned_from(collection))
    state = recommender.state()
    monkeypatch.setattr("frostline.server.recommendations.state.MOST_WAITING", 30)
    stock(collection, range(40, 60))
    assert len(state._commits) == 1
    stock(collection, range(60, 80))
    note(collection, did("new", "r79"))
    assert len(state._commits) == 2
    if deleted:
        collection.interactions.delete_user("u1").result(10)
    answer = all_of(recommender, "new")
    assert len(answer.ids) == 80
    assert answer.known_count == 1
    assert (answer.learned_sequence > 0) != deleted
    note(collection, did("new", "r78"))
    assert all_of(recommender, "new").known_count == 2
