"""What the service sends is what sentence-transformers computes, all the way through batching and the wire."""

import json
from pathlib import Path

import numpy as np
import pytest

from bert_reference import assert_parity

REFERENCE = Path(__file__).resolve().parents[1] / "parity" / "minilm_reference.npz"
NAME = "all-minilm-l6-v2"


@pytest.fixture(scope="module")
def reference() -> tuple[list[str], np.ndarray]:
    with np.load(REFERENCE, allow_pickle=False) as arrays:
        return json.loads(str(arrays["texts"])), arrays["vectors"]


@pytest.mark.parametrize("step", [10, pytest.param(1, marks=pytest.mark.full)])
def test_served_embeddings_equal_the_reference(minilm, reference, step):
    texts, vectors = reference[0][::step], reference[1][::step]
    result = minilm.embed(texts, NAME, batch_size=16)
    assert not result.errors
    assert min(result.token_counts) < 10
    assert max(result.token_counts) == 256
    assert any(result.truncated)
    assert_parity(result.vectors, vectors)


@pytest.mark.parametrize("step", [20, pytest.param(4, marks=pytest.mark.full)])
def test_a_text_alone_equals_the_text_among_others(minilm, reference, step):
    texts = reference[0][::step]
    together = minilm.embed(texts, NAME).vectors
    alone = np.concatenate([minilm.embed([text], NAME).vectors for text in texts])
    assert np.abs(alone - together).max() <= 1e-5


def test_narrow_dtypes_stay_close(minilm, reference):
    texts, vectors = reference[0][:16], reference[1][:16]
    for dtype, least in (("float16", 0.99999), ("int8", 0.999), ("binary", 0.7)):
        rows = minilm.embed(texts, NAME, dtype=dtype).vectors
        cosines = (rows * vectors).sum(axis=1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(vectors, axis=1)
        assert cosines.min() >= least


def test_parity_can_fail(minilm, reference):
    texts, vectors = reference
    result = minilm.embed(texts[:4], NAME, prefix="x ")
    with pytest.raises(AssertionError):
        assert_parity(result.vectors, vectors[:4])
