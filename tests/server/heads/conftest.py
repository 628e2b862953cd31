"""What tests of heads have in common."""

import pytest
import sklearn.linear_model  # noqa: F401 - only libraries that are loaded can be limited, and code loads it late
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Matrices as small as these take several times longer on several threads."""
    with threadpool_limits(1):
        yield
