import json

import numpy as np
import pytest


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; ties share their mean, as Spearman's correlation wants."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def test_spearman_shares_ranks_among_ties():
    assert ranks(np.array([3.0, 1.0, 3.0])).tolist() == [2.5, 1.0, 2.5]
    assert spearman(np.array([1, 2, 3, 4]), np.array([1, 3, 2, 9])) == pytest.approx(0.8)


@pytest.mark.full
def test_the_sts_benchmark_gives_the_published_figure(minilm, fixtures):
    lines = (fixtures / "datasets" / "stsbenchmark" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = [json.loads(line) for line in lines]
    assert len(pairs) == 1379
    left = minilm.embed([pair["sentence1"] for pair in pairs], "all-minilm-l6-v2").vectors
    right = minilm.embed([pair["sentence2"] for pair in pairs], "all-minilm-l6-v2").vectors
    figure = 100 * spearman((left * right).sum(axis=1), np.array([pair["score"] for pair in pairs]))
    print(f"STS-B test Spearman {figure:.2f}")  # noqa: T201 - the figure of the closing note
    assert figure >= 82.0
