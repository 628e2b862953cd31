import pytest

from frostline.server.heads.interval import Interval
from frostline.server.heads.transfer.report import LabelSaving, Point, Verdict
from frostline.server.heads.transfer.verdict import decided


def between(low, high) -> Interval:
    return Interval(value=(low + high) / 2, low=low, high=high)


def points(*differences) -> list[Point]:
    return [
        Point(
            shots=1 << place,
            examples=10 << place,
            everything=place == len(differences) - 1,
            head=between(0.5, 0.6),
            scratch=between(0.5, 0.6),
            difference=between(value - 0.01, value + 0.01),
            head_draws=(0.5,) * 10,
            scratch_draws=(0.5,) * 10,
            bootstrap_p=0.01,
            mcnemar_p=0.01,
            only_head_right=3,
            only_scratch_right=1,
        )
        for place, value in enumerate(differences)
    ]


SAVING = LabelSaving(
    factor=between(3, 4), accuracy=0.691, head_examples=20, scratch_examples=70, at_least=True, at_most=False
)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.02, 0.05, Verdict.POSITIVE),
        (0.001, 0.02, Verdict.POSITIVE),
        (0.001, 0.009, Verdict.NEUTRAL),  # better, but by nothing that matters
        (-0.009, 0.009, Verdict.NEUTRAL),
        (-0.009, 0.011, Verdict.INCONCLUSIVE),
        (-0.05, 0.2, Verdict.INCONCLUSIVE),
        (-0.02, -0.001, Verdict.NEGATIVE),
    ],
)
def test_the_interval_decides(low, high, verdict):
    found, reason = decided(between(low, high), points(0.1, 0.1), SAVING, None)
    assert found is verdict
    assert f"{100 * (low + high) / 2:+.1f} points on average" in reason
    assert reason.endswith(".")


def test_no_verdict_holds_for_few_examples_and_for_many():
    found, reason = decided(between(0.03, 0.05), points(0.2, -0.1), SAVING, 14.2)
    assert found is Verdict.INCONCLUSIVE
    assert reason.startswith("With fewer than about 14 examples the head is better, with more learning from scratch")
    _, reason = decided(between(0.03, 0.05), points(-0.1, 0.2), SAVING, 14.2)
    assert reason.startswith("With fewer than about 14 examples learning from scratch is better, with more the head")


def test_the_reason_tells_how_many_labels_are_saved():
    _, reason = decided(between(0.03, 0.05), points(0.2, 0.1), SAVING, None)
    assert "reaches 69.1 % with at least 3.5 times fewer labels" in reason
    _, reason = decided(between(0.03, 0.05), points(0.2, 0.1), SAVING.model_copy(update={"at_least": False}), None)
    assert "with 3.5 times fewer labels" in reason
