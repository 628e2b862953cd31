"""The simplest view that could be right: records in lists, every search over all of them."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from frostline.server.collections.config import CollectionConfig, Metric, VectorField
from frostline.server.collections.search.query import Step
from frostline.server.collections.search.search_port import Matching, Ranking
from frostline.server.encoders.space import EmbeddingSpace
from frostline.server.errors import DataDamaged


@dataclass
class Entry:
    """A record; `vectors` by slot, those it lacks left out."""

    id: str
    vectors: dict[int, Any] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)
    text: str = ""


class ExactView:
    """Stands for the store; a filter is any function of a payload. `calls` counts what was asked of it."""

    def __init__(self, entries, metrics=(Metric.COSINE,), dimensions=3):
        self.entries = {7 + 3 * place: entry for place, entry in enumerate(entries)}
        space = EmbeddingSpace.plain(dimensions)
        fields = tuple(VectorField(name=f"v{slot}", space=space, metric=each) for slot, each in enumerate(metrics))
        self.config = CollectionConfig(id="notes", vectors=fields, create_time=datetime(2026, 1, 1, tzinfo=UTC))
        self.dimensions = dimensions
        self.sequence = 42
        self.damaged = set()
        self.calls = []
        self.recall = 1.0
        self.declared = set()

    @property
    def count(self):
        return len(self.entries)

    def matching(self, expression):
        rows = {row for row, entry in self.entries.items() if expression(entry.payload)}
        return Matching(len(rows), False, ("n",), rows)

    def outside_groups(self, path, groups, matching=None):
        self.calls.append(("outside_groups", path, len(groups)))
        if path not in self.declared:
            return None
        rows = set(self.entries) if matching is None else matching.rows
        full = {json.loads(group) for group in groups}
        left = {row for row in rows if self.entries[row].payload.get(path[0]) not in full}
        return Matching(len(left), True, (), left)

    def nearest(self, slot, queries, k, matching=None, *, exact=False):
        self.calls.append(("nearest", slot, len(queries), k))
        assert queries.dtype == np.float32
        return self._ranking([self._scored(slot, query, matching)[:k] for query in queries], "nearest")

    def within(self, slot, query, min_score, most, matching=None):
        self.calls.append(("within", slot, 1, most))
        found = [each for each in self._scored(slot, query, matching) if each[1] >= np.float32(min_score)]
        return self._ranking([found[:most]], "within")

    def keywords(self, text, k, matching=None):
        self.calls.append(("keywords", text, 1, k))
        words = set(text.split())
        scores = {row: len(words & set(entry.text.split())) for row, entry in self.entries.items()}
        found = [(row, np.float32(score)) for row, score in scores.items() if score and _lets(matching, row)]
        return self._ranking([sorted(found, key=_best_first)[:k]], "keywords")

    def vectors(self, slot, internal_ids):
        nothing = np.full(self.dimensions, np.nan)
        found = [self.entries[row].vectors.get(slot, nothing) for row in internal_ids.tolist()]
        vectors = np.array(found, np.float32).reshape(-1, self.dimensions)
        if self.config.vectors[slot].metric is Metric.COSINE:
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def record_ids(self, internal_ids):
        self.calls.append(("record_ids", len(internal_ids)))
        return [self.entries[row].id for row in internal_ids.tolist()]

    def internal_ids(self, record_ids):
        wanted = set(record_ids)
        return np.array([row for row, entry in self.entries.items() if entry.id in wanted], np.int64)

    def payloads(self, internal_ids):
        self.calls.append(("payloads", len(internal_ids)))
        return {row: self._payload(row) for row in internal_ids.tolist()}

    def _payload(self, row):
        entry = self.entries[row]
        if entry.id in self.damaged:
            return DataDamaged(f"record {entry.id!r} is damaged")
        return json.dumps(entry.payload).encode()

    def _scored(self, slot, query, matching):
        metric = self.config.vectors[slot].metric
        rows = [row for row, entry in self.entries.items() if slot in entry.vectors and _lets(matching, row)]
        vectors = np.array([self.entries[row].vectors[slot] for row in rows], np.float64).reshape(-1, len(query))
        query = np.asarray(query, np.float64)
        if metric is Metric.EUCLIDEAN:
            scores = -np.linalg.norm(vectors - query, axis=1)
        else:
            scores = vectors @ query
        if metric is Metric.COSINE:
            scores /= np.linalg.norm(vectors, axis=1) * np.linalg.norm(query)
        return sorted(zip(rows, scores.astype(np.float32), strict=True), key=_best_first)

    def _ranking(self, found, part):
        rows = [np.array([row for row, _ in each], np.int64) for each in found]
        scores = [np.array([score for _, score in each], np.float32) for each in found]
        step = Step(part, "exact scan", self.count, self.count, recall=self.recall if part == "nearest" else 1.0)
        return Ranking(rows, scores, (step,))


def _lets(matching, row):
    return matching is None or row in matching.rows


def _best_first(scored):
    row, score = scored
    return -score, row
