"""The search pipeline against a naive one, on an exact view."""

import json
from collections import Counter
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exact_view import Entry, ExactView
from frostline.server.collections.config import Metric
from frostline.server.collections.search.payload_paths import first_value
from frostline.server.collections.search.query import Fusion, FusionMethod, Grouping, Leg, SearchOptions, SearchQuery
from frostline.server.collections.search.searching import search, search_vectors
from frostline.server.errors import InvalidInput

METRICS = (Metric.COSINE, Metric.EUCLIDEAN)
MANY_BYTES = 1 << 26
ALL = 1_000_000


def random_view(seed=0, count=60):
    random = np.random.default_rng(seed)
    entries = []
    for number in range(count):
        vectors = {slot: random.integers(-2, 3, 3) + 0.25 for slot in (0, 1) if random.random() < 0.8}
        payload = {"n": number, "g": int(random.integers(4))} if random.random() < 0.9 else {"n": number}
        words = random.choice(["ice", "snow", "frost", "rain"], int(random.integers(3)))
        entries.append(Entry(f"r{number}", vectors, payload, " ".join(words)))
    return ExactView(entries, METRICS)


def leg(slot=0, vector=(1, 0, 0), weight=1.0):
    return Leg(slot, np.array(vector, np.float32), weight)


def few(payload):
    return payload["n"] % 3 == 0


LEGS = st.builds(
    lambda slot, vector, weight: leg(slot, np.array(vector) + 0.5, weight),
    st.sampled_from([0, 1]),
    st.tuples(*[st.integers(-2, 2)] * 3),
    st.sampled_from([1.0, 0.5, 2.0, -1.0]),
)
EXCLUDED = st.lists(st.integers(0, 70).map(lambda number: f"r{number}"), max_size=30).map(tuple)
QUERIES = st.builds(
    SearchQuery, st.lists(LEGS, min_size=1, max_size=3).map(tuple), st.sampled_from(["", "ice", "snow rain"]), EXCLUDED
) | st.builds(SearchQuery, keywords=st.sampled_from(["frost", "ice snow"]), exclude=EXCLUDED)
ONE_LEG = st.builds(SearchQuery, LEGS.map(lambda each: (each,)), exclude=EXCLUDED)
OPTIONS = st.builds(
    SearchOptions,
    limit=st.integers(1, 20),
    offset=st.integers(0, 10),
    expression=st.sampled_from([None, few]),
    fusion=st.builds(
        Fusion,
        st.sampled_from(list(FusionMethod)),
        st.sampled_from([1.0, 0.3, -1.0]),
        st.sampled_from([60, 1]),
        st.sampled_from([0, 1, 5]),
    ),
    grouping=st.sampled_from([None, Grouping(("g",)), Grouping(("g",), 2)]),
)


# ---- the naive pipeline: plain Python, everything ranked, nothing batched


def full_rankings(view, query, options):
    """(weight, all (row, score) best first) of each ranking, without what is left out."""
    matching = options.expression and view.matching(options.expression)
    left_out = {row for row, entry in view.entries.items() if entry.id in query.exclude}
    found = [(each.weight, view.nearest(each.slot, each.vector[None], ALL, matching)) for each in query.legs]
    if query.keywords:
        found.append((options.fusion.keyword_weight, view.keywords(query.keywords, ALL, matching)))
    return [
        (weight, [each for each in zip(*columns(ranking), strict=True) if each[0] not in left_out])
        for weight, ranking in found
    ]


def columns(ranking):
    return ranking.internal_ids[0].tolist(), ranking.scores[0].tolist()


def fused_by_definition(rankings, fusion):
    totals = Counter()
    for weight, ranking in rankings:
        scores = [score for _, score in ranking]
        for rank, (row, score) in enumerate(ranking, 1):
            part = 1 / (fusion.rank_constant + rank)
            if fusion.method is FusionMethod.WEIGHTED_SCORE:
                low, high = min(scores), max(scores)
                part = (score - low) / (high - low) if high > low else 1.0
            totals[row] += weight * part
    return sorted(totals.items(), key=lambda each: (-each[1], each[0]))


def grouped_by_definition(view, found, grouping):
    sizes, kept = Counter(), []
    for row, score in found:
        value = first_value(json.dumps(view.entries[row].payload).encode(), grouping.path)
        sizes[value] += 1
        if value is None or sizes[value] <= grouping.max_per_group:
            kept.append((row, score))
    return kept


