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
    VectorField,
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
        self.skipped = []
        self._created = 0

    def create_collection(self, name, *, encoder=""):
        self._created += 1
        created = datetime(2026, 1, self._created, tzinfo=UTC)
        vectors = {"default": VectorField(encoder, 4, space=SPACE)}
        self.collections[name] = Collection(
            name,
            "",
            vectors,
            True,
            {},
            "auto",
            0.95,
            1.0,
            "full",
            (),
            record_count=0,
            sequence=0,
            size_bytes=0,
            create_time=created,
        )
        return self.collections[name]

    def get_collection(self, name):
        if name not in self.collections:
            raise NotFound(f"no collection {name!r}")
        return replace(self.collections[name], record_count=len(self.records))

    def upsert_batches(self, collection, batches, *, skip_unchanged=False):
        self.get_collection(collection)
        self.skipped.append(skip_unchanged)
        waiting = deque()
        for batch in batches:
            waiting.append((batch, self._write(batch, skip_unchanged)))
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

    def _write(self, batch, skip_unchanged):
        errors, written, unchanged, reused = {}, set(), 0, 0
        for place, record in enumerate(batch):
            stored = self.records.get(record.id)
            if record.id in self.refused:
                code = grpc.StatusCode.INVALID_ARGUMENT
                errors[place] = ItemError(place, code, "INVALID_INPUT", f"{record.id} is refused; leave it out")
            elif skip_unchanged and stored == record:
                unchanged += 1
            else:
                reused += skip_unchanged and stored is not None and stored.text == record.text
                self.records.pop(record.id, None)
                self.records[record.id] = replace(record)
                written.add(record.id)
        return Upserted(len(written), errors, 1, Timings(), unchanged, reused)
