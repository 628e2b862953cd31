"""Trains and judges heads, in a process of its own: `python -m frostline.server.heads.training`.

See `child` for how it is asked and answers, and `orders` for what. A head that was trained is on disk when the answer
comes, {"seconds": 12.3}; whatever was asked is the answer itself.
"""

import time
from typing import assert_never

import numpy as np

from frostline.server import child
from frostline.server.heads import answering, artifact, examples, fitting, merging, regression
from frostline.server.heads.feature_scaling import scaled_examples
from frostline.server.heads.fitted import Fitted, Task
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.moments import Moments
from frostline.server.heads.orders import Making, Merge, Order, Train, Update
from frostline.server.heads.truths import Measured

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
            return answering.answer(question, _say).model_dump(mode="json")


def _fitted(order: Making) -> Fitted:
    match order:
        case Train():
            target = examples.load(order.target) if order.target else None
            return fitting.train(examples.load(order.examples), order.options, _report, target)
        case Update():
            return _updated(order)
        case Merge():
            return merging.merged([artifact.read(part) for part in order.parts])
        case _:
            assert_never(order)


def _updated(order: Update) -> Fitted:
    before, labelled = artifact.read(order.before), examples.load(order.examples)
    moments = before.moments
    if moments and order.removed and order.examples_before:
        gone = examples.load(order.examples_before).rows(np.array(order.removed, np.int64))
        moments = moments.minus(_sums(scaled_examples(gone, before.scaling), before.task))
    if moments and order.added:
        rows = np.arange(len(labelled.targets))[-order.added :]
        moments = moments.plus(_sums(scaled_examples(labelled.rows(rows), before.scaling), before.task))
    return fitting.refit(labelled, before, moments, _report)


def _sums(labelled: Labelled, task: Task) -> Moments:
    return regression.sums(Measured.of(labelled)) if task is Task.VALUE else Moments.of(labelled)


def _report(step: str, done: float) -> None:
    _say(step, _WRITING * done)


def _say(step: str, done: float) -> None:
    child.say(step=step, progress=round(done, 4))


if __name__ == "__main__":
    main()
