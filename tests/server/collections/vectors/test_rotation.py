"""Vectors turned into the dimensions in which they differ."""

import numpy as np
import pytest

from frostline.server.collections.vectors.rotation import rotation


def near_a_plane(dimensions=20, noise=0.01):
    """Vectors about a point far from zero that differ in 3 directions, and a little in all."""
    random = np.random.default_rng(0)
    plane = np.linalg.qr(random.standard_normal((dimensions, 3)))[0]
    vectors = 5 + random.standard_normal((4_000, 3)) @ plane.T + noise * random.standard_normal((4_000, dimensions))
    return vectors.astype(np.float32)


def distances(vectors):
    return np.linalg.norm(vectors[:, None] - vectors[None], axis=2)


def test_directions_without_differences_are_left_out():
    vectors = near_a_plane()
    matrix = rotation(vectors)
    assert matrix.shape == (8, 20)
    assert matrix.dtype == np.float32
    assert matrix @ matrix.T == pytest.approx(np.eye(8), abs=1e-5)
    assert distances(vectors[:50] @ matrix.T) == pytest.approx(distances(vectors[:50]), abs=0.1)


def test_what_is_left_differs_as_much_in_every_dimension():
    vectors = np.random.default_rng(1).standard_normal((4_000, 16)).astype(np.float32) * np.geomspace(1, 9, 16)
    spread = (vectors.astype(np.float32) @ rotation(vectors.astype(np.float32)).T).std(axis=0)
    assert spread.max() < 4 * spread.min()


@pytest.mark.parametrize("dimensions", [1, 7, 20])
def test_nothing_is_left_out_where_all_is_to_be_kept(dimensions):
    vectors = np.random.default_rng(2).standard_normal((300, dimensions)).astype(np.float32)
    matrix = rotation(vectors, keep_all=True)
    assert matrix.shape == (-(-dimensions // 8) * 8, dimensions)
    assert matrix.T @ matrix == pytest.approx(np.eye(dimensions), abs=1e-5)


def test_equal_vectors_are_turned_too():
    assert np.isfinite(rotation(np.ones((100, 8), np.float32))).all()
