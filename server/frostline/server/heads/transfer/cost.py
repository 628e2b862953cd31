"""What measuring takes, said before it begins."""

import numpy as np

from frostline.server.heads.fitted import Recipe, TrainingOptions
from frostline.server.heads.transfer.draws import Draws
from frostline.server.heads.transfer.report import Cost

_ITERATED = frozenset({Recipe.AUTO, Recipe.LOGISTIC, Recipe.LINEAR_SVM, Recipe.PERCEPTRON})
"""Recipes that go over the examples again and again."""
_TRIED_FITS, _MOST_TRIED_ROWS = 16, 3_000
"""Fits of all examples that choosing is worth, and on how many examples."""
_SECONDS_PER_WEIGHT = 1.5e-7
"""Of a fit, for each example, dimension and class; measured on one busy core, and rough."""
_TEXT_DIMENSIONS, _IMAGE_DIMENSIONS = 256, 1_764
_SECONDS_PER_IMAGE = 0.02


def estimated(draws: Draws, classes: int, dimensions: int, options: TrainingOptions, *, of_images: bool) -> Cost:
    """Says what measuring takes.

    Args:
        draws: what is to be learned from.
        classes: how many there are.
        dimensions: of the embeddings.
        options: of the heads.
        of_images: whether the contents are image files.
    """
    count = len(draws.orders)
    examples = np.array([each.examples for each in draws.shots])
    learned = count * int(examples[:-1].sum()) + int(examples[-1])
    tried = _TRIED_FITS * int(np.minimum(examples, _MOST_TRIED_ROWS).sum())
    head = (learned + (0 if options.strength else tried)) * dimensions if options.recipe in _ITERATED else 0
    scratch = (learned + tried) * (_IMAGE_DIMENSIONS if of_images else _TEXT_DIMENSIONS)
    decoding = _SECONDS_PER_IMAGE * (draws.orders.shape[1] + len(draws.held_out)) if of_images else 0.0
    fits = count * (len(examples) - 1) + 1
    return Cost(heads=fits, baselines=fits, seconds=_SECONDS_PER_WEIGHT * classes * (head + scratch) + decoding)
