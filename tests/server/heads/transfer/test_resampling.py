import numpy as np
import pytest

from frostline.server.heads.transfer.resampling import accuracies, interval


def test_the_first_are_the_accuracies_themselves():
    right = np.random.default_rng(0).random((2, 3, 4, 50)) < 0.7
    found = accuracies(right)
    assert found.shape == (2001, 2, 3)
    assert found[0] == pytest.approx(right.mean(axis=(2, 3)))


def test_examples_are_drawn_again():
    right = np.broadcast_to(np.arange(400) < 100, (2, 1, 10, 400))  # the same in each draw
    found = interval(accuracies(right)[:, 0, 0])
    wide = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25 - wide, 0.25 + wide), abs=0.006)


def test_draws_are_drawn_again():
    right = np.zeros((2, 1, 10, 400), np.bool_)
    right[:, :, :5] = True  # half of the draws are all right
    found = interval(accuracies(right)[:, 0, 0])
    wide = 1.96 * np.sqrt(0.25 / 10)
    assert (found.low, found.high) == pytest.approx((0.5 - wide, 0.5 + wide), abs=0.06)


def test_sides_are_judged_by_the_same_examples():
    scratch = np.random.default_rng(1).random((1, 10, 500)) < 0.5
    head = scratch.copy()
    head[:, :, :50] = True
    found = accuracies(np.stack([head, scratch]))
    differences = found[:, 0, 0] - found[:, 1, 0]
    assert differences.std() < 0.75 * found[:, 0, 0].std()
    assert (differences >= 0).all()


def test_the_same_gives_the_same():
    right = np.random.default_rng(2).random((2, 2, 10, 30)) < 0.5
    assert np.array_equal(accuracies(right), accuracies(right))
