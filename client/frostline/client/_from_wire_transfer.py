"""Reports on transfer, from messages."""

from frostline.client import transfer
from frostline.client._from_wire_intervals import interval_of
from frostline.client._names import TRANSFER_VERDICTS, name_of
from frostline.v1 import transfer_report_pb2 as v1


def report_of(message: v1.TransferReport, html: bytes) -> transfer.TransferReport:
    """A report from the wire, with its page."""
    split, seconds = message.split, message.seconds
    return transfer.TransferReport(
        format=message.format,
        verdict=name_of(TRANSFER_VERDICTS, message.verdict),
        reason=message.reason,
        encoder=message.encoder,
        recipe=message.recipe,
        classes=tuple(message.classes),
        split=transfer.TransferSplit(
            training_count=split.training_count,
            held_out_count=split.held_out_count,
            given=split.given,
            training_sha256=split.training_sha256,
            held_out_sha256=split.held_out_sha256,
            draws_sha256=split.draws_sha256,
        ),
        baselines=tuple(map(_baseline_of, message.baselines)),
        draws=message.draws,
        points=tuple(map(_point_of, message.points)),
        higher_start=interval_of(message.higher_start),
        average=interval_of(message.average),
        head_slope=interval_of(message.head_slope),
        scratch_slope=interval_of(message.scratch_slope),
        head_growth=_growth_of(message.head_growth) if message.HasField("head_growth") else None,
        scratch_growth=_growth_of(message.scratch_growth) if message.HasField("scratch_growth") else None,
        higher_asymptote=interval_of(message.higher_asymptote) if message.HasField("higher_asymptote") else None,
        label_saving=_label_saving_of(message.label_saving),
        crossover=message.crossover if message.HasField("crossover") else None,
        seconds=transfer.TransferSeconds(
            head=seconds.head,
            embedding=seconds.embedding if seconds.HasField("embedding") else None,
            scratch=seconds.scratch,
            saved=seconds.saved,
        ),
        cost=transfer_cost_of(message.cost),
        measured_seconds=message.measured_seconds,
        html=html.decode(),
    )


def transfer_cost_of(message: v1.TransferCost) -> transfer.TransferCost:
    """What measuring takes, from the wire."""
    return transfer.TransferCost(heads=message.heads, baselines=message.baselines, seconds=message.seconds)


def _baseline_of(message: v1.TransferBaseline) -> transfer.TransferBaseline:
    accuracy = message.accuracy if message.HasField("accuracy") else None
    return transfer.TransferBaseline(name=message.name, accuracy=accuracy, chosen=message.chosen)


def _point_of(message: v1.TransferPoint) -> transfer.TransferPoint:
    return transfer.TransferPoint(
        shots=message.shots,
        examples=message.examples,
        everything=message.everything,
        head=interval_of(message.head),
        scratch=interval_of(message.scratch),
        difference=interval_of(message.difference),
        head_draws=tuple(message.head_draws),
        scratch_draws=tuple(message.scratch_draws),
        bootstrap_p=message.bootstrap_p,
        mcnemar_p=message.mcnemar_p,
        only_head_right=message.only_head_right,
        only_scratch_right=message.only_scratch_right,
    )


def _growth_of(message: v1.TransferGrowth) -> transfer.TransferGrowth:
    return transfer.TransferGrowth(asymptote=interval_of(message.asymptote), b=message.b, c=message.c)


def _label_saving_of(message: v1.LabelSaving) -> transfer.LabelSaving:
    return transfer.LabelSaving(
        factor=interval_of(message.factor),
        accuracy=message.accuracy,
        head_examples=message.head_examples,
        scratch_examples=message.scratch_examples,
        at_least=message.at_least,
        at_most=message.at_most,
    )
