"""Findings about the data around heads, from messages."""

from frostline.client import findings
from frostline.v1 import drift_pb2, label_audit_pb2, label_suggestion_pb2


def drift_of(message: drift_pb2.Drift) -> findings.Drift:
    """How far inputs are from examples, from the wire."""
    return findings.Drift(
        version=message.version,
        example_count=message.example_count,
        input_count=message.input_count,
        p_value=message.p_value,
        separability=message.separability,
        expected_score=message.expected_score,
        shifted=tuple(findings.ShiftedInput(each.position, each.record_id, each.score) for each in message.shifted),
    )


def audit_of(message: label_audit_pb2.LabelAudit) -> findings.LabelAudit:
    """What an audit found, from the wire."""
    return findings.LabelAudit(
        example_count=message.example_count,
        suspect_count=message.suspect_count,
        duplicates_count=message.duplicates_count,
        outlier_count=message.outlier_count,
        suspects=tuple(
            findings.SuspectLabel(_example_of(each.example), each.suggested_label, each.quality)
            for each in message.suspects
        ),
        duplicates=tuple(
            findings.DuplicateExamples(tuple(map(_example_of, each.examples)), each.contradictory)
            for each in message.duplicates
        ),
        outliers=tuple(findings.OutlyingExample(_example_of(each.example), each.distance) for each in message.outliers),
    )


def suggestions_of(message: label_suggestion_pb2.LabelSuggestions) -> list[findings.LabelSuggestion]:
    """Inputs worth a label, from the wire."""
    return [
        findings.LabelSuggestion(each.position, each.record_id, each.score, each.label, each.probability)
        for each in message.suggestions
    ]


def _example_of(message: label_audit_pb2.AuditedExample) -> findings.AuditedExample:
    return findings.AuditedExample(message.position, message.record_id, message.label)
