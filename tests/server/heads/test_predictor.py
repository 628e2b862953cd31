import time

import numpy as np
import pytest

from frostline.server.errors import DataDamaged
from frostline.server.heads import artifact, predictor
from frostline.server.heads.decision import Linear
from frostline.server.heads.fitted import Scope
from frostline.server.heads.predictor import Predictor
from made_heads import KINDS, fitted, unit


def made(tmp_path, kind="linear", **changes):
    artifact.write(tmp_path / "head", fitted(kind, **changes))
    return Predictor(tmp_path / "head")


def probabilities_of(head, features):
    shares = np.exp(head.decision.logits(features) / head.temperature)
    return shares / shares.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_the_likeliest_classes_come_first(tmp_path, kind, limit):
    found = made(tmp_path, kind).predict(unit(40, seed=5), limit)
    expected = probabilities_of(fitted(kind), unit(40, seed=5))
    assert found.labels.shape == (40, min(limit, 3))
    assert found.labels.dtype == np.int32
    np.testing.assert_allclose(found.probabilities, np.take_along_axis(expected, found.labels, axis=1), atol=1e-5)
    np.testing.assert_allclose(found.probabilities, -np.sort(-expected, axis=1)[:, :limit], atol=1e-5)


def test_label_sets_are_the_labels_that_are_likely_enough_the_likeliest_first(tmp_path):
    found = made(tmp_path, set_quantile=0.3, temperature=2.0).predict(unit(40, seed=5), 3)
    ends = np.cumsum(found.set_sizes)
    for row, (start, end) in enumerate(zip(ends - found.set_sizes, ends, strict=True)):
        expected = found.labels[row, found.probabilities[row] >= 0.3]
        assert found.set_labels[start:end].tolist() == expected.tolist()
    assert set(found.set_sizes.tolist()) >= {1, 2}
    assert ends[-1] == len(found.set_labels)


@pytest.mark.parametrize(("quantile", "size"), [(0.0, 3), (0.999, 0)])
def test_a_label_set_may_hold_all_labels_or_none(tmp_path, quantile, size):
    found = made(tmp_path, set_quantile=quantile, temperature=5.0).predict(unit(5))
    assert found.set_sizes.tolist() == [size] * 5
    assert len(found.set_labels) == 5 * size


def test_a_head_abstains_below_its_threshold_only(tmp_path):
    found = made(tmp_path, abstain_threshold=0.8).predict(unit(40, seed=5))
    assert found.abstained.tolist() == (found.probabilities[:, 0] < 0.8).tolist()
    assert 0 < found.abstained.sum() < 40


def test_a_head_may_abstain_always(tmp_path):
    assert made(tmp_path, abstain_threshold=1.1, set_quantile=0.0).predict(unit(5)).abstained.all()


def test_out_of_scope_is_the_share_of_held_out_examples_that_were_closer(tmp_path):
    means = np.eye(3, 16, dtype=np.float32)
    head = made(tmp_path, scope=Scope(means, np.array([0.2, 0.5, 0.5, 0.9], np.float32)))
    cosines = np.array([1.0, 0.95, 0.6, 0.3, 0.1, -1.0])
    features = np.zeros((6, 16))
    features[:, 0], features[:, 7] = cosines, np.sqrt(1 - cosines**2)
    assert head.predict(features.astype(np.float32)).out_of_scope.tolist() == [0, 0, 0.25, 0.75, 1, 1]
    as_close = np.zeros((1, 16), np.float32)
    as_close[0, 3:7] = 0.5
    as_close[0, [0, 3]] = 0.5, 0  # a cosine of 0.5 to the last bit
    assert head.predict(as_close).out_of_scope.tolist() == [0.25]


def test_nothing_is_out_of_scope_where_nothing_was_held_out(tmp_path):
    head = made(tmp_path, scope=Scope(unit(3), np.empty(0, np.float32)))
    assert head.predict(unit(4)).out_of_scope.tolist() == [0] * 4


def test_many_embeddings_are_predicted_in_parts_alike(tmp_path, monkeypatch):
    whole = made(tmp_path).predict(unit(50, seed=5), 2)
    monkeypatch.setattr(predictor, "_VALUES_AT_ONCE", 7 * 16)
    parts = Predictor(tmp_path / "head").predict(unit(50, seed=5), 2)
    for name in whole.__slots__:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-6)
        assert getattr(parts, name).dtype == getattr(whole, name).dtype


def test_no_embeddings_are_no_predictions(tmp_path):
    found = made(tmp_path).predict(unit(1)[:0], 2)
    assert found.labels.shape == (0, 2)
    assert found.set_labels.shape == (0,)


def test_a_damaged_head_does_not_predict(tmp_path):
    made(tmp_path)
    path = tmp_path / "head" / "head.onnx"
    path.write_bytes(path.read_bytes().replace(b"temperature", b"Temperature"))
    with pytest.raises(DataDamaged, match=r"head\.onnx is damaged"):
        Predictor(tmp_path / "head")


def test_one_row_costs_little_beside_the_graph(tmp_path):
    classes = tuple(f"{place:03}" for place in range(77))
    coef = np.random.default_rng(0).standard_normal((77, 384))
    head = made(tmp_path, classes=classes, dimensions=384, decision=Linear(coef, np.zeros(77)))
    row = unit(1, 384)
    begun = time.process_time()
    for _ in range(200):
        head.predict(row)
    assert (time.process_time() - begun) / 200 < 0.001
