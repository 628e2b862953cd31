import numpy as np
import pytest

from frostline.server.heads.transfer import summary
from frostline.server.heads.transfer.draws import Shots
from frostline.server.heads.transfer.report import Baseline, Cost, Seconds, Split, TransferReport, Verdict

HELD_OUT, DRAWS = 400, 10
SHOTS = [Shots(each, 2 * each) for each in (1, 2, 4, 8, 16)]
EXAMPLES = np.array([shots.examples for shots in SHOTS])


def reported(head, scratch, *, alike=False) -> TransferReport:
    """The report on sides with these accuracies, and errors of their own or alike."""
    chance = np.random.default_rng(0).random((2, 1, DRAWS, HELD_OUT))
    if alike:
        chance[1] = chance[0]
    right = chance < np.array([head, scratch])[:, :, np.newaxis, np.newaxis]
    right[:, -1] = right[:, -1, :1]
    return summary.summarized(
        summary.Measured(
            encoder="tiny",
            recipe="auto",
            classes=("a", "b"),
            split=Split(
                training_count=32,
                held_out_count=HELD_OUT,
                given=True,
                training_sha256="1",
                held_out_sha256="2",
                draws_sha256="3",
            ),
            baselines=(Baseline(name="words", accuracy=0.5, chosen=True),),
            shots=SHOTS,
            right=right,
            seconds=Seconds(head=1, embedding=None, scratch=2, saved=1),
            cost=Cost(heads=41, baselines=41, seconds=3),
            measured_seconds=4,
        )
    )


def test_curves_that_cross_get_no_verdict():
    report = reported([0.7, 0.7, 0.7, 0.7, 0.7], [0.3, 0.5, 0.7, 0.85, 0.95])
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.crossover == pytest.approx(8, rel=0.2)
    assert "With fewer than about 8 examples the head is better" in report.reason


def test_figures_are_those_of_the_curves():
    head, scratch = [0.5, 0.6, 0.7, 0.8, 0.9], [0.2, 0.3, 0.4, 0.5, 0.6]
    report = reported(head, scratch)
    assert report.verdict is Verdict.POSITIVE
    assert [point.head.value for point in report.points] == pytest.approx(head, abs=0.05)
    assert [point.scratch.value for point in report.points] == pytest.approx(scratch, abs=0.05)
    for figure, expected in (
        (report.higher_start, 0.3),
        (report.average, 0.3),
        (report.head_slope, 0.1),
        (report.scratch_slope, 0.1),
    ):
        assert figure.value == pytest.approx(expected, abs=0.03)
        assert figure.low < figure.value < figure.high
    # 0.6 takes 4 examples instead of 32
    assert report.label_saving.factor.value == pytest.approx(8, rel=0.3)
    assert report.label_saving.accuracy == pytest.approx(0.6, abs=0.05)


def test_discordant_examples_are_counted_and_tested():
    report = reported([0.9] * 5, [0.9] * 5, alike=True)
    assert report.verdict is Verdict.NEUTRAL
    assert [point.only_head_right + point.only_scratch_right for point in report.points] == [0] * 5
    assert [point.mcnemar_p for point in report.points] == [1] * 5
    report = reported([0.9] * 5, [0.7] * 5)
    assert all(point.only_head_right == pytest.approx(0.9 * 0.3 * HELD_OUT, abs=25) for point in report.points)
    assert all(point.mcnemar_p < 1e-6 and point.bootstrap_p < 0.01 for point in report.points)


@pytest.mark.parametrize(
    ("head", "scratch", "factor", "at_least", "at_most"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.9], [0.1, 0.2, 0.3, 0.4, 0.5], 16, True, False),
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.5, 0.6, 0.7, 0.8, 0.9], 1 / 16, False, True),
        ([0.1, 0.2, 0.3, 0.4, 0.5], [0.4, 0.5, 0.6, 0.7, 0.8], 1 / 8, False, False),
        ([0.5] * 5, [0.5] * 5, 1, True, True),
    ],
)
def test_labels_saved_are_those_that_the_same_accuracy_takes(head, scratch, factor, at_least, at_most):
    curves = np.array([head] * 3), np.array([scratch] * 3)
    found = summary.label_saving(*curves, EXAMPLES)
    assert found.factor.value == pytest.approx(factor)
    assert (found.at_least, found.at_most) == (at_least, at_most)
    assert found.scratch_examples / found.head_examples == pytest.approx(factor)
