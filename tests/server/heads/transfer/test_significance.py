import numpy as np
import pytest
from scipy import stats

from frostline.server.heads.transfer.significance import bootstrap_p, holm, mcnemar_p


@pytest.mark.parametrize(("first", "second"), [(3, 9), (9, 3), (0, 12), (5, 5), (0, 0)])
def test_mcnemar_is_the_exact_binomial_test(first, second):
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_p(np.array([first]), np.array([second])) == pytest.approx(expected)


def test_several_draws_give_twice_their_median():
    counts = np.array([3, 2, 1]), np.array([9, 12, 15])
    each = [stats.binomtest(int(one), int(one + other)).pvalue for one, other in zip(*counts, strict=True)]
    assert mcnemar_p(*counts) == pytest.approx(2 * sorted(each)[1])


def test_draws_that_happen_to_agree_are_several_still():
    assert mcnemar_p(np.array([0, 0]), np.array([12, 12])) == pytest.approx(2 * stats.binomtest(0, 12).pvalue)


def test_holm_is_that_of_its_definition():
    # Holm 1979: the i-th smallest of n times n - i + 1, never below an earlier one.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def test_the_bootstrap_counts_the_rarer_sign_twice():
    assert bootstrap_p(np.array([1.0] * 97 + [-1.0] * 2)) == pytest.approx(2 * 3 / 100)
    assert bootstrap_p(np.array([-1.0] * 99)) == pytest.approx(2 / 100)
    assert bootstrap_p(np.zeros(99)) == 1
