"""`frostline.server.heads.training` without scikit-learn: what fits and judges is quick and told what to do by options.

`Trainer` runs it where `PROGRAM` says so. The strength tells how it goes: see `train`.
"""

import dataclasses
import os
import sys
import time
from types import ModuleType

from pydantic import BaseModel

from frostline.server.errors import InvalidInput
from frostline.server.heads import examples
from made_heads import fitted

SLOW, REFUSED, BROKEN, GONE, WRONG = 10.0, 11.0, 12.0, 13.0, 14.0
"""Strengths: takes a minute, raises InvalidInput, raises another error, ends, gives a head that cannot be written."""


class Evaluation(BaseModel):
    example_count: int
    threads: str


def train(labelled, options, report, target):
    report("choosing", 0.2)
    match options.strength:
        case 10.0:
            for done in range(600):
                report("fitting", done / 600)
                time.sleep(0.1)
        case 11.0:
            raise InvalidInput("the options do not go together")
        case 12.0:
            raise ZeroDivisionError("nothing to divide by")
        case 13.0:
            os._exit(7)
        case 14.0:
            return fitted(set_quantile=float("nan"))
    report("calibrating", 1.0)
    return fitted(classes=labelled.classes, counts=labelled.counts)


def refit(labelled, before, moments, report):
    """The sums show in the head which examples it is told of."""
    return dataclasses.replace(fitted(classes=moments.classes), moments=moments, train_accuracy=0.5)


def merged(parts):
    moments = parts[0].moments
    for part in parts[1:]:
        moments = moments.plus(part.moments)
    return dataclasses.replace(fitted(classes=moments.classes), moments=moments)


def answer(question, report):
    rows = len(examples.load(question.examples).targets)
    return Evaluation(example_count=rows, threads=os.environ["OMP_NUM_THREADS"])


def put_in_place():
    for name, functions in {"fitting": (train, refit), "merging": (merged,), "answering": (answer,)}.items():
        module = ModuleType(f"frostline.server.heads.{name}")
        vars(module).update({each.__name__: each for each in functions})
        sys.modules[module.__name__] = module
        setattr(sys.modules["frostline.server.heads"], name, module)


if __name__ == "__main__":
    put_in_place()
    from frostline.server.heads import training

    training.main()
