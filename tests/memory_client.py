"""A client without a server, for tests of jobs: keeps records in a dict, sends ahead like the real one, and fails."""

from collections import deque
from dataclasses import replace
from datetime import UTC, datetime

import grpc

from frostline.client import (
    Collection,
    EmbeddingSpace,
    ItemError,
    NotFound,
    Timings,
    Unavailable,
    Upserted,
)

AHEAD = 4
SPACE = EmbeddingSpace("f" * 64, "pooled", "mean", 4, True)


class Killed(BaseException):
    """Stands for a process that ends in the middle."""


class MemoryClient:
    """Answers batches in order, up to four behind.

    Args:
        fails_after: answered batches before the server is gone; None for never.
        dies_after: answered batches before this process is gone: what was sent is written, but nobody hears of it.
        refused: ids the server refuses.
    """

    def __init__(self, fails_after=None, dies_after=None, refused=()):
        self.collections = {}
        self.records = {}
        self.batches = []
        self.fails_after = fails_after
        self.dies_after = dies_after
        self.refused = set(refused)
        self.most_waiting = 0
        self._created = 0

    def create_collection(self, name, *, encoder=""):
        self._created += 1
        created = datetime(2026, 1, self._created, tzinfo=UTC)
        self.collections[name] = Collection(name, "", encoder, SPACE, "cosine", "", "", True, 0, 0, 0, created)
        return self.collections[name]

    def get_collection(self, name):
        if name not in self.collections:
            raise NotFound(f"no collection {name!r}")
        return self.collections[name]

    def upsert_batches(self, collection, batches):
        self.get_collection(collection)
        waiting = deque()
        for batch in batches:
            waiting.append((batch, self._write(batch)))
            self.most_waiting = max(self.most_waiting, len(waiting))
            if len(waiting) == AHEAD:
                yield self._answer(waiting)
        while waiting:
            yield self._answer(waiting)

    def _answer(self, waiting):
        answered = len(self.batches)
        if answered == self.fails_after:
            raise Unavailable("localhost:1 does not answer; is the server running?")
        if answered == self.dies_after:
            raise Killed
        batch, answer = waiting.popleft()
        self.batches.append([record.id for record in batch])
        return answer

    def _write(self, batch):
        errors = {}
        for place, record in enumerate(batch):
            if record.id in self.refused:
                code = grpc.StatusCode.INVALID_ARGUMENT
                errors[place] = ItemError(place, code, "INVALID_INPUT", f"{record.id} is refused; leave it out")
            else:
                self.records.pop(record.id, None)
                self.records[record.id] = replace(record)
        return Upserted(len(batch) - len(errors), errors, 1, Timings())
