"""Candidates side by side: their order, how sure it is, and what is tied."""

from dataclasses import replace

import numpy as np
import pytest

from clouds import clouds
from frostline.server.heads.comparison import cost
from frostline.server.heads.comparison.comparing import compare
from frostline.server.heads.comparison.resampling import Resampled

LABELLED = clouds(60, 60, 60, spread=1.2)


def blurred(noise, seed=0):
    """The same examples as a worse encoder would embed them."""
    draw = np.random.default_rng(seed).standard_normal(LABELLED.features.shape)
    features = LABELLED.features + noise * draw / np.sqrt(LABELLED.features.shape[1])
    return replace(LABELLED, features=features.astype(np.float32))


def compared(*candidates, seen=None, told=lambda step, done: None):
    reads = [lambda each=each: (each, seen) for each in candidates]
    return compare(reads, len(reads), told)


def test_the_better_encoder_comes_first_and_a_far_worse_one_is_not_tied():
    told = []
    found = compared(blurred(3), LABELLED, blurred(0.01), told=lambda *each: told.append(each))
    assert [each.candidate for each in found.standings][-1] == 0
    assert [each.tied for each in found.standings] == [True, True, False]
    assert (found.example_count, found.class_count) == (180, 3)
    assert told == [("comparing", 0.0), ("comparing", 1 / 3), ("comparing", 2 / 3)]
    best, worst = found.standings[0], found.standings[-1]
    for figure in ("log_evidence", "h_score", "neighbor_accuracy"):
        assert getattr(best, figure) > getattr(worst, figure)
    assert worst.behind.value == pytest.approx(best.accuracy.value - worst.accuracy.value)
    assert (best.separability, best.transfer) == (None, None)


def test_of_equally_right_encoders_the_one_with_less_error_comes_first():
    far = clouds(20, 20, spread=0.1)
    rough = replace(far, features=far.features + np.float32(0.05) * blurred(1).features[:40])
    found = compared(rough, far)
    assert [each.accuracy.value for each in found.standings] == [1, 1]
    assert [each.candidate for each in found.standings] == [1, 0]


def test_what_was_seen_is_told_apart():
    found = compared(LABELLED, seen=LABELLED.features + np.float32(9))
    assert found.standings[0].transfer == "far"


def test_intervals_are_those_of_resampled_examples():
    right = np.random.default_rng(0).random((2, 300)) < np.array([[0.8], [0.7]])
    found = Resampled(right)
    draw = np.random.default_rng(1)
    rows = draw.integers(300, size=(4_000, 300))
    shares = right[:, rows].mean(axis=2)
    low, high = np.percentile(shares[0], (2.5, 97.5))
    assert (found.share(0).low, found.share(0).high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))
    low, high = np.percentile(shares[0] - shares[1], (2.5, 97.5))
    behind = found.difference(0, 1)
    assert (behind.low, behind.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_the_same_answers_are_never_told_apart():
    right = np.tile(np.arange(50) % 3 > 0, (2, 1))
    behind = Resampled(right).difference(0, 1)
    assert (behind.value, behind.low, behind.high) == (0, 0, 0)


def test_more_examples_and_longer_vectors_cost_more():
    assert cost.seconds(1_000, 256, 10) < cost.seconds(1_000, 1_280, 10) < cost.seconds(2_000, 1_280, 10)