def naive(view, query, options):
    """(id, score) of the hits of a query, without min_score and diversity."""
    wanted = options.limit + options.offset
    rankings = full_rankings(view, query, options)
    depth = wanted
    if len(rankings) > 1 or options.grouping:
        depth = max(wanted, options.fusion.depth or max(100, 5 * wanted))
    while True:
        cut = [(weight, ranking[:depth]) for weight, ranking in rankings]
        found = cut[0][1] if len(cut) == 1 else fused_by_definition(cut, options.fusion)
        if options.grouping:
            found = grouped_by_definition(view, found, options.grouping)
        if len(found) >= wanted or all(len(ranking) <= depth for _, ranking in rankings):
            return [(view.entries[row].id, score) for row, score in found[options.offset : wanted]]
        depth *= 2


def highest(query, fusion):
    """The highest score that a record may have."""
    if len(query.legs) + bool(query.keywords) == 1:
        return [1.0, 0.0][query.legs[0].slot] if query.legs else ALL
    weights = [each.weight for each in query.legs] + [fusion.keyword_weight] * bool(query.keywords)
    first = 1 if fusion.method is FusionMethod.WEIGHTED_SCORE else 1 / (fusion.rank_constant + 1)
    return sum(first * weight for weight in weights if weight > 0)


def pairs(hits, place=0):
    return list(zip(hits.ids[place], hits.scores[place].tolist(), strict=True))


def as_float32(found):
    return [(name, float(np.float32(score))) for name, score in found]


# ---- properties


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 5),
    queries=st.lists(QUERIES, min_size=1, max_size=4),
    options=OPTIONS,
    declared=st.sampled_from([set(), {("g",)}]),
)
def test_finds_what_the_naive_pipeline_finds(seed, queries, options, declared):
    view = random_view(seed)
    view.declared = declared
    hits = search(view, queries, options, MANY_BYTES)
    for place, query in enumerate(queries):
        expected = as_float32(naive(view, query, options))
        assert pairs(hits, place) == expected
        if options.grouping:
            payloads = {entry.id: json.dumps(entry.payload).encode() for entry in view.entries.values()}
            groups = [first_value(payloads[name], ("g",)) or b"" for name in hits.ids[place]]
            assert hits.groups[place] == groups
    assert (hits.groups is None) == (options.grouping is None)


@settings(max_examples=50, deadline=None)
@given(
    queries=st.lists(ONE_LEG, min_size=1, max_size=4),
    options=OPTIONS,
    min_score=st.sampled_from([-9.0, -2.0, 0.0, 0.5]),
    with_grouping=st.booleans(),
)
def test_min_score_keeps_the_head_of_the_same_hits(queries, options, min_score, with_grouping):
    view = random_view()
    options = options if with_grouping else replace(options, grouping=None)
    assume(min_score <= min(highest(query, options.fusion) for query in queries))
    hits = search(view, queries, replace(options, min_score=min_score), MANY_BYTES)
    for place, query in enumerate(queries):
        expected = [each for each in as_float32(naive(view, query, options)) if each[1] >= min_score]
        assert pairs(hits, place) == expected


@settings(max_examples=50, deadline=None)
@given(query=QUERIES, options=OPTIONS, min_score=st.sampled_from([0.01, 0.02, 0.03, 0.5]))
def test_fewer_fused_hits_only_if_fewer_have_the_score(query, options, min_score):
    view = random_view()
    fusion = replace(options.fusion, method=FusionMethod.RECIPROCAL_RANK, keyword_weight=1.0)
    query = replace(query, legs=tuple(replace(each, weight=abs(each.weight)) for each in query.legs))
    options = replace(options, fusion=fusion, offset=0, grouping=None, min_score=min_score)
    if min_score > highest(query, fusion):
        with pytest.raises(InvalidInput, match="the highest score there is here"):
            search(view, [query], options, MANY_BYTES)
        return
    (found,) = search(view, [query], options, MANY_BYTES).ids
    rankings = full_rankings(view, query, options)
    everything = rankings[0][1] if len(rankings) == 1 else fused_by_definition(rankings, fusion)
    passing = {view.entries[row].id for row, score in everything if np.float32(score) >= np.float32(min_score)}
    assert len(found) == min(options.limit, len(passing))
    assert set(found) <= passing


