"""Label sets hold the true label as often as was asked for."""

import numpy as np
import pytest

from frostline.server.heads.calibration import softmax
from frostline.server.heads.conformal import label_sets, set_quantile


def drawn(rows, sharpness, seed):
    """Probabilities that are far too sure of themselves, and targets."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.standard_normal((rows, 8))
    targets = (softmax(logits).cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    return softmax(3 * logits), targets


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.99])
@pytest.mark.parametrize("sharpness", [1, 20])
def test_coverage_is_as_asked_for_over_splits_also_where_the_head_is_right_more_often(coverage, sharpness):
    probabilities, targets = drawn(3_000, sharpness, 0)
    if sharpness == 20:
        assert (probabilities.argmax(axis=1) == targets).mean() > 0.9
    covered = []
    for split in range(20):
        order = np.random.default_rng(split).permutation(len(targets))
        here, there = order[:1_000], order[1_000:]
        quantile = set_quantile(probabilities[here], targets[here], coverage)
        covered.append(label_sets(probabilities[there], quantile)[np.arange(len(there)), targets[there]].mean())
    assert coverage - 0.005 < np.mean(covered) < coverage + 0.015


def test_few_examples_cover_no_less():
    covered = []
    for draw in range(2_000):
        probabilities, targets = drawn(14, 1, draw)
        quantile = set_quantile(probabilities[:13], targets[:13], 0.85)
        covered.append(label_sets(probabilities[13:], quantile)[0, targets[13]])
    assert 0.84 < np.mean(covered) < 0.89


def test_the_quantile_is_that_of_one_more_example():
    probabilities = np.stack([np.arange(1, 20) / 20, 1 - np.arange(1, 20) / 20], axis=1)
    targets = np.zeros(19, np.int64)
    assert set_quantile(probabilities, targets, 0.9) == 2 / 20
    assert set_quantile(probabilities, targets, 0.95) == 1 / 20


@pytest.mark.parametrize("rows", [0, 8])
def test_sets_hold_every_label_where_examples_are_too_few(rows):
    probabilities, targets = drawn(rows, 1, 0)
    quantile = set_quantile(probabilities, targets, 0.9)
    assert quantile == 0
    assert label_sets(np.array([[1.0, 0.0]]), quantile).all()
