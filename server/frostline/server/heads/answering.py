"""Answers questions about heads, encoders and examples, in the process that trains; see `training`."""

from functools import partial
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from frostline.server.heads import artifact, evaluation, evaluation_of_labels, evaluation_of_values, examples
from frostline.server.heads.audit_report import Audit
from frostline.server.heads.comparison.comparing import Seen, compare
from frostline.server.heads.drift import drift
from frostline.server.heads.fitted import Fitted, Recipe, Task
from frostline.server.heads.groups import Groups
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.orders import (
    AuditLabels,
    Candidate,
    CompareEncoders,
    Evaluate,
    MeasureDrift,
    MeasureTransfer,
    Question,
    SuggestLabels,
)
from frostline.server.heads.recipes.catalogue import TEMPLATES
from frostline.server.heads.suggestion import Suggestions, suggest
from frostline.server.heads.transfer.measuring import measure
from frostline.server.report import Report


def answer(question: Question, report: Report) -> BaseModel:
    """Answers a question.

    Args:
        question: says in its docstring what the answer is.
        report: told how far it is.
    """
    match question:
        case Evaluate():
            fitted, labelled = artifact.read(question.artifact), examples.load(question.examples)
            return _judged(question, fitted, labelled)
        case CompareEncoders():
            reads = (partial(_candidate, candidate) for candidate in question.candidates)
            return compare(reads, len(question.candidates), report)
        case MeasureTransfer():
            return measure(question, report)
        case MeasureDrift():
            report("comparing", 0.0)
            return drift(_vectors(question.examples), _read(question.inputs), question.limit)
        case AuditLabels():
            return _audited(question, report)
        case SuggestLabels():
            return _suggested(question, report)
        case _:
            assert_never(question)


def _judged(question: Evaluate, fitted: Fitted, labelled: Labelled) -> BaseModel:
    match fitted.task:
        case Task.CLASS:
            groups = None if question.groups is None else Groups.load(question.groups)
            return evaluation.evaluate(fitted, labelled, groups)
        case Task.LABELS:
            return evaluation_of_labels.evaluate(fitted, labelled)
        case Task.VALUE:
            return evaluation_of_values.evaluate(fitted, labelled)
        case _:
            assert_never(fitted.task)


def _candidate(candidate: Candidate) -> tuple[Labelled, Seen]:
    seen = None if candidate.seen is None else np.load(candidate.seen, allow_pickle=False)
    return examples.load(candidate.examples), seen


def _audited(question: AuditLabels, report: Report) -> Audit:
    from frostline.server.heads.audit import audit  # cleanlab takes seconds to load, for which only audits shall wait

    recipe, strength = Recipe.LDA, TEMPLATES[Recipe.LDA].usual
    if question.artifact:
        head = artifact.read(question.artifact)
        recipe, strength = head.recipe, head.strength
    return audit(examples.load(question.examples), recipe, strength, question.limit, report)


def _suggested(question: SuggestLabels, report: Report) -> Suggestions:
    report("selecting", 0.0)
    head = artifact.read(question.artifact) if question.artifact else None
    inputs, known = _read(question.inputs), _read(question.known)
    if question.examples:
        known = np.concatenate([known, _vectors(question.examples)])
    return suggest(inputs, known, head, question.strategy, question.count)


def _vectors(folder: Path) -> NDArray[np.float32]:
    """The vectors of examples, copies and descriptions left out."""
    return examples.load(folder).alone().features


def _read(path: Path) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return vectors
