"""How groups fared, from messages."""

from frostline.client import groups
from frostline.client._from_wire_intervals import interval_of
from frostline.v1 import head_service_pb2 as v1


def comparison_of(message: v1.GroupComparison) -> groups.GroupComparison:
    """How groups of examples fared, from the wire."""
    mitigation = message.mitigation
    return groups.GroupComparison(
        groups=tuple(map(_group_of, message.groups)),
        best=message.best,
        worst=message.worst,
        gap=interval_of(message.gap),
        p_value=message.p_value,
        mitigation=groups.GroupMitigation(
            error=mitigation.error,
            thresholds=tuple(map(_threshold_of, mitigation.thresholds)),
            gap_before=interval_of(mitigation.gap_before) if mitigation.HasField("gap_before") else None,
            gap_after=interval_of(mitigation.gap_after) if mitigation.HasField("gap_after") else None,
        ),
        small={each.group: each.example_count for each in message.small},
    )


def _group_of(message: v1.GroupEvaluation) -> groups.GroupEvaluation:
    return groups.GroupEvaluation(
        group=message.group,
        example_count=message.example_count,
        accuracy=interval_of(message.accuracy),
        macro_f1=interval_of(message.macro_f1),
        calibration_error=message.calibration_error,
        abstained_share=message.abstained_share,
        answered_accuracy=message.answered_accuracy if message.HasField("answered_accuracy") else None,
        set_coverage=message.set_coverage,
    )


def _threshold_of(message: v1.GroupThreshold) -> groups.GroupThreshold:
    return groups.GroupThreshold(
        message.group, message.threshold, _answers_of(message.before), _answers_of(message.after)
    )


def _answers_of(message: v1.GroupAnswers) -> groups.GroupAnswers:
    return groups.GroupAnswers(message.share, message.accuracy if message.HasField("accuracy") else None)
