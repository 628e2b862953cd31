"""Fusion against its definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.server.collections.search.fusion import Ranked, fuse, scaled
from frostline.server.collections.search.query import Fusion, FusionMethod


def ranked(ids, scores=None, weight=1.0, complete=True):
    scores = range(len(ids), 0, -1) if scores is None else scores
    return Ranked(np.array(ids, np.int64), np.array(scores, np.float32), complete, weight)


RANKINGS = st.lists(
    st.builds(
        lambda ids, scores, weight: ranked(ids, sorted(scores[: len(ids)], reverse=True), weight),
        st.lists(st.integers(0, 15), unique=True, max_size=12),
        st.lists(st.integers(-4, 4), min_size=12, max_size=12),
        st.sampled_from([1.0, 0.5, 2.0, -1.0, 0.0]),
    ),
    min_size=1,
    max_size=4,
)


def by_definition(rankings, method, constant):
    totals = {}
    for ranking in rankings:
        scores = ranking.scores.tolist()
        for rank, internal_id in enumerate(ranking.internal_ids.tolist(), 1):
            part = 1 / (constant + rank)
            if method is FusionMethod.WEIGHTED_SCORE:
                low, high = min(scores), max(scores)
                part = (scores[rank - 1] - low) / (high - low) if high > low else 1.0
            totals[internal_id] = totals.get(internal_id, 0.0) + ranking.weight * part
    return sorted(totals.items(), key=lambda each: (-each[1], each[0]))


@settings(max_examples=50, deadline=None)
@given(RANKINGS, st.sampled_from(list(FusionMethod)), st.sampled_from([0, 1, 60]))
def test_fused_is_what_the_definition_says(rankings, method, constant):
    fused = fuse(rankings, Fusion(method, rank_constant=constant))
    expected = by_definition(rankings, method, constant)
    assert fused.internal_ids.tolist() == [internal_id for internal_id, _ in expected]
    assert fused.scores.tolist() == np.array([score for _, score in expected], np.float32).tolist()
    assert fused.highest.tolist() == fused.scores.tolist()  # complete rankings bring nothing more
    assert fused.highest_unseen == 0


def test_the_first_rank_is_one():
    fused = fuse([ranked([3, 4]), ranked([4])], Fusion())
    assert fused.internal_ids.tolist() == [4, 3]
    assert fused.scores.tolist() == pytest.approx([1 / 62 + 1 / 61, 1 / 61])


@settings(max_examples=50, deadline=None)
@given(RANKINGS, st.integers(1, 6))
def test_no_score_rises_higher_than_is_said_where_rankings_are_read_deeper(rankings, depth):
    fusion = Fusion(rank_constant=1)
    cut = [
        ranked(each.internal_ids[:depth], each.scores[:depth], abs(each.weight), len(each.scores) <= depth)
        for each in rankings
    ]
    whole = [ranked(each.internal_ids, each.scores, abs(each.weight)) for each in rankings]
    before, after = fuse(cut, fusion), fuse(whole, fusion)
    highest = dict(zip(before.internal_ids.tolist(), before.highest.tolist(), strict=True))
    for internal_id, score in zip(after.internal_ids.tolist(), after.scores.tolist(), strict=True):
        assert score <= highest.get(internal_id, before.highest_unseen) + 1e-6


@pytest.mark.parametrize(
    ("scores", "expected"), [([], []), ([3], [1]), ([2, 2], [1, 1]), ([5, 1, 3], [1, 0, 0.5]), ([-1, -3], [1, 0])]
)
def test_scores_are_brought_to_0_to_1(scores, expected):
    assert scaled(np.array(scores, np.float32)).tolist() == expected


def test_a_negative_weight_pushes_down_what_its_ranking_finds():
    fused = fuse([ranked([1, 2, 3]), ranked([1], weight=-1.0)], Fusion())
    assert fused.internal_ids.tolist() == [2, 3, 1]
