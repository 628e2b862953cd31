"""Answers to questions about heads, as messages."""

from collections.abc import Mapping

from frostline.server.heads.audit_report import Audit
from frostline.server.heads.drift import Drift
from frostline.server.heads.suggestion import Strategy, Suggestions
from frostline.v1 import drift_pb2, label_audit_pb2, label_suggestion_pb2
from frostline.v1 import head_service_pb2 as pb

STRATEGIES: Mapping[int, Strategy] = {
    pb.LABEL_STRATEGY_UNCERTAINTY: Strategy.UNCERTAINTY,
    pb.LABEL_STRATEGY_MARGIN: Strategy.MARGIN,
    pb.LABEL_STRATEGY_COVERAGE: Strategy.COVERAGE,
}


def drift_message(version: int, found: Drift, record_ids: Mapping[int, str]) -> drift_pb2.Drift:
    """Writes how far inputs are from examples.

    Args:
        version: of the head.
        found: what was measured.
        record_ids: of inputs that are records, by position.
    """
    return drift_pb2.Drift(
        version=version,
        example_count=found.example_count,
        input_count=found.input_count,
        p_value=found.p_value,
        separability=found.separability,
        expected_score=found.expected_score,
        shifted=[
            drift_pb2.ShiftedInput(
                position=each.position, record_id=record_ids.get(each.position, ""), score=each.score
            )
            for each in found.shifted
        ],
    )


def audit_message(found: Audit, record_ids: Mapping[int, str]) -> label_audit_pb2.LabelAudit:
    """Writes what an audit found.

    Args:
        found: it.
        record_ids: of examples that are records, by position.
    """

    def example(position: int, label: str) -> label_audit_pb2.AuditedExample:
        return label_audit_pb2.AuditedExample(position=position, record_id=record_ids.get(position, ""), label=label)

    return label_audit_pb2.LabelAudit(
        example_count=found.example_count,
        suspect_count=found.suspect_count,
        duplicates_count=found.duplicates_count,
        outlier_count=found.outlier_count,
        suspects=[
            label_audit_pb2.SuspectLabel(
                example=example(each.position, each.label), suggested_label=each.suggested, quality=each.quality
            )
            for each in found.suspects
        ],
        duplicates=[
            label_audit_pb2.DuplicateExamples(
                examples=map(example, each.positions, each.labels), contradictory=each.contradictory
            )
            for each in found.duplicates
        ],
        outliers=[
            label_audit_pb2.OutlyingExample(example=example(each.position, each.label), distance=each.distance)
            for each in found.outliers
        ],
    )


def suggestions_message(
    version: int, found: Suggestions, record_ids: Mapping[int, str]
) -> label_suggestion_pb2.LabelSuggestions:
    """Writes which inputs are worth a label.

    Args:
        version: of the head; 0 without one.
        found: the inputs.
        record_ids: of those that are records, by position.
    """
    return label_suggestion_pb2.LabelSuggestions(
        version=version,
        input_count=found.input_count,
        suggestions=[
            label_suggestion_pb2.LabelSuggestion(
                position=each.position,
                record_id=record_ids.get(each.position, ""),
                score=each.score,
                label=each.label or "",
                probability=each.probability or 0.0,
            )
            for each in found.suggestions
        ],
    )
