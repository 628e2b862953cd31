"""What is done to each embedding before a head learns from it or predicts.

It depends on no other embedding, so updates and merges stay exact, and the head's graph does it too.
"""

from dataclasses import replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from frostline.server.heads.decision import unit
from frostline.server.heads.labelled import Labelled


class FeatureScaling(StrEnum):
    """How values are brought to scale.

    AUTO stands for the choice of NONE or, where no value is negative, SQUARE_ROOT. SQUARE_ROOT takes the root of
    each value, its sign kept, and then makes vectors as long as one: values that were rectified and averaged, as those
    of image encoders, are skewed, and the largest ones drown the others.

    Source: Arandjelovic and Zisserman 2012, section 2 (RootSIFT); Hu et al. 2021, section 3.1 (power transform).
    """

    AUTO = "auto"
    NONE = "none"
    UNIT_LENGTH = "unit_length"
    SQUARE_ROOT = "square_root"


def scaled(features: NDArray[np.float32], scaling: FeatureScaling) -> NDArray[np.float32]:
    """Scales embeddings.

    Args:
        features: float32 of shape (n, d).
        scaling: how; not AUTO.

    Returns:
        float32 of shape (n, d).
    """
    match scaling:
        case FeatureScaling.NONE:
            return features
        case FeatureScaling.UNIT_LENGTH:
            return unit(features)
        case FeatureScaling.SQUARE_ROOT:
            return unit(np.sign(features) * np.sqrt(np.abs(features)))
        case FeatureScaling.AUTO:
            raise ValueError("a scaling is to be chosen before anything is scaled")


def scaled_examples(labelled: Labelled, scaling: FeatureScaling) -> Labelled:
    """The examples, their embeddings scaled."""
    return replace(labelled, features=scaled(labelled.features, scaling))


def choices(features: NDArray[np.float32], asked: FeatureScaling) -> tuple[FeatureScaling, ...]:
    """What to choose from; the first is taken where nothing can be held out."""
    if asked is not FeatureScaling.AUTO:
        return (asked,)
    if features.min(initial=0) < 0:
        return (FeatureScaling.NONE,)
    return (FeatureScaling.NONE, FeatureScaling.SQUARE_ROOT)
