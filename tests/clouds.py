"""Labelled embeddings made up: a cloud of unit vectors for each class."""

import numpy as np

from frostline.server.heads.labelled import Labelled


def clouds(*counts, dimensions=16, spread=0.6, seed=0, described=()):
    """Examples of classes `a`, `b` ..., so many of each; classes named in `described` have a description too.

    The clouds are the same for every count and seed; only which points of them there are differs.
    """
    centres = np.random.default_rng(99).standard_normal((len(counts), dimensions))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    classes = tuple(chr(ord("a") + place) for place in range(len(counts)))
    random = np.random.default_rng(seed)
    targets = random.permutation(np.repeat(np.arange(len(counts)), counts))
    noise = random.standard_normal((len(targets), dimensions)) * spread / np.sqrt(dimensions)
    features = np.concatenate([centres[targets] + noise, centres[[classes.index(each) for each in described]]])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    targets = np.concatenate([targets, [classes.index(each) for each in described]]).astype(np.int64)
    is_described = np.arange(len(targets)) >= len(targets) - len(described)
    return Labelled.plain(features.astype(np.float32), targets, classes, is_described)


def with_copies(labelled, count, noise=0.0):
    """The examples, each with so many copies (or as many as a list says), altered by so much."""
    of = np.repeat(np.flatnonzero(labelled.examples), count)
    features = labelled.features[of]
    features = features + noise * np.random.default_rng(1).standard_normal(features.shape)
    return Labelled(
        np.concatenate([labelled.features, features.astype(np.float32)]),
        np.concatenate([labelled.targets, labelled.targets[of]]),
        labelled.classes,
        np.concatenate([labelled.described, np.zeros(len(of), np.bool_)]),
        np.concatenate([labelled.origins, of]),
    )
