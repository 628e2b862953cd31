import numpy as np
import pytest

from frostline.server.heads.transfer import curves

EXAMPLES = np.array([10, 20, 40, 80, 160, 200])


def test_the_average_is_over_the_logarithm():
    assert curves.average(np.array([[0.0, 1.0, 1.0]]), np.array([1, 10, 100])) == pytest.approx([0.75])
    assert curves.average(np.array([[0.3]]), np.array([5])) == pytest.approx([0.3])
    line = np.log(EXAMPLES)[np.newaxis]
    assert curves.average(line, EXAMPLES) == pytest.approx([(line[0, 0] + line[0, -1]) / 2])


def test_the_slope_is_the_gain_of_a_doubling():
    rising = 0.2 + 0.07 * np.log2(EXAMPLES)
    assert curves.slope(np.stack([rising, -rising]), EXAMPLES) == pytest.approx([0.07, -0.07])
    assert curves.slope(np.array([[0.4]]), np.array([8])) == pytest.approx([0])


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, 1.2, 0.5), (0.7, 3.0, 1.1), (1.0, 0.8, 0.2)])
def test_power_laws_are_found_again(a, b, c):
    laws = curves.power_laws((a - b * EXAMPLES.astype(float) ** -c)[np.newaxis], EXAMPLES)
    assert laws is not None
    assert laws.a[0] == pytest.approx(a, abs=0.03)
    refitted = laws.a[0] - laws.b[0] * EXAMPLES ** -laws.c[0]
    assert refitted == pytest.approx(a - b * EXAMPLES.astype(float) ** -c, abs=0.002)


def test_no_asymptote_is_above_one_or_below_what_was_reached():
    straight = 0.1 * np.log2(EXAMPLES)[np.newaxis]  # rises as if it went on for ever
    laws = curves.power_laws(straight, EXAMPLES)
    assert laws is not None
    assert laws.a[0] <= 1
    assert laws.b[0] >= 0


def test_few_points_and_falling_curves_follow_no_power_law():
    assert curves.power_laws(np.array([[0.1, 0.2, 0.3]]), EXAMPLES[:3]) is None
    assert curves.power_laws(np.linspace(0.6, 0.5, 6)[np.newaxis], EXAMPLES) is None


def test_examples_needed_are_read_off_between_points():
    rising = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, 0.5]])

    def needed(wanted: float) -> float:
        return float(curves.needed(rising, EXAMPLES, np.array([wanted]))[0])

    assert needed(0.25) == pytest.approx(np.sqrt(20 * 40))
    assert needed(0.3) == pytest.approx(40)
    assert needed(0.05) == pytest.approx(10)
    assert needed(0.5) == pytest.approx(160)


def test_a_curve_that_falls_stays_where_it_was():
    found = curves.needed(np.array([[0.1, 0.3, 0.2, 0.4, 0.4, 0.4]]), EXAMPLES, np.array([0.35]))
    assert found == pytest.approx([40 * 2**0.5])


def test_curves_cross_where_significant_differences_change_their_sign():
    differences = np.array([0.1, 0.05, 0.01, -0.01, -0.05, -0.1])
    sure = np.array([True, True, False, False, True, True])
    assert curves.crossover(differences, sure, EXAMPLES) == pytest.approx(40 * 2**0.5)
    assert curves.crossover(differences, np.array([True] * 2 + [False] * 4), EXAMPLES) is None
    assert curves.crossover(np.abs(differences), np.ones(6, np.bool_), EXAMPLES) is None


def test_of_several_crossings_the_last_counts():
    differences = np.array([0.1, -0.05, 0.05, -0.05, -0.05, -0.1])
    sure = np.array([True, False, False, False, False, True])
    assert curves.crossover(differences, sure, EXAMPLES) == pytest.approx(40 * 2**0.5)
