"""What is held out together, and what stands for all examples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clouds import clouds
from frostline.server.heads.folds import folds, sample

COUNTS = st.lists(st.integers(1, 23), min_size=2, max_size=8)


@given(counts=COUNTS, parts=st.integers(2, 10), described=st.sets(st.sampled_from("ab")))
def test_each_class_is_spread_evenly_and_stays_in_every_training_part(counts, parts, described):
    labelled = clouds(*counts, dimensions=4, described=sorted(described))
    held = folds(labelled, parts)
    rows = np.concatenate([*held, np.empty(0, np.int64)]).astype(np.int64)
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) == {
        row
        for row, target in enumerate(labelled.targets)
        if not labelled.described[row] and labelled.counts[target] > 1
    }
    for part in held:
        assert (np.diff(part) > 0).all()
        left = np.delete(labelled.targets[~labelled.described], part)
        assert set(left.tolist()) == set(range(len(counts)))
    spread = np.array([np.bincount(labelled.targets[part], minlength=len(counts)) for part in held])
    if len(spread) == parts:
        assert (spread.max(axis=0) - spread.min(axis=0) <= 1).all()


def test_folds_are_the_same_each_time_and_do_not_follow_the_order_of_examples():
    labelled = clouds(50, 50)
    labelled = labelled.rows(np.argsort(labelled.targets, kind="stable"))
    first, second = folds(labelled, 5), folds(labelled, 5)
    assert all((one == other).all() for one, other in zip(first, second, strict=True))
    assert all(len(set(np.diff(part).tolist())) > 3 for part in first)


@pytest.mark.parametrize("described", [(), ("a", "b", "c", "d", "e")])
def test_a_sample_keeps_shares_few_examples_and_all_descriptions(described):
    labelled = clouds(400, 200, 40, 2, 1, described=described)
    some = sample(labelled, 100)
    assert some.classes == labelled.classes
    assert some.counts.sum() == 100
    np.testing.assert_allclose(some.counts[:3], [60, 30, 7], atol=2)
    assert some.counts[3:].tolist() == [2, 1]
    assert some.described.sum() == len(described)


def test_a_sample_of_very_many_classes_leaves_classes_out_whole():
    some = sample(clouds(*[3] * 20), 10)
    assert some.counts.tolist() == [2] * 5
    assert some.classes == tuple("abcde")
    np.testing.assert_array_equal(np.unique(some.targets), np.arange(5))


def test_a_sample_has_examples_that_can_be_held_out_where_there_are_any():
    some = sample(clouds(*[1] * 15, *[2] * 5), 12)
    assert some.counts.tolist() == [1, 1, 2, 2, 2, 2, 2]


def test_few_examples_are_all_taken():
    labelled = clouds(5, 6)
    assert sample(labelled, 11) is labelled
