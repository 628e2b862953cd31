"""Examples and their copies stay together, and weigh as much as one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clouds import clouds, with_copies
from frostline.server.heads.abstention import scope
from frostline.server.heads.decision import unit
from frostline.server.heads.folds import folds, sample
from frostline.server.heads.lesson import Lesson
from frostline.server.heads.moments import Moments


def some(described=("b",)):
    """Examples of which some have two copies, one of them one, others and the description none."""
    return with_copies(clouds(4, 5, described=described), [2, 2, 1, 0, 0, 0, 2, 2, 2], noise=0.1)


def test_counts_and_weights_are_those_of_examples():
    labelled = some()
    assert labelled.counts.tolist() == [4, 5]
    assert (labelled.originals.sum(), labelled.examples.sum()) == (10, 9)
    np.testing.assert_allclose(np.bincount(labelled.origins, labelled.weights), 1)
    assert sorted(set(labelled.weights.round(3).tolist())) == [0.333, 0.5, 1.0]
    alone = labelled.alone()
    np.testing.assert_array_equal(alone.features, labelled.features[:9])
    assert alone.examples.all()


@given(chosen=st.lists(st.integers(0, 20), unique=True))
def test_rows_bring_their_copies_and_no_copy_comes_alone(chosen):
    labelled = some()
    found = labelled.rows(np.array(chosen, np.int64))
    kept = [row for row in chosen if labelled.originals[row]]
    copies = [row for row in np.flatnonzero(~labelled.originals) if labelled.origins[row] in kept]
    np.testing.assert_array_equal(found.features, labelled.features[[*kept, *copies]])
    assert found.originals.tolist() == [True] * len(kept) + [False] * len(copies)
    np.testing.assert_array_equal(found.features[found.origins], labelled.features[labelled.origins[[*kept, *copies]]])
    np.testing.assert_array_equal(found.means(), labelled.means()[[int(row) for row in kept]])


def test_a_row_that_is_taken_twice_is_no_copy_of_itself():
    found = some().rows(np.array([0, 0]))
    assert found.originals.tolist() == [True, True, *[False] * (len(found.targets) - 2)]


@given(parts=st.integers(2, 10), described=st.sampled_from([(), ("b",)]))
def test_nothing_that_is_held_out_leaves_a_copy(parts, described):
    labelled = some(described)
    lesson = Lesson.of(labelled)
    for rows in folds(labelled, parts):
        assert labelled.examples[rows].all()
        left = lesson.without(rows)
        family = labelled.features[np.isin(labelled.origins, rows)]
        assert not (left.labelled.features[:, np.newaxis] == family).all(axis=2).any()
        assert len(left.labelled.targets) == len(labelled.targets) - len(family)
        expected = Moments.of(left.labelled)
        assert left.moments.counts.tolist() == expected.counts.tolist()
        np.testing.assert_allclose(left.moments.sums, expected.sums, atol=1e-12)
        np.testing.assert_allclose(left.moments.grams, expected.grams, atol=1e-12)


def test_sums_are_over_what_examples_and_their_copies_are_on_average():
    labelled = some()
    found = Moments.of(labelled)
    assert found.counts.tolist() == [4, 6]
    means, targets = labelled.means(), labelled.targets[labelled.originals]
    assert len(means) == 10
    np.testing.assert_allclose(found.sums, np.stack([means[targets == place].sum(axis=0) for place in (0, 1)]))
    assert np.trace(found.grams) == pytest.approx(labelled.weights @ (labelled.features**2).sum(axis=1))


def test_copies_of_an_example_do_not_bring_it_closer_to_its_class():
    labelled = some()
    found = scope(labelled, Moments.of(labelled))
    expected = []
    for row in np.flatnonzero(labelled.examples):
        left = Moments.of(labelled.rows(np.delete(np.arange(len(labelled.targets)), row)))
        expected.append((unit(left.sums) @ unit(labelled.features[[row]].astype(np.float64))[0]).max())
    np.testing.assert_allclose(found.held_out, np.sort(expected), atol=1e-6)


def test_a_sample_is_of_examples_and_has_their_copies():
    labelled = with_copies(clouds(40, 20), 3)
    found = sample(labelled, 12)
    assert (found.counts.tolist(), len(found.targets)) == ([8, 4], 48)
    assert sample(labelled, 60) is labelled