@settings(max_examples=50, deadline=None)
@given(query=QUERIES, options=OPTIONS, diversity=st.sampled_from([0.0, 0.3, 1.0]))
def test_pages_are_slices_of_the_long_list(query, options, diversity):
    view = random_view()
    options = replace(options, fusion=replace(options.fusion, depth=ALL // 100), diversity=diversity)
    page = search(view, [query], options, MANY_BYTES)
    long = search(view, [query], replace(options, offset=0, limit=100), MANY_BYTES)
    assert pairs(page) == pairs(long)[options.offset : options.offset + options.limit]
    if options.grouping:
        assert page.groups[0] == long.groups[0][options.offset : options.offset + options.limit]


@settings(max_examples=50, deadline=None)
@given(query=QUERIES, options=OPTIONS, diversity=st.sampled_from([0.2, 0.6, 1.0]))
def test_diversity_changes_the_order_not_the_number_nor_the_scores(query, options, diversity):
    view = random_view()
    options = replace(options, offset=0, fusion=replace(options.fusion, depth=0))  # reads everything
    hits = search(view, [query], replace(options, diversity=diversity), MANY_BYTES)
    plain = search(view, [query], replace(options, limit=200), MANY_BYTES)
    assert len(hits.ids[0]) == min(options.limit, len(plain.ids[0]))
    assert hits.ids[0][:1] == plain.ids[0][:1]
    assert set(pairs(hits)) <= set(pairs(plain))
    if options.grouping:
        groups = dict(zip(plain.ids[0], plain.groups[0], strict=True))
        assert hits.groups[0] == [groups[name] for name in hits.ids[0]]
        values = [each for each in hits.groups[0] if each]
        assert all(len(list(each)) <= options.grouping.max_per_group for _, each in groupby(sorted(values)))


# ---- single cases


def test_reads_deeper_until_groups_are_found_or_nothing_is_left():
    entries = [Entry(f"near{number}", {0: (1, 0, 0)}, {"g": "same"}) for number in range(3000)]
    entries += [Entry(f"far{number}", {0: (1, 1, 0)}, {"g": number}) for number in range(3)]
    view = ExactView(entries)
    for limit, expected in ((2, 2), (4, 4), (5, 4)):
        options = SearchOptions(limit=limit, grouping=Grouping(("g",)))
        hits = search(view, [SearchQuery((leg(),))], options, MANY_BYTES)
        assert hits.ids[0] == ["near0", "far0", "far1", "far2"][:expected]
        assert hits.groups[0] == [b'"same"', b"0", b"1", b"2"][:expected]


def test_what_an_index_missed_at_first_takes_its_place_among_the_hits():
    class Approximate(ExactView):
        def nearest(self, slot, queries, k, matching=None, *, exact=False):
            if matching is not None:
                return super().nearest(slot, queries, k, matching, exact=exact)
            found = super().nearest(slot, queries, k + 1, matching, exact=exact)
            (rows,), (scores,) = found.internal_ids, found.scores
            return replace(found, internal_ids=[np.delete(rows, 1)], scores=[np.delete(scores, 1)])

    entries = [Entry(f"near{number}", {0: (1, 0.1 * bool(number), 0)}, {"g": "same"}) for number in range(300)]
    entries += [Entry(name, {0: (1, y, 0)}, {"g": name}) for name, y in (("missed", 0.01), ("known", 0.02), ("far", 1))]
    view = Approximate(entries)
    view.declared = {("g",)}
    hits = search(view, [SearchQuery((leg(),))], SearchOptions(limit=4, grouping=Grouping(("g",))), MANY_BYTES)
    assert hits.ids[0] == ["near0", "missed", "known", "far"]
    assert hits.scores[0].tolist() == sorted(hits.scores[0], reverse=True)


def test_reads_deeper_for_what_only_several_rankings_together_bring_to_the_score():
    vectors = {"a": {0: (2, 0, 0), 1: (9, 0, 0)}, "b": {0: (0, 9, 0), 1: (1, 0, 0)}, "c": {0: (2, 1, 0), 1: (2, 0, 0)}}
    view = ExactView([Entry(name, each) for name, each in vectors.items()], METRICS)
    # The first of the rankings are a and b, with 1/2 each; c is second in both, with 2/3.
    options = SearchOptions(limit=1, fusion=Fusion(rank_constant=1, depth=1), min_score=0.6)
    hits = search(view, [SearchQuery((leg(0), leg(1)))], options, MANY_BYTES)
    assert hits.ids == [["c"]]
    assert hits.scores[0].tolist() == [np.float32(2 / 3)]


def test_a_score_equal_to_min_score_is_a_hit():
    view = ExactView([Entry(name, {0: vector}) for name, vector in (("a", (1, 0, 0)), ("b", (0, 1, 0)))])
    for min_score, expected in ((0.0, ["a", "b"]), (1.0, ["a"])):
        for extra in ({}, {"grouping": Grouping(("g",))}, {"whole_range": True}):
            hits = search(view, [SearchQuery((leg(),))], SearchOptions(min_score=min_score, **extra), MANY_BYTES)
            assert hits.ids == [expected]


def test_damaged_records_are_no_hits_and_logged_once(caplog):
    view = ExactView([Entry(f"{number}", {0: (1, 0, 0)}, {"g": number}) for number in range(6)])
    view.damaged.update("14")
    vectors = np.ones((3, 3), np.float32)
    hits = search_vectors(view, vectors, 0, SearchOptions(limit=4, payloads=True))
    assert list(hits.ids) == [["0", "2", "3"]] * 3
    assert [each.shape for each in hits.scores] == [(3,)] * 3
    assert hits.payloads[2] == [b'{"g": 0}', b'{"g": 2}', b'{"g": 3}']
    assert [each.message for each in caplog.records] == ["collection 'notes': record '1' is damaged"]
    hits = search_vectors(view, vectors[:1], 0, SearchOptions(limit=4, payloads=True, grouping=Grouping(("g",))))
    assert hits.ids == [["0", "2", "3", "5"]]  # there are more


def test_many_plain_vectors_are_one_search_and_one_read():
    view = random_view()
    queries = [SearchQuery((leg(0, (1, number, 0)),)) for number in range(64)]
    hits = search(view, queries, SearchOptions(limit=5), MANY_BYTES)
    assert view.calls == [("nearest", 0, 64, 5), ("record_ids", 320)]
    vectors = np.stack([query.legs[0].vector for query in queries])
    again = search_vectors(view, vectors, 0, SearchOptions(limit=5))
    assert list(again.ids) == list(hits.ids)
    page = search_vectors(view, vectors, 0, SearchOptions(limit=3, offset=2))
    assert list(page.ids) == [each[2:] for each in hits.ids]
    assert np.array_equal(page.scores, [each[2:] for each in hits.scores])


def test_legs_of_one_slot_are_read_together():
    view = random_view()
    queries = [SearchQuery((leg(0), leg(1))), SearchQuery((leg(1), leg(0)), "ice"), SearchQuery((leg(1), leg(1)))]
    search(view, queries, SearchOptions(), MANY_BYTES)
    assert view.calls[:3] == [("nearest", 0, 2, 100), ("nearest", 1, 4, 100), ("keywords", "ice", 1, 100)]
    view.calls.clear()
    queries = [SearchQuery((leg(slot),), exclude=("r1",) * slot) for slot in (0, 1, 0)]
    search(view, queries, SearchOptions(), MANY_BYTES)
    assert view.calls[:2] == [("nearest", 0, 2, 10), ("nearest", 1, 1, 11)]


@pytest.mark.parametrize("limit", [0, 1, 7, 10_000])
def test_a_range_search_finds_all_with_the_score(limit):
    view = random_view()
    query = SearchQuery((leg(0),), exclude=("r3", "r8"))
    options = SearchOptions(limit=limit, min_score=0.5, whole_range=True, offset=0 if limit else 2)
    hits = search(view, [query, query], options, MANY_BYTES)
    everything = [each for each in naive(view, query, SearchOptions(limit=100)) if each[1] >= 0.5]
    assert len(everything) > 7
    assert pairs(hits, 1) == everything[options.offset :][: limit or None]
    assert {each[0] for each in view.calls} == {"within", "nearest", "record_ids"}
    assert search_vectors(view, query.legs[0].vector[None], 0, options).ids[0]


def test_payloads_come_whole_and_untouched_or_in_parts():
    view = random_view()
    query = SearchQuery((leg(),))
    hits = search(view, [query, query], SearchOptions(payloads=True), MANY_BYTES)
    payloads = {entry.id: json.dumps(entry.payload).encode() for entry in view.entries.values()}
    assert hits.payloads == [[payloads[name] for name in hits.ids[0]]] * 2
    assert view.calls.count(("payloads", 10)) == 1  # each is read once
    hits = search(view, [query], SearchOptions(payloads=True, payload_fields=(("n",),)), MANY_BYTES)
    assert hits.payloads[0] == [b'{"n":%d}' % json.loads(payloads[name])["n"] for name in hits.ids[0]]
    assert search(view, [query], SearchOptions(), MANY_BYTES).payloads is None


@pytest.mark.parametrize(("payloads", "queries", "refused"), [(True, 4, True), (True, 3, False), (False, 4, False)])
def test_more_bytes_than_an_answer_may_have_are_refused(payloads, queries, refused):
    view = ExactView([Entry(f"{number:04}", {0: (1, 0, 0)}, {"x": "x" * 87}) for number in range(10)])
    vectors = np.ones((queries, 3), np.float32)  # 100 bytes a hit
    options = SearchOptions(payloads=payloads)
    if refused:
        with pytest.raises(InvalidInput, match=r"more than 3000 bytes; send fewer queries.*leave payloads out"):
            search_vectors(view, vectors, 0, options, 3000)
    else:
        assert len(search_vectors(view, vectors, 0, options, 3000).ids) == queries
    with pytest.raises(InvalidInput, match="more than 39 bytes"):  # ids alone
        search_vectors(view, vectors[:1], 0, SearchOptions(), 39)
    assert len(search_vectors(view, vectors[:1], 0, SearchOptions(), 40).ids[0]) == 10


def test_says_how_hits_were_found():
    view = random_view()
    view.recall = 0.97
    query = SearchQuery((leg(0), leg(1)), "ice")
    options = SearchOptions(expression=few, payloads=True)
    hits = search(view, [query], options, MANY_BYTES)
    explanation = hits.explanation
    assert (hits.sequence, hits.recall) == (42, 0.97)
    assert (explanation.selectivity, explanation.filter_indexed) == (20 / 60, False)
    assert explanation.unindexed_fields == ("n",)
    assert [step.part for step in explanation.steps] == ["nearest", "nearest", "keywords"]
    seconds = (
        explanation.filter_seconds,
        explanation.vector_seconds,
        explanation.keyword_seconds,
        explanation.rank_seconds,
        explanation.read_seconds,
    )
    assert min(seconds) > 0
    plain = search(view, [SearchQuery(keywords="ice")], SearchOptions(), MANY_BYTES)
    assert (plain.recall, plain.explanation.selectivity, plain.explanation.filter_indexed) == (1, 1, True)
    assert plain.explanation.vector_seconds == 0


def test_no_queries_and_no_records_have_no_hits():
    empty = ExactView([], METRICS)
    options = SearchOptions(payloads=True, expression=few, diversity=0.5, grouping=Grouping(("g",)))
    hits = search(empty, [], options, MANY_BYTES)
    assert (hits.ids, hits.scores, hits.payloads, hits.groups) == ([], [], [], [])
    for query in (SearchQuery((leg(),)), SearchQuery((leg(), leg(1)), "ice"), SearchQuery(keywords="ice")):
        hits = search(empty, [query] * 2, options, MANY_BYTES)
        assert (hits.ids, hits.payloads, hits.groups) == ([[], []], [[], []], [[], []])
        hits = search(empty, [query], SearchOptions(), MANY_BYTES)
        assert (hits.ids, hits.payloads, hits.groups) == ([[]], None, None)


def test_a_score_that_only_the_best_of_all_has_can_be_asked_for():
    view = ExactView([Entry("a", {0: (1, 0, 0)}, text="ice"), Entry("b", {0: (0, 1, 0)})])
    both = SearchQuery((leg(),), "ice")
    for query, options in (
        (PLAIN, SearchOptions(min_score=1.0)),
        (both, SearchOptions(min_score=float(np.float32(2 / 61)))),
        (both, SearchOptions(min_score=2.0, fusion=WEIGHTED)),
    ):
        assert search(view, [query], options, MANY_BYTES).ids == [["a"]]


PLAIN = SearchQuery((leg(),))
WEIGHTED = Fusion(FusionMethod.WEIGHTED_SCORE)


@pytest.mark.parametrize(
    ("query", "options", "message"),
    [
        (PLAIN, {"limit": 0}, "limit 0 is out of range; ask for at least 1"),
        (PLAIN, {"offset": -1}, "offset -1"),
        (PLAIN, {"offset": 9_991}, "offset 9991 with limit 10 .* at most 10000 for both"),
        (PLAIN, {"min_score": float("nan")}, "min_score is not a number"),
        (PLAIN, {"min_score": 70}, "min_score 70 is above 1, .* cosines"),
        (PLAIN, {"min_score": 70, "whole_range": True}, "min_score 70 is above 1"),
        (SearchQuery((leg(1),)), {"min_score": 0.5}, r"above 0, .* negative distances \(-0.5 lets"),
        (SearchQuery((leg(),), "ice"), {"min_score": 0.5}, r"0.5 is above 0.03279, .* sums of weight / \(60 \+ rank\)"),
        (SearchQuery((leg(), leg(1, weight=-3))), {"min_score": 0.017}, "above 0.01639"),
        (SearchQuery((leg(),), "ice"), {"min_score": 2.1, "fusion": WEIGHTED}, "2.1 is above 2, .* weighted scores"),
        (PLAIN, {"diversity": 1.5}, "diversity 1.5 is out of range"),
        (PLAIN, {"diversity": float("nan")}, "diversity nan"),
        (PLAIN, {"payload_fields": ((),)}, "empty path"),
        (PLAIN, {"grouping": Grouping(())}, "empty path"),
        (PLAIN, {"grouping": Grouping(("g",), 0)}, "max_per_group 0"),
        (PLAIN, {"whole_range": True}, "needs min_score"),
        (PLAIN, {"whole_range": True, "min_score": 0.5, "limit": 0, "offset": 10_000}, "limit 0"),
        (
            SearchQuery((leg(),), "ice"),
            {"whole_range": True, "min_score": 0.5},
            "1 vectors and keywords; .*exactly one",
        ),
        (SearchQuery((leg(), leg())), {"whole_range": True, "min_score": 0.5}, "has 2 vectors; .*exactly one"),
        (SearchQuery(), {}, "query 0 has neither a vector nor keywords"),
        (SearchQuery((leg(), leg(weight=float("inf")))), {}, "weight inf"),
        (SearchQuery((leg(),), "ice"), {"fusion": Fusion(depth=10_001)}, "depth 10001"),
        (SearchQuery((leg(),), "ice"), {"fusion": Fusion(rank_constant=-1)}, "rank_constant -1"),
        (SearchQuery((leg(),), "ice"), {"fusion": Fusion(keyword_weight=float("nan"))}, "keyword_weight nan"),
    ],
)
def test_refuses_what_is_out_of_range(query, options, message):
    with pytest.raises(InvalidInput, match=message):
        search(random_view(count=3), [query], SearchOptions(**options), MANY_BYTES)


def test_refuses_too_many_hits_and_too_many_comparisons(monkeypatch):
    view = random_view(count=200)
    vectors = np.ones((6000, 3), np.float32)
    with pytest.raises(
        InvalidInput,
        match=r"6000 queries with 200 hits each ask for 1200000 hits, those passed over counted; at most 1000000",
    ):
        search_vectors(view, vectors, 0, SearchOptions(limit=200))
    monkeypatch.setattr("frostline.server.collections.search.candidates.MAX_COMPARISONS", 2000)
    options = SearchOptions(diversity=0.5, fusion=Fusion(depth=100))
    search_vectors(view, vectors[:2], 0, options)
    with pytest.raises(InvalidInput, match=r"100 candidates for 10 hits .*2000 comparisons"):
        search_vectors(view, vectors[:3], 0, options)


def test_large_batches_are_read_in_parts(monkeypatch):
    view = random_view()
    queries = [SearchQuery((leg(0, (1, number, 0)), leg(1)), "ice") for number in range(7)]
    whole = search(view, queries, SearchOptions(), MANY_BYTES)
    monkeypatch.setattr("frostline.server.collections.search.candidates.MAX_ROWS_AT_ONCE", 600)
    view.calls.clear()
    parts = search(view, queries, SearchOptions(), MANY_BYTES)
    assert [each[2] for each in view.calls if each[:2] == ("nearest", 0)] == [2, 2, 2, 1]
    assert [pairs(parts, place) for place in range(7)] == [pairs(whole, place) for place in range(7)]
