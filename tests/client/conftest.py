import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from fake_server import FakeServer, fake_server
from frostline.client import AsyncClient, Client, Retry

QUICK = Retry(initial_seconds=0.001, maximum_seconds=0.002)


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with fake_server() as server:
        yield server


@pytest.fixture
def client(fake: FakeServer) -> Iterator[Client]:
    with Client(fake.target, retry=QUICK, timeout_seconds=20) as client:
        yield client


@pytest.fixture
async def aclient(fake: FakeServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(fake.target, retry=QUICK, timeout_seconds=20) as client:
        yield client
    await asyncio.sleep(0)  # lets gRPC's own tasks end before the loop does
