import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from frostline.server.batching.batcher import Batcher, Limits
from frostline.server.encoders.bundle import Layer, Manifest
from frostline.server.encoders.encoder import Prepared
from frostline.server.errors import DeadlineExceeded, InvalidInput, Overloaded, ShuttingDown


class Counting:
    """An encoder of texts: the vector of a text is (its length, the layer's number, whether normalised)."""

    device = "cpu"
    fingerprint = "f" * 64

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        layers = tuple(Layer(name=name, dimensions=3, output=name) for name in ("first", "last"))
        self.manifest = Manifest(
            name="counting", modality="text", layers=layers, default_layer="last", normalize=True, max_tokens=512
        )
        self.batches: list[list[int]] = []
        self.gate = threading.Event()  # runs wait for it
        self.gate.set()
        self.running = threading.Event()
        self.at_once, self.most_at_once = 0, 0
        self.prepared = 0

    def prepare(self, contents, prefix="", truncate=None):
        self.prepared += len(contents)
        return [
            InvalidInput(f"{text} is bad") if text.startswith("bad") else _prepared(len(prefix + text))
            for text in contents
        ]

    def run(self, batch: Sequence[Prepared], layer: str, normalize: bool):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.running.set()
        self.gate.wait(10)
        self.batches.append([item.length for item in batch])
        self.at_once -= 1
        if any(item.length == 99 for item in batch):
            raise RuntimeError("ninety-nine")
        return np.array([[item.length, layer == "last", normalize] for item in batch], np.float32)

    def close(self):
        pass


def _prepared(length: int) -> Prepared:
    return Prepared(np.zeros(length, np.int64), length, length, truncated=length > 100)


@pytest.fixture
def encoder():
    return Counting()


async def embed(batcher, encoder, *texts, layer="last", normalize=False, **options):
    return await batcher.embed(encoder, texts, layer=layer, normalize=normalize, **options)


async def held(encoder, batcher, text="x"):
    """A call that has begun to run and goes on once `encoder.gate` is set."""
    encoder.gate.clear()
    encoder.running.clear()
    task = asyncio.create_task(embed(batcher, encoder, text))
    await asyncio.to_thread(encoder.running.wait, 10)
    return task


async def settled(encoder, prepared: int) -> None:
    """Waits until so many inputs are prepared and in their lane."""
    while encoder.prepared < prepared:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)


async def test_rows_come_in_the_order_of_the_inputs_and_bad_ones_fail_alone(encoder):
    made = await embed(Batcher(), encoder, "four", "bad", "sixsix", "x" * 101)
    assert made.vectors[:, 0].tolist() == [4, 0, 6, 101]
    assert list(made.errors) == [1]
    assert made.token_counts == [4, 0, 6, 101]
    assert made.truncated == [False, False, False, True]
    assert made.inference_seconds > 0
    assert made.prepare_seconds > 0


async def test_a_call_without_inputs_gives_an_empty_array(encoder):
    made = await embed(Batcher(), encoder)
    assert made.vectors.shape == (0, 3)


async def test_what_waits_together_runs_together(encoder):
    batcher = Batcher()
    first = await held(encoder, batcher)
    others = [asyncio.create_task(embed(batcher, encoder, "y" * (n + 1))) for n in range(10)]
    await settled(encoder, 11)
    encoder.gate.set()
    results = await asyncio.gather(first, *others)
    assert [made.vectors[0, 0] for made in results] == [1, *range(1, 11)]
    assert encoder.batches == [[1], list(range(1, 11))]


async def test_layers_and_outputs_never_mix_and_prompts_do(encoder):
    batcher = Batcher()
    first = await held(encoder, batcher)
    asked = [("last", False, ""), ("first", False, ""), ("last", True, ""), ("last", False, "query: ")]
    calls = [
        asyncio.create_task(embed(batcher, encoder, "abc", layer=layer, normalize=normalize, prefix=prefix))
        for layer, normalize, prefix in asked
    ]
    await settled(encoder, 5)
    encoder.gate.set()
    rows = [made.vectors[0].tolist() for made in await asyncio.gather(*calls)]
    await first
    assert rows == [[3, 1, 0], [3, 0, 0], [3, 1, 1], [10, 1, 0]]
    assert sorted(encoder.batches[1:]) == [[3], [3], [3, 10]]


async def test_a_device_runs_one_batch_at_a_time_and_devices_run_side_by_side():
    batcher = Batcher(Limits(max_batch_inputs=2))
    one, two = Counting("cuda:0"), Counting("cuda:1")
    held_calls = [await held(one, batcher), await held(two, batcher)]  # both run: neither waits for the other
    more = [asyncio.create_task(embed(batcher, one, *("abcd" * 5))) for _ in range(3)]
    await settled(one, 61)
    for encoder in (one, two):
        encoder.gate.set()
    await asyncio.gather(*held_calls, *more)
    assert one.most_at_once == 1
    assert sum(map(len, one.batches)) == 61


async def test_a_failing_batch_fails_only_those_who_had_inputs_in_it(encoder):
    batcher = Batcher(Limits(max_batch_inputs=1))
    results = await asyncio.gather(
        embed(batcher, encoder, "fine"),
        embed(batcher, encoder, "x" * 99),
        embed(batcher, encoder, "also fine"),
        return_exceptions=True,
    )
    assert isinstance(results[1], RuntimeError)
    assert results[0].vectors[0, 0] == 4
    assert results[2].vectors[0, 0] == 9
    assert (await embed(batcher, encoder, "later")).vectors[0, 0] == 5


