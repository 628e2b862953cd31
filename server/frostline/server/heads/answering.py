"""Answers questions about heads, encoders and examples, in the process that trains; see `training`."""

from functools import partial
from typing import assert_never

import numpy as np
from pydantic import BaseModel

from frostline.server.child import Report
from frostline.server.heads import artifact, evaluation, evaluation_of_labels, evaluation_of_values, examples
from frostline.server.heads.comparison.comparing import Seen, compare
from frostline.server.heads.fitted import Fitted, Task
from frostline.server.heads.groups import Groups
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.orders import Candidate, CompareEncoders, Evaluate, MeasureTransfer, Question
from frostline.server.heads.transfer.measuring import measure


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
