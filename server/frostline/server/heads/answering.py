"""Answers questions about heads, encoders and examples, in the process that trains; see `training`."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

import numpy as np
from pydantic import BaseModel

from frostline.server.child import Report
from frostline.server.heads import artifact, evaluation, evaluation_of_labels, evaluation_of_values, examples
from frostline.server.heads.comparison.comparing import Seen, compare
from frostline.server.heads.fitted import Fitted, Task
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
            return _judge(fitted.task)(fitted, labelled)
        case CompareEncoders():
            reads = (partial(_candidate, candidate) for candidate in question.candidates)
            return compare(reads, len(question.candidates), report)
        case MeasureTransfer():
            return measure(question, report)
        case _:
            assert_never(question)


def _judge(task: Task) -> Callable[[Fitted, Labelled], BaseModel]:
    match task:
        case Task.CLASS:
            return evaluation.evaluate
        case Task.LABELS:
            return evaluation_of_labels.evaluate
        case Task.VALUE:
            return evaluation_of_values.evaluate
        case _:
            assert_never(task)


def _candidate(candidate: Candidate) -> tuple[Labelled, Seen]:
    seen = None if candidate.seen is None else np.load(candidate.seen, allow_pickle=False)
    return examples.load(candidate.examples), seen
