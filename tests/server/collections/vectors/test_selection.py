"""Sets of rows as bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frostline.server.collections.vectors.selection import Selection


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 700).flatmap(lambda rows: st.tuples(st.just(rows), st.sets(st.integers(0, rows - 1)))))
def test_positions_are_those_it_was_made_of(drawn):
    rows, chosen = drawn
    selection = Selection.of(np.array(sorted(chosen), np.int64), rows)
    assert selection.count == len(chosen)
    assert selection.positions().tolist() == sorted(chosen)
    asked = np.arange(-3, rows)
    assert np.flatnonzero(selection.contains(asked)).tolist() == [each + 3 for each in sorted(chosen)]


def test_a_sample_comes_from_all_over_and_stands_for_all():
    chosen = np.arange(1_000, 90_000, 3)
    selection = Selection.of(chosen, 100_000)
    positions, factor = selection.sample(1_000)
    assert np.isin(positions, chosen).all()
    assert positions[0] < 5_000
    assert positions[-1] > 85_000
    assert len(positions) * factor == pytest.approx(len(chosen), rel=0.1)
    everything, one = selection.sample(len(chosen))
    assert (everything.tolist(), one) == (chosen.tolist(), 1)


def test_counts_by_group_are_exact_where_all_are_looked_at_and_never_zero_where_not():
    groups = (np.arange(100_000) // 1_000).astype(np.int32)
    chosen = np.arange(0, 50_000, 2)
    selection = Selection.of(chosen, 100_000)
    exact = selection.counts("a", groups, 100, 1 << 20)
    assert exact.tolist() == [500] * 50 + [0] * 50
    about = selection.counts("b", groups, 100, 2_000)
    assert about[:50].mean() == pytest.approx(500, rel=0.1)
    assert (about[50:] > 0).all()
    assert selection.counts("a", groups, 100, 1) is exact


def test_bits_of_another_length_are_refused():
    with pytest.raises(ValueError, match="2 bytes"):
        Selection(np.zeros(3, np.uint8), 16)
