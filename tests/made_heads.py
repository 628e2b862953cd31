"""Heads that were not trained: of weights that were drawn, in milliseconds and without scikit-learn."""

import numpy as np

from frostline.server.heads.decision import Linear, Neighbors, Perceptron
from frostline.server.heads.examples import check
from frostline.server.heads.fitted import Fitted, Recipe, Scope, Trial
from frostline.server.heads.moments import Moments

DIMENSIONS = 16
CLASSES = ("a", "b", "c")
KINDS = ("linear", "perceptron", "neighbors")


def unit(rows, dimensions=DIMENSIONS, seed=0):
    drawn = np.random.default_rng(seed).standard_normal((rows, dimensions))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def labelled(rows=30, classes=CLASSES, seed=0, dimensions=DIMENSIONS):
    return check(unit(rows, dimensions, seed), [classes[row % len(classes)] for row in range(rows)])


def decision(kind="linear", classes=3, scale=3.0, dimensions=DIMENSIONS):
    draw = np.random.default_rng(1).standard_normal
    match kind:
        case "linear":
            return Linear(scale * draw((classes, dimensions)), draw(classes))
        case "perceptron":
            return Perceptron(scale * draw((8, dimensions)), draw(8), scale * draw((classes, 8)), draw(classes))
        case "neighbors":
            return Neighbors(unit(40, dimensions, seed=2), np.arange(40) % classes, classes, 5)


def fitted(kind="linear", *, classes=CLASSES, dimensions=DIMENSIONS, **changes):
    examples = labelled(10 * len(classes), classes, dimensions=dimensions)
    fields = {
        "classes": classes,
        "counts": examples.counts,
        "recipe": {"linear": Recipe.RIDGE, "perceptron": Recipe.PERCEPTRON, "neighbors": Recipe.NEAREST_NEIGHBORS}[
            kind
        ],
        "strength": 1.5,
        "balance_classes": False,
        "decision": decision(kind, len(classes), dimensions=dimensions),
        "temperature": 0.7,
        "abstain_error": 0.05,
        "abstain_threshold": 0.5,
        "coverage": 0.9,
        "set_quantile": 0.2,
        "scope": Scope(unit(len(classes), dimensions, seed=3), np.linspace(0.1, 0.9, 9, dtype=np.float32)),
        "moments": Moments.of(examples) if kind == "linear" else None,
        "trials": (Trial(recipe=Recipe.RIDGE, strength=1.5, log_loss=0.3),),
        "held_out_accuracy": 0.75,
        "train_accuracy": None,
    }
    return Fitted(**(fields | changes))


def begun(heads, name, config, given=None):
    """A head with a version that was begun, its examples beside it."""
    head = heads.begin(name, config)
    heads.keep_examples(name, head.versions[0], given or labelled())
    return head
