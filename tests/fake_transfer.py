"""The fake server measures transfer: it says how far it is, and what it always says."""

from fake_calls import Code, fails
from fake_heads import FakeHeads
from frostline.v1 import head_service_pb2 as heads_v1
from frostline.v1 import transfer_report_pb2 as v1
from frostline.v1.interval_pb2 import Interval
from frostline.wire.reasons import Reason


def point(shots, examples, head, scratch, everything=False):
    return v1.TransferPoint(
        shots=shots,
        examples=examples,
        everything=everything,
        head=Interval(value=head, low=head - 0.03, high=head + 0.03),
        scratch=Interval(value=scratch, low=scratch - 0.04, high=scratch + 0.04),
        difference=Interval(value=head - scratch, low=head - scratch - 0.05, high=head - scratch + 0.05),
        head_draws=[head] * 10,
        scratch_draws=[scratch] * 10,
        bootstrap_p=0.0002,
        mcnemar_p=0.0312,
        only_head_right=4.5,
        only_scratch_right=1.25,
    )


REPORT = v1.TransferReport(
    format=1,
    verdict=v1.TRANSFER_VERDICT_POSITIVE,
    reason="Over the whole curve the head is 30.0 points better.",
    encoder="tiny",
    recipe="logistic",
    classes=["cat", "dog"],
    split=v1.TransferSplit(
        training_count=40,
        held_out_count=10,
        training_sha256="aa",
        held_out_sha256="bb",
        draws_sha256="cc",
    ),
    baselines=[
        v1.TransferBaseline(name="HOG and logistic regression", accuracy=0.5, chosen=True),
        v1.TransferBaseline(name="pixels and logistic regression", accuracy=0.25),
    ],
    draws=10,
    points=[point(1, 2, 0.75, 0.25), point(4, 8, 0.875, 0.5), point(20, 40, 0.9375, 0.75, everything=True)],
    higher_start=Interval(value=0.5, low=0.45, high=0.55),
    average=Interval(value=0.3, low=0.25, high=0.35),
    head_slope=Interval(value=0.04, low=0.03, high=0.05),
    scratch_slope=Interval(value=0.1, low=0.08, high=0.12),
    head_growth=v1.TransferGrowth(asymptote=Interval(value=0.96, low=0.95, high=0.99), b=0.3, c=0.5),
    label_saving=v1.LabelSaving(
        factor=Interval(value=20.0, low=10.0, high=20.0),
        accuracy=0.75,
        head_examples=2,
        scratch_examples=40,
        at_least=True,
    ),
    crossover=None,
    seconds=v1.TransferSeconds(head=0.5, scratch=2.0, saved=1.5),
    cost=v1.TransferCost(heads=21, baselines=21, seconds=9.0),
    measured_seconds=8.5,
)
PAGE = "<!doctype html><title>Transfer ≥ none</title>"


class FakeTransfer(FakeHeads):
    """Measures transfer."""

    def MeasureTransfer(self, request, context):
        self._enter("MeasureTransfer", request, context)
        yield heads_v1.MeasureTransferResponse(cost=REPORT.cost if REPORT else None)
        if request.validate_only:
            return
        answers_left = self.breaks["MeasureTransfer"].popleft() if self.breaks["MeasureTransfer"] else -1
        for step, progress in [("waiting", 0.0), ("embedding", 0.125), ("learning", 0.5)]:
            if answers_left == 0:
                fails(Code.UNAVAILABLE, "going away", Reason.SHUTTING_DOWN)(context)
            answers_left -= 1
            yield heads_v1.MeasureTransferResponse(step=step, progress=progress)
        yield heads_v1.MeasureTransferResponse(progress=1.0, report=REPORT, html=PAGE.encode())
