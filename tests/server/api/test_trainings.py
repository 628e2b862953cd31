import asyncio
import threading

import pytest

from frostline.server.api.trainings import Trainings
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.heads.fitted import TrainingOptions
from frostline.server.heads.versions import HeadConfig, Version


def begun(number):
    return Version.begun(number, HeadConfig(space=EmbeddingSpace.plain(2), options=TrainingOptions()))


async def told(trainings, version, step):
    """Listens until a step is told; returns how much is done."""
    async for now, done in trainings.watch(version):
        if now == step:
            return done
    raise AssertionError(f"{step} was not told")


@pytest.fixture
async def trainings():
    made = Trainings(asyncio.Event())
    yield made
    await made.close()


async def test_nothing_is_said_to_wait_where_nothing_is_before_it(trainings):
    async def work(report):
        await trainings.in_turn(lambda: threading.Event().wait(0.5), report)

    version = begun(1)
    trainings.start(version, work)
    assert [step async for step, _ in trainings.watch(version)] == ["starting"]


async def test_one_training_waits_for_another_and_says_so_and_goes_when_it_is_cancelled(trainings):
    let_go, done = threading.Event(), []
    versions = [begun(number) for number in (1, 2, 3)]

    def train(version):
        async def work(report):
            report("embedding", 0.4)
            await trainings.in_turn(lambda: train_one(version, report), lambda step, _: report(step, 0.5))

        return work

    def train_one(version, report):
        report("fitting", 0.7)
        let_go.wait(30)
        done.append(version.number)

    for version in versions:
        trainings.start(version, train(version))
    assert await told(trainings, versions[0], "fitting") == 0.7
    assert await told(trainings, versions[1], "waiting") == 0.5
    assert await told(trainings, versions[2], "waiting") == 0.5
    await trainings.cancel([versions[1]])
    let_go.set()
    while trainings._running:
        await asyncio.sleep(0.01)
    assert done == [1, 3]
