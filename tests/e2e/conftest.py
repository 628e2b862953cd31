from collections.abc import Iterator

import pytest

from frostline.client import Client
from serving import RunningServer, running_server


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests that only read or name their own collections and encoders."""
    with running_server(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture(scope="session")
def minilm(served: RunningServer) -> Iterator[Client]:
    with Client(served.target) as client:
        client.get_encoder("all-minilm-l6-v2")
        yield client