async def test_an_encoder_that_returns_the_wrong_shape_fails_its_callers_and_hangs_nobody(encoder):
    encoder.run = lambda batch, layer, normalize: np.zeros((len(batch) + 1, 3), np.float32)
    async with asyncio.timeout(5):
        with pytest.raises(ValueError, match="zip"):
            await embed(Batcher(), encoder, "text")


async def test_a_cancelled_call_never_runs(encoder):
    batcher = Batcher()
    first = await held(encoder, batcher)
    doomed = asyncio.create_task(embed(batcher, encoder, "doomed"))
    kept = asyncio.create_task(embed(batcher, encoder, "kept"))
    await settled(encoder, 3)
    doomed.cancel()
    await asyncio.wait({doomed})
    encoder.gate.set()
    await asyncio.gather(first, kept)
    assert encoder.batches == [[1], [4]]


async def test_a_deadline_that_passes_in_the_queue_ends_the_call_and_it_never_runs(encoder):
    batcher = Batcher()
    first = await held(encoder, batcher)
    deadline = asyncio.get_running_loop().time() + 0.05
    with pytest.raises(DeadlineExceeded):
        await embed(batcher, encoder, "late", deadline=deadline)
    encoder.gate.set()
    await first
    await embed(batcher, encoder, "next")
    assert encoder.batches == [[1], [4]]
    assert encoder.prepared == 3


async def test_overload_is_refused_with_a_hint_and_over_when_the_queue_is(encoder):
    batcher = Batcher(Limits(max_batch_inputs=4, max_waiting_tokens=10))
    first = await held(encoder, batcher)
    waiting = asyncio.create_task(embed(batcher, encoder, "0123456789"))
    await settled(encoder, 2)
    with pytest.raises(Overloaded, match="max_waiting_tokens") as refused:
        await embed(batcher, encoder, "one too many")
    assert 0 < refused.value.retry_after_seconds <= 30
    encoder.gate.set()
    await asyncio.gather(first, waiting)
    await embed(batcher, encoder, "welcome again")


async def test_a_burst_is_counted_before_it_is_prepared(encoder):
    batcher = Batcher(Limits(max_waiting_inputs=8))
    first = await held(encoder, batcher)
    burst = [asyncio.create_task(embed(batcher, encoder, "a", "b")) for _ in range(20)]
    await asyncio.wait(burst, timeout=0.2)
    encoder.gate.set()
    results = await asyncio.gather(*burst, return_exceptions=True)
    await first
    assert sum(isinstance(result, Overloaded) for result in results) == 16


async def test_the_hint_grows_with_what_waits(encoder):
    hints = []
    for tokens in (20_000, 60_000):
        batcher = Batcher(Limits(max_batch_tokens=100_000, max_waiting_tokens=1000))
        first = await held(encoder, batcher)
        waiting = asyncio.create_task(embed(batcher, encoder, "x" * tokens))
        await settled(encoder, 2)
        with pytest.raises(Overloaded) as refused:
            await embed(batcher, encoder, "y")
        hints.append(refused.value.retry_after_seconds)
        encoder.gate.set()
        await asyncio.gather(first, waiting)
        encoder.prepared = 0
    assert hints[1] == pytest.approx(3 * hints[0])


async def test_a_patient_call_waits_for_room(encoder):
    batcher = Batcher(Limits(max_waiting_inputs=2))
    first = await held(encoder, batcher)
    waiting = asyncio.create_task(embed(batcher, encoder, "a", "b"))
    await settled(encoder, 3)
    patient = asyncio.create_task(embed(batcher, encoder, "patience", patient=True))
    await asyncio.sleep(0.05)
    assert encoder.prepared == 3
    encoder.gate.set()
    made = (await asyncio.gather(first, waiting, patient))[2]
    assert made.vectors[0, 0] == 8


async def test_a_large_call_is_prepared_while_it_runs_and_never_all_at_once(encoder):
    """10,000 images in one call must not lie decoded in memory together."""
    batcher = Batcher(Limits(max_waiting_inputs=128))
    encoder.gate.clear()
    call = asyncio.create_task(embed(batcher, encoder, *["x" * (n % 50 + 1) for n in range(1000)]))
    await settled(encoder, 128)
    assert encoder.prepared < 500
    assert encoder.running.is_set()
    encoder.gate.set()
    made = await call
    assert made.vectors[:, 0].tolist() == [n % 50 + 1 for n in range(1000)]


async def test_the_next_batch_is_ready_before_the_running_one_ends_when_enough_waits(encoder):
    batcher = Batcher(Limits(max_batch_inputs=4))
    first = await held(encoder, batcher)
    more = asyncio.create_task(embed(batcher, encoder, *"abcdefgh"))
    await settled(encoder, 9)
    lane = batcher._lanes["cpu"]
    assert lane.inputs == 4  # one batch of four is formed, four inputs still wait
    encoder.gate.set()
    await asyncio.gather(first, more)


async def test_draining_finishes_what_was_accepted_and_refuses_the_rest(encoder):
    batcher = Batcher()
    first = await held(encoder, batcher)
    second = asyncio.create_task(embed(batcher, encoder, "accepted"))
    await settled(encoder, 2)
    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    with pytest.raises(ShuttingDown):
        await embed(batcher, encoder, "too late")
    assert not draining.done()
    encoder.gate.set()
    assert [made.vectors[0, 0] for made in await asyncio.gather(first, second)] == [1, 8]
    await draining
