from dataclasses import replace

import numpy as np
import pytest

from frostline.server.errors import InvalidInput
from frostline.server.heads.labelled import Labelled
from frostline.server.heads.transfer.draws import Draws


def examples(counts) -> Labelled:
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    features = np.arange(len(targets), dtype=np.float32)[:, np.newaxis]
    return Labelled.plain(features, targets, tuple("abcdef"[: len(counts)]))


def test_half_of_each_class_is_held_out_and_never_learned_from():
    labelled = examples([9, 4, 1])
    draws = Draws.of(labelled, 0, 10)
    assert np.bincount(labelled.targets[draws.held_out], minlength=3).tolist() == [4, 2, 0]
    for order in draws.orders:
        assert sorted([*order.tolist(), *draws.held_out.tolist()]) == list(range(14))


def test_fewer_shots_are_among_more_and_classes_come_in_turn():
    labelled = examples([40, 20, 6])
    draws = Draws.of(labelled, 0, 10)
    assert [(each.each, each.examples) for each in draws.shots] == [
        (1, 3),
        (2, 6),
        (4, 11),
        (8, 19),
        (16, 29),
        (20, 33),
    ]
    for order in draws.orders:
        for shots in draws.shots:
            counts = np.bincount(labelled.targets[order[: shots.examples]], minlength=3)
            assert counts.tolist() == np.minimum([20, 10, 3], shots.each).tolist()
    assert len({order.tobytes() for order in draws.orders}) == 10


def test_held_out_examples_may_be_given():
    draws = Draws.of(examples([8, 8]), 5, 10)
    assert draws.held_out.tolist() == [11, 12, 13, 14, 15]
    assert draws.given
    assert draws.orders.max() == 10


@pytest.mark.parametrize(
    ("counts", "held_out", "message"), [([1, 1], 0, "none can be held out"), ([3, 3], 6, "'a' are held out")]
)
def test_too_few_examples_are_refused(counts, held_out, message):
    with pytest.raises(InvalidInput, match=message):
        Draws.of(examples(counts), held_out, 10)


def test_hashes_tell_splits_apart():
    labelled = examples([6, 6])
    texts = [f"text {row}" for row in range(12)]
    draws = Draws.of(labelled, 0, 10)
    first = draws.split(labelled, texts)
    assert first == Draws.of(labelled, 0, 10).split(labelled, texts)
    assert (first.training_count, first.held_out_count) == (6, 6)
    changed = int(draws.held_out[0])
    others = [text + "!" * (row == changed) for row, text in enumerate(texts)]
    second = draws.split(labelled, others)
    assert second.training_sha256 == first.training_sha256
    assert second.held_out_sha256 != first.held_out_sha256
    vectors = replace(labelled, features=labelled.features + np.float32(1))
    assert draws.split(vectors, texts).training_sha256 != first.training_sha256
    assert Draws.of(labelled, 0, 11).split(labelled, texts).draws_sha256 != first.draws_sha256


def test_texts_that_are_no_utf_8_have_hashes_too():
    labelled = examples([2, 2])
    assert Draws.of(labelled, 0, 10).split(labelled, ["\ud83d"] * 4).training_count == 2
