import dataclasses

import numpy as np
import onnx
import pytest

from frostline.server.encoders.session import Session
from frostline.server.heads import graph, parity
from frostline.server.heads.decision import Linear, Neighbors
from made_heads import KINDS, decision, fitted, unit

OTHERS = {
    "linear": decision(scale=3.01),
    "perceptron": decision("perceptron", scale=3.01),
    "neighbors": dataclasses.replace(decision("neighbors"), neighbors=6),
}
OUTPUTS = [graph.LOGITS, graph.PROBABILITIES, graph.SCOPE]


def written(tmp_path, head, **options):
    path = tmp_path / "head.onnx"
    model = graph.head_graph(head, **options)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precise", [False, True])
def test_a_graph_computes_what_the_head_computes(tmp_path, kind, precise):
    head, features = fitted(kind), unit(50, seed=7)
    logits, probabilities, scope = Session(written(tmp_path, head, precise=precise), OUTPUTS, "cpu").run(
        {"embeddings": features}
    )
    expected = head.decision.logits(features)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    shares = np.exp(expected / head.temperature)
    np.testing.assert_allclose(probabilities, shares / shares.sum(axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(scope, (features @ head.scope.means.T).max(axis=1), atol=1e-6)
    assert {x.dtype.name for x in (logits, probabilities, scope)} == {"float32"}


def test_closeness_does_not_depend_on_length(tmp_path):
    session = Session(written(tmp_path, fitted()), [graph.SCOPE], "cpu")
    features = unit(5)
    (near,), (far,), (none,) = (session.run({"embeddings": x}) for x in (features, features * 50, features * 0))
    np.testing.assert_allclose(near, far, atol=1e-6)
    assert not none.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_takes_any_number_of_embeddings(tmp_path, kind):
    session = Session(written(tmp_path, fitted(kind)), OUTPUTS, "cpu")
    assert [len(x) for x in session.run({"embeddings": unit(1)[:0]})] == [0, 0, 0]
    assert [len(x) for x in session.run({"embeddings": unit(1)})] == [1, 1, 1]


def test_equally_near_neighbors_are_counted_in_their_order(tmp_path):
    """All vectors are the same: the first three vote."""
    head = fitted("neighbors", decision=Neighbors(np.repeat(unit(1), 8, axis=0), np.array([2, 1, 2, *[0] * 5]), 3, 3))
    (found,) = Session(written(tmp_path, head), [graph.LOGITS], "cpu").run({"embeddings": unit(1)})
    np.testing.assert_allclose(found, np.log([[1 / 3 / 4, (1 + 1 / 3) / 4, (2 + 1 / 3) / 4]]), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_parity_sees_what_was_changed(tmp_path, kind):
    head = fitted(kind)
    path = written(tmp_path, head)
    assert parity.difference(path, head) < 1e-5
    means = dataclasses.replace(head.scope, means=unit(3, seed=8))
    for change in ({"temperature": 0.75}, {"scope": means}, {"decision": OTHERS[kind]}):
        assert parity.difference(path, dataclasses.replace(head, **change)) > 1e-3


def test_parity_is_infinite_where_a_graph_gives_no_numbers(tmp_path):
    head = fitted(decision=Linear(np.full((3, 16), 1e39), np.zeros(3)))
    with np.errstate(over="ignore"):
        path = written(tmp_path, head)
    assert parity.difference(path, head) == np.inf


def test_neighbors_whose_votes_hang_on_the_last_bit_are_not_compared(tmp_path):
    """Each embedding that is asked about has its five nearest behind a tie."""
    head = fitted("neighbors")
    twins = Neighbors(np.repeat(head.decision.vectors, 2, axis=0), np.arange(80) % 3, 3, 5)
    asked = parity._embeddings(head)
    assert not parity._is_settled(twins, asked).any()
    assert parity._is_settled(head.decision, asked[:-1]).all()
    assert parity.difference(written(tmp_path, head), fitted("neighbors", decision=twins)) == 0
