"""Questions and their answers against sorting all rows."""

import numpy as np
import pytest

from frostline.server.collections.config import Metric
from frostline.server.collections.vectors import truth
from frostline.server.collections.vectors.truth import FORMS, SELECTIVITIES, questions


@pytest.mark.parametrize("metric", Metric)
def test_answers_are_the_nearest_of_the_matching_rows_but_the_query(metric):
    vectors = np.random.default_rng(0).standard_normal((3_000, 6)).astype(np.float32)
    ranked = []
    cases = questions(vectors, metric, ranked.append, lambda _done: None)
    assert {case.form for case in cases} == set(FORMS)
    assert {case.selectivity for case in cases} == {1.0, *(each for each in SELECTIVITIES if each * 3_000 >= 200)}
    for case in cases[::7]:
        query = vectors[case.row].astype(np.float64)
        near = -np.linalg.norm(vectors - query, axis=1) if metric is Metric.EUCLIDEAN else vectors @ query
        near[case.row] = -np.inf
        if case.selection is not None:
            assert not case.selection.contains(np.array([case.row])).any()
            assert case.selection.count == pytest.approx(case.selectivity * 3_000, abs=1.01)
            near[~case.selection.contains(np.arange(3_000))] = -np.inf
        assert len(np.unique(case.answer)) == len(case.answer)
        assert near[case.answer] == pytest.approx(np.sort(near)[::-1][: len(case.answer)], abs=1e-4)
    # With few queries the recall under a filter is a matter of luck: all are asked with those that cost little.
    independent = [case.row for case in cases if case.form == FORMS[0] and case.selectivity == SELECTIVITIES[0]]
    assert len(set(independent)) == len(independent) == 3_000 // 32
    assert all(sorted(each.rows.tolist()) != list(range(3_000)) for each in ranked)
    assert all(len(each.rows) == 2_999 for each in ranked)


@pytest.mark.parametrize("count", [1, 100, 5_000, 400_000])
def test_the_best_of_many_are_those_of_a_full_sort(count):
    values = np.random.default_rng(1).permutation(400_000).astype(np.float32)
    assert values[truth._best(values, count)].tolist() == list(range(399_999, 399_999 - count, -1))
    assert len(np.unique(truth._best(np.zeros(400_000, np.float32), count))) == count


@pytest.mark.parametrize(("older", "newer"), [(2_900, True), (2_901, False), (100, True), (99, False)])
def test_newer_rows_are_a_sort_of_their_own_unless_there_are_few_of_either(older, newer):
    vectors = np.random.default_rng(0).standard_normal((3_000, 6)).astype(np.float32)
    cases = [case for case in questions(vectors, Metric.DOT, None, lambda _done: None, older) if case.selection is None]
    assert {case.newer for case in cases} == ({True, False} if newer else {False})
    assert all(case.newer == (case.row >= older) for case in cases if newer)
    assert len({case.row for case in cases}) == len(cases) == 3_000 // 32
