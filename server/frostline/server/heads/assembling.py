"""Puts a head together from a decision: how far it is to be trusted, and what it keeps."""

import numpy as np

from frostline.server.heads.abstention import scope
from frostline.server.heads.confidence import Confidence, inherited, tested, train_accuracy, untested
from frostline.server.heads.decision import Decision
from frostline.server.heads.fitted import EXACT, Fitted, Scope, TrainingOptions, Trial
from frostline.server.heads.held_out import Learn, held_out
from frostline.server.heads.lesson import Lesson
from frostline.server.report import Report, part_of

CHOSEN, FITTED = 0.5, 0.6
"""The done share after choosing and after fitting."""
FEW_ROWS = 3_000
_PARTS, _PARTS_OF_FEW = 5, 10
"""How many parts are held out in turn. With few examples it tells how much a decision has seen of them: one that has
seen less is less sure than the one that predicts.
"""


def assembled(
    lesson: Lesson,
    pinned: TrainingOptions,
    decision: Decision,
    learn: Learn,
    trials: tuple[Trial, ...],
    before: Fitted | None,
    report: Report,
) -> Fitted:
    """The head of a decision.

    Args:
        lesson: what the decision was learned from.
        pinned: with the recipe and the strength that it was learned with.
        decision: the decision.
        learn: learns such a decision of other lessons.
        trials: what was tried; the outcome of calibrating stands for it where nothing was.
        before: the head that this one replaces. Its confidence is taken over where no example can be held out, and
            where most of what is known is not at hand, as of a merged head.
        report: told how far it is.
    """
    labelled, recipe, strength = lesson.labelled, pinned.recipe, pinned.strength or 1.0
    confidence = _confidence(lesson, pinned, decision, learn, before, report)
    if not trials and confidence.log_loss is not None:
        trials = (Trial(recipe=recipe, strength=strength, log_loss=confidence.log_loss),)
    described = np.bincount(labelled.targets[labelled.described], minlength=len(labelled.classes))
    report("calibrating", 1.0)
    return Fitted(
        classes=labelled.classes,
        counts=np.rint(lesson.moments.counts).astype(np.int64) - described,
        recipe=recipe,
        strength=strength,
        balance_classes=pinned.balance_classes,
        decision=decision,
        temperature=confidence.temperature,
        abstain_error=pinned.abstain_error,
        abstain_threshold=confidence.abstain_threshold,
        coverage=pinned.coverage,
        set_quantile=confidence.set_quantile,
        scope=_scope(lesson, before),
        moments=lesson.moments if recipe in EXACT else None,
        trials=trials,
        held_out_accuracy=confidence.accuracy,
        train_accuracy=train_accuracy(decision, labelled),
        scaling=pinned.scaling,
        whiten=pinned.whiten,
    )


def _confidence(
    lesson: Lesson,
    pinned: TrainingOptions,
    decision: Decision,
    learn: Learn,
    before: Fitted | None,
    report: Report,
) -> Confidence:
    if before is not None and not _mostly_at_hand(lesson):
        return inherited(before)
    calibrating = part_of(report, FITTED, 1)
    parts = _PARTS_OF_FEW if _at_hand(lesson) <= FEW_ROWS else _PARTS
    outcomes = held_out(lesson, learn, parts, pinned.balance_classes, lambda done: calibrating("calibrating", done))
    if outcomes:
        return tested(outcomes[0], pinned.abstain_error, pinned.coverage)
    if before is not None:
        return inherited(before)
    return untested(decision, lesson.labelled, pinned.abstain_error, pinned.coverage)


def _scope(lesson: Lesson, before: Fitted | None) -> Scope:
    seen = scope(lesson.labelled, lesson.moments)
    if before is None or (len(seen.held_out) and _mostly_at_hand(lesson)):
        return seen
    return Scope(seen.means, before.scope.held_out)


def _mostly_at_hand(lesson: Lesson) -> bool:
    return 2 * _at_hand(lesson) >= float(lesson.moments.counts.sum())


def _at_hand(lesson: Lesson) -> int:
    """Examples and descriptions at hand."""
    return int(np.count_nonzero(lesson.labelled.originals))
