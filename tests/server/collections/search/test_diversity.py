"""Maximal marginal relevance against the textbook's loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.server.collections.config import Metric
from frostline.server.collections.search.diversity import diverse


def similarities(vectors, metric):
    """All similarities, float64 of shape (n, n); nan where a vector is missing."""
    if metric is Metric.EUCLIDEAN:
        distances = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
        radius = np.nanmax(np.linalg.norm(vectors - np.nanmean(vectors, axis=0), axis=1))
        return 1 - distances / (2 * radius or 1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def marginal(candidate, chosen, relevance, similarity, diversity):
    known = [similarity[candidate, each] for each in chosen if not np.isnan(similarity[candidate, each])]
    return (1 - diversity) * relevance[candidate] - diversity * max(known, default=0)


def candidates_of(seed, n, gaps=0.2):
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, 5)).astype(np.float32)
    vectors[random.random(n) < gaps] = np.nan
    scores = -np.sort(-random.normal(size=n)).astype(np.float32)
    return scores, vectors


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 25),
    count=st.integers(1, 30),
    diversity=st.sampled_from([0.1, 0.3, 0.5, 0.9, 1.0]),
    metric=st.sampled_from(list(Metric)),
    cosines=st.booleans(),
)
def test_each_choice_is_the_best_by_the_textbook(seed, n, count, diversity, metric, cosines):
    scores, vectors = candidates_of(seed, n)
    vectors[0] = 1
    if metric is Metric.COSINE:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chosen = diverse(scores, vectors, metric, diversity, count, cosines=cosines).tolist()
    assert len(chosen) == len(set(chosen)) == min(count, n)
    exact = scores.astype(np.float64)
    relevance = exact if cosines or n == 1 else (exact - exact.min()) / (exact.max() - exact.min())
    similarity = similarities(vectors.astype(np.float64), metric)
    for place, each in enumerate(chosen):
        before = chosen[:place]
        rest = [other for other in range(n) if other not in before]
        best = max(marginal(other, before, relevance, similarity, diversity) for other in rest)
        # A tie within the rounding of float32 may go either way.
        assert marginal(each, before, relevance, similarity, diversity) == pytest.approx(best, abs=2e-5)


def test_a_copy_of_a_hit_comes_after_what_differs():
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    scores = np.array([0.9, 0.9, 0.5], np.float32)
    chosen = [diverse(scores, vectors, Metric.COSINE, each, 3, cosines=True).tolist() for each in (0.1, 0.5)]
    assert chosen == [[0, 1, 2], [0, 2, 1]]


@pytest.mark.parametrize("metric", list(Metric))
def test_nothing_is_chosen_from_nothing_and_without_vectors_relevance_decides(metric):
    nothing = np.empty(0, np.float32)
    assert len(diverse(nothing, np.empty((0, 2), np.float32), metric, 0.5, 3, cosines=True)) == 0
    scores = np.array([3, 2, 1], np.float32)
    missing = np.full((3, 2), np.nan, np.float32)
    assert diverse(scores, missing, metric, 0.5, 3, cosines=False).tolist() == [0, 1, 2]


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_the_scale_of_euclidean_vectors_does_not_matter(scale):
    scores, vectors = candidates_of(3, 20, gaps=0)
    expected = diverse(scores, vectors, Metric.EUCLIDEAN, 0.5, 20, cosines=False)
    scaled = diverse(scores, vectors * np.float32(scale), Metric.EUCLIDEAN, 0.5, 20, cosines=False)
    assert scaled.tolist() == expected.tolist()
