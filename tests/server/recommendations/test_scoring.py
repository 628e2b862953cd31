from types import SimpleNamespace

import numpy as np
import pytest

from frostline.server.recommendations.features import FeatureMap
from frostline.server.recommendations.scoring import _closeness
from frostline.server.recommendations.strategies import examples
from frostline.server.recommendations.taste import Taste

DIMENSIONS = (3, 5)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("slot", [None, 0, 1])
def test_records_are_compared_by_one_vector_or_the_mean_of_all(slot: int | None) -> None:
    rng = np.random.default_rng(0)
    by_slot = [rng.normal(size=(6, each)).astype(np.float32) for each in DIMENSIONS]
    features = FeatureMap(dimensions=DIMENSIONS)
    state = SimpleNamespace(items=SimpleNamespace(features=features, matrix=features.vectors(by_slot)))
    none = np.zeros((0, sum(DIMENSIONS)), np.float32)
    taste = Taste(np.array([2]), np.ones(1, np.float32), none, np.zeros(0, np.float32))
    cosines = [_unit(vectors) @ _unit(vectors)[2] for vectors in by_slot]
    wanted = np.mean(cosines, axis=0) if slot is None else cosines[slot]
    found = _closeness(state, taste, examples.sum_scores, slot)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
