import numpy as np
import pytest

from frostline.server.encoders.space import EmbeddingSpace, Pooling

UNIT = EmbeddingSpace("f", "layer", Pooling.NONE, 3, normalize=True)


@pytest.mark.parametrize("scale", [1e-44, 1e-25, 1.0, 1e20, 4e37])
def test_vectors_of_any_size_get_unit_length(scale):
    unit = UNIT.fit(np.array([[3, -4, 0, 7]], np.float32) * np.float32(scale))
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, [[0.6, -0.8, 0]], atol=0.1 if scale < 1e-40 else 1e-6)  # a subnormal has few bits
    assert np.linalg.norm(unit) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
def test_a_row_that_is_not_finite_stays_so_and_spoils_no_other(value):
    unit = UNIT.fit(np.array([[1, value, 2], [0, 0, 0], [0, 2, 0]], np.float32))
    assert not np.isfinite(unit[0]).all()
    assert unit[1:].tolist() == [[0, 0, 0], [0, 1, 0]]
