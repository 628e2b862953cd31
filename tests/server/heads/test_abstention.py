"""When a head does not answer."""

import numpy as np
import pytest

from clouds import clouds
from frostline.server.heads.abstention import NEVER_ANSWERS, abstain_threshold, scope, share_closer
from frostline.server.heads.calibration import softmax
from frostline.server.heads.decision import unit
from frostline.server.heads.moments import Moments


def sure(*confidences):
    """Probabilities of two classes, the first of this confidence."""
    first = np.array(confidences)
    return np.stack([first, 1 - first], axis=1)


def test_the_threshold_keeps_the_error_over_splits():
    random = np.random.default_rng(0)
    logits = 1.5 * random.standard_normal((4_000, 5))
    targets = (softmax(logits).cumsum(axis=1) < random.random((4_000, 1))).sum(axis=1)
    probabilities, errors, answered = softmax(logits), [], []
    for split in range(20):
        order = np.random.default_rng(split).permutation(4_000)
        here, there = order[:2_000], order[2_000:]
        answers = probabilities[there].max(axis=1) >= abstain_threshold(probabilities[here], targets[here], 0.2)
        errors.append((probabilities[there].argmax(axis=1) != targets[there])[answers].mean())
        answered.append(answers.mean())
    assert 0.17 < np.mean(errors) < 0.205
    assert np.mean(answered) > 0.25


def test_it_answers_as_much_as_the_error_allows():
    targets = np.zeros(4, np.int64)
    assert abstain_threshold(sure(0.9, 0.8, 0.7, 0.6), targets, 0.2) == 0.6
    wrong_last = np.array([0, 0, 0, 1])
    assert abstain_threshold(sure(0.9, 0.8, 0.7, 0.6), wrong_last, 0.25) == 0.7
    wrong_first = np.array([1, 0, 0, 0])
    assert abstain_threshold(sure(0.9, 0.8, 0.7, 0.6), wrong_first, 0.4) == 0.6


def test_equal_probabilities_are_answered_all_or_none():
    assert abstain_threshold(sure(0.9, 0.9, 0.9, 0.8, 0.8), np.array([0, 0, 0, 0, 1]), 0.25) == 0.9


def test_it_never_answers_where_examples_do_not_show_that_it_may():
    assert abstain_threshold(sure(0.9, 0.8), np.array([0, 0]), 0.1) == NEVER_ANSWERS
    assert abstain_threshold(sure(), np.array([], np.int64), 0.1) == NEVER_ANSWERS


def test_it_always_answers_where_no_error_is_stated():
    assert abstain_threshold(sure(0.5), np.array([1]), 0.0) == 0


def test_examples_are_judged_without_themselves():
    labelled = clouds(3, 4, described=("b",))
    found = scope(labelled, Moments.of(labelled))
    expected = []
    for row in np.flatnonzero(~labelled.described):
        left = np.delete(np.arange(len(labelled.targets)), row)
        means = [labelled.features[left][labelled.targets[left] == each].mean(axis=0) for each in range(2)]
        expected.append(max(labelled.features[row] @ mean / np.linalg.norm(mean) for mean in means))
    np.testing.assert_allclose(found.held_out, np.sort(expected), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found.means, axis=1), 1, atol=1e-6)


def out_of_scope(found, features):
    return share_closer(found.held_out, (unit(features) @ found.means.T).max(axis=1))


@pytest.mark.parametrize("scale", [1, 100])
def test_inputs_unlike_all_examples_are_told(scale):
    labelled = clouds(100, 100, dimensions=32)
    found = scope(labelled, Moments.of(labelled))
    inside = out_of_scope(found, scale * clouds(100, 100, dimensions=32, seed=1).features)
    outside = np.random.default_rng(0).standard_normal((100, 32)).astype(np.float32)
    assert inside.mean() == pytest.approx(0.5, abs=0.07)
    assert out_of_scope(found, outside).mean() > 0.99
    assert out_of_scope(found, found.means).tolist() == [0, 0]


def test_only_examples_of_a_class_say_nothing_about_scope():
    labelled = clouds(1, 1)
    found = scope(labelled, Moments.of(labelled))
    assert len(found.held_out) == 0
    assert out_of_scope(found, labelled.features).tolist() == [0, 0]
