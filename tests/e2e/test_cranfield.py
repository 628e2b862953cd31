"""How well searches find, on a public test collection with graded judgements, all the way through client and server."""

import csv
import json
from collections import defaultdict

import numpy as np
import pytest

from frostline.client import Record

LIMIT = 10


def ndcg(ids, gains):
    """Normalised discounted cumulative gain of ranked ids, with linear gains (Järvelin and Kekäläinen 2002)."""
    discounts = 1 / np.log2(np.arange(2, LIMIT + 2))
    found = np.array([gains.get(each, 0) for each in ids[:LIMIT]])
    best = np.array(sorted(gains.values(), reverse=True)[:LIMIT])
    return float(found @ discounts[: len(found)] / (best @ discounts[: len(best)]))


def test_ndcg_is_one_for_the_best_order_and_less_for_others():
    gains = {"a": 4, "b": 2, "c": 1}
    assert ndcg(["a", "b", "c", "x"], gains) == pytest.approx(1)
    assert ndcg(["x", "a"], {"a": 4}) == pytest.approx(1 / np.log2(3))
    assert ndcg(["c", "b", "a"], gains) < ndcg(["b", "a", "c"], gains) < 1
    assert ndcg(["x"], gains) == ndcg([], gains) == 0


@pytest.fixture(scope="module")
def cranfield(fixtures):
    folder = fixtures / "datasets" / "cranfield"
    documents = [json.loads(line) for line in (folder / "docs.jsonl").read_text().splitlines()]
    queries = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    gains = defaultdict(dict)
    with (folder / "qrels.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            gains[row["query_id"]][row["doc_id"]] = int(row["gain"])
    assert (len(documents), len(queries), len(gains)) == (1400, 225, 225)
    return documents, queries, gains


@pytest.mark.full
def test_cranfield_gives_the_figures_of_the_trials(minilm, cranfield):
    documents, queries, gains = cranfield
    minilm.create_collection("cranfield", encoder="all-minilm-l6-v2")
    records = [Record(each["id"], text=f"{each['title']} {each['text']}") for each in documents]
    assert minilm.upsert("cranfield", records, timeout_seconds=600).count == 1400

    figures = {}
    for mode in ("vector", "keyword", "hybrid"):
        texts = [each["text"] for each in queries]
        results = minilm.search_batch("cranfield", texts, limit=LIMIT, mode=mode, timeout_seconds=120)
        assert not results.errors
        figures[mode] = np.mean(
            [ndcg(hits.ids, gains[query["id"]]) for query, hits in zip(queries, results, strict=True)]
        )
    print({mode: f"{figure:.4f}" for mode, figure in figures.items()})  # noqa: T201 - the figures of the closing note
    assert figures["vector"] == pytest.approx(0.375, abs=0.005)
    assert figures["keyword"] == pytest.approx(0.359, abs=0.005)
    assert figures["hybrid"] >= 0.40
