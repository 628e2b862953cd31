"""Temperatures, and how far confidence is from accuracy."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from frostline.server.heads.calibration import (
    expected_calibration_error,
    log_loss,
    softmax,
    temperature,
    untested_temperature,
)


def drawn(rows, classes=5, sharpness=2.0, seed=0):
    """Logits, and targets drawn with just the probabilities that they give."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.standard_normal((rows, classes))
    targets = (softmax(logits).cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    return logits, targets


@pytest.mark.parametrize("factor", [1e-3, 0.2, 1, 40, 1e4])
def test_the_temperature_undoes_any_scale(factor):
    logits, targets = drawn(20_000)
    assert temperature(factor * logits, targets) == pytest.approx(factor, rel=0.03)


def test_no_other_temperature_has_a_smaller_loss():
    logits, targets = drawn(500)
    smoothing = 1 / (len(logits) + 2)
    weights = np.random.default_rng(1).random(len(logits))

    def loss(logarithm):
        divided = logits / np.exp(logarithm)
        spread = np.mean([log_loss(divided, np.full(len(logits), each), weights) for each in range(5)])
        return (1 - smoothing) * log_loss(divided, targets, weights) + smoothing * spread

    best = minimize_scalar(loss, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9})
    assert temperature(logits, targets, weights) == pytest.approx(np.exp(best.x), rel=1e-4)


@pytest.mark.parametrize("offset", [0, 1e6])
def test_large_logits_overflow_nothing(offset):
    logits, targets = drawn(100, sharpness=1e4)
    assert np.isfinite(softmax(logits + offset)).all()
    assert np.isfinite(log_loss(logits + offset, targets))
    assert np.isfinite(temperature(logits + offset, targets))


def test_few_examples_all_of_them_right_do_not_make_it_certain():
    logits = np.array([[3.0, 0.0], [0.0, 2.0], [1.0, -1.0]])
    targets = np.array([0, 1, 0])
    confidence = softmax(logits / temperature(logits, targets)).max(axis=1)
    assert 0.7 < confidence.mean() < 0.95


def test_examples_all_of_them_wrong_make_it_say_next_to_nothing():
    logits = np.array([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    probabilities = softmax(logits / temperature(logits, np.array([1, 2, 0])))
    np.testing.assert_allclose(probabilities, 1 / 3, atol=0.02)


def test_logits_that_say_nothing_have_a_temperature():
    assert temperature(np.zeros((3, 2)), np.array([0, 1, 1])) == 1
    assert untested_temperature(np.zeros((2, 2)), np.array([0, 1])) == 1


def test_where_nothing_is_held_out_the_temperature_follows_the_scale():
    logits = np.array([[1.0, 0.2, 0.0], [0.3, 0.9, 0.1], [0.0, 0.1, 1.1]])
    one = untested_temperature(logits, np.arange(3))
    assert untested_temperature(50 * logits, np.arange(3)) == pytest.approx(50 * one)
    assert softmax(logits / one).max(axis=1).min() > 0.9


def test_calibration_error_is_the_gap_of_bins_by_their_rows():
    confidence = np.array([0.9] * 10 + [0.7] * 30)
    right = np.array([True] * 5 + [False] * 5 + [True] * 21 + [False] * 9)
    assert expected_calibration_error(confidence, right) == pytest.approx((0.4 * 10 + 0.0 * 30) / 40)


def test_probabilities_that_mean_what_they_say_have_hardly_any_calibration_error():
    logits, targets = drawn(20_000)
    right = logits.argmax(axis=1) == targets
    assert expected_calibration_error(softmax(logits).max(axis=1), right) < 0.015
    assert expected_calibration_error(softmax(4 * logits).max(axis=1), right) > 0.1


def test_a_probability_of_one_has_a_bin():
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx(0.5)
