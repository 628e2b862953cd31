"""A server killed while it trains a head: the earlier version serves, and the new one says what became of it."""

import numpy as np
import pytest

from frostline.client import Client, FailedPrecondition
from serving import start_server


def points(n):
    draw = np.random.default_rng(n)
    labels = [f"class {row % 20}" for row in range(n)]
    return draw.standard_normal((n, 64)).astype(np.float32) + np.eye(64)[np.arange(n) % 20], labels


def test_the_earlier_version_serves_and_the_interrupted_one_has_failed(tmp_path):
    vectors, labels = points(200)
    many, their_labels = points(20_000)
    server = start_server(tmp_path / "data", encoders=[])
    with Client(server.target) as client:
        client.train_head("sides", vectors=vectors, labels=labels, recipe="ridge")
        before = client.predict("sides", vectors[:5])
        begun = client.train_head("sides", vectors=many, labels=their_labels, wait=False)
        assert (begun.serving_version, begun.versions[0].state) == (1, "training")
        client.train_head("new", vectors=many, labels=their_labels, wait=False)
        server.kill()
    server = start_server(tmp_path / "data", encoders=[])
    try:
        with Client(server.target) as client:
            head = client.get_head("sides")
            assert [(each.version, each.state) for each in head.versions] == [(2, "failed"), (1, "ready")]
            assert head.versions[0].failure.startswith("interrupted")
            assert [each.probability for each in client.predict("sides", vectors[:5])] == [
                each.probability for each in before
            ]
            with pytest.raises(FailedPrecondition, match="version 1 failed: interrupted"):
                client.predict("new", vectors[:5])
    finally:
        server.stop()
