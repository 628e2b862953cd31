"""Trains and judges heads, in a process of its own: `python -m frostline.server.heads.training`.

See `child` for how it is asked and answers, and `orders` for what. A head that was trained is on disk when the answer
comes, {"seconds": 12.3}; an evaluation is the answer.
"""

import time
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from frostline.server import child
from frostline.server.heads import artifact, drift, evaluation, examples, fitting
from frostline.server.heads.audit_report import Audit
from frostline.server.heads.fitted import Fitted, Recipe
from frostline.server.heads.moments import Moments
from frostline.server.heads.orders import (
    AuditLabels,
    Evaluate,
    MeasureDrift,
    Merge,
    Order,
    Question,
    SuggestLabels,
    Train,
    Update,
)
from frostline.server.heads.recipes.catalogue import TEMPLATES
from frostline.server.heads.suggestion import Suggestions, suggest

_WRITING = 0.95


def main() -> None:
    """Does what is asked for on standard input."""
    child.carry_out(Order, _done)


def _done(order: Order) -> dict[str, object]:
    match order.root:
        case Train() | Update() | Merge() as wanted:
            begun = time.monotonic()
            fitted = _fitted(wanted)
            child.say(step="writing", progress=_WRITING)
            artifact.write(wanted.artifact, fitted)
            return {"seconds": time.monotonic() - begun}
        case question:
            return _answer(question).model_dump(mode="json")


def _answer(question: Question) -> BaseModel:
    match question:
        case Evaluate():
            return evaluation.evaluate(artifact.read(question.artifact), examples.load(question.examples))
        case MeasureDrift():
            child.say(step="comparing", progress=0.0)
            return drift.drift(_vectors(question.examples), _read(question.inputs), question.limit)
        case AuditLabels():
            return _audited(question)
        case SuggestLabels():
            return _suggested(question)
        case _:
            assert_never(question)


def _fitted(order: Train | Update | Merge) -> Fitted:
    match order:
        case Train():
            return fitting.train(examples.load(order.examples), order.options, _report)
        case Update():
            return _updated(order)
        case Merge():
            return fitting.merged([artifact.read(part) for part in order.parts])
        case _:
            assert_never(order)


def _updated(order: Update) -> Fitted:
    before, labelled = artifact.read(order.before), examples.load(order.examples)
    moments = before.moments
    if moments and order.removed and order.examples_before:
        gone = examples.load(order.examples_before).rows(np.array(order.removed, np.int64))
        moments = moments.minus(Moments.of(gone))
    if moments and order.added:
        rows = np.arange(len(labelled.targets))[-order.added :]
        moments = moments.plus(Moments.of(labelled.rows(rows)))
    return fitting.refit(labelled, before, moments, _report)


def _audited(question: AuditLabels) -> Audit:
    from frostline.server.heads.audit import audit  # cleanlab takes seconds to load, for which only audits shall wait

    recipe, strength = Recipe.LDA, TEMPLATES[Recipe.LDA].usual
    if question.artifact:
        head = artifact.read(question.artifact)
        recipe, strength = head.recipe, head.strength
    labelled = examples.load(question.examples)
    return audit(labelled, recipe, strength, question.limit, lambda step, done: child.say(step=step, progress=done))


def _suggested(question: SuggestLabels) -> Suggestions:
    child.say(step="selecting", progress=0.0)
    head = artifact.read(question.artifact) if question.artifact else None
    inputs, known = _read(question.inputs), _read(question.known)
    if question.examples:
        known = np.concatenate([known, _vectors(question.examples)])
    return suggest(inputs, known, head, question.strategy, question.count)


def _vectors(folder: Path) -> NDArray[np.float32]:
    """The vectors of examples, descriptions left out."""
    labelled = examples.load(folder)
    return labelled.features[~labelled.described]


def _read(path: Path) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return vectors


def _report(step: str, done: float) -> None:
    child.say(step=step, progress=round(_WRITING * done, 4))


if __name__ == "__main__":
    main()
