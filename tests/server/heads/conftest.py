"""What tests of heads have in common."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Matrices as small as these take several times longer on several threads."""
    with threadpool_limits(1):
        yield
