"""Predicts the labels or numbers of a collection's records, and writes them into payloads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from frostline.server.api import filters
from frostline.server.api.convert import resource_id
from frostline.server.api.label_fields import LabelFields
from frostline.server.api.record_answers import Answer, answers
from frostline.server.collections.catalogue import Catalogue
from frostline.server.collections.collection import Collection
from frostline.server.collections.filters.expression import Expression
from frostline.server.collections.rows.operations import PayloadPatch, Written
from frostline.server.collections.rows.records import Record
from frostline.server.errors import Conflict, FrostlineError, InvalidInput, NotFound, ShuttingDown
from frostline.server.heads.fitted import Task
from frostline.server.heads.predictor import Predictor
from frostline.server.heads.store import Heads
from frostline.server.heads.versions import Version
from frostline.v1 import head_service_pb2 as pb

_TOGETHER = 1_000
"""So many records are labelled in one commit; other writers wait as long as that takes."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that was checked.

    Attributes:
        version: predicts.
        predictor: of the version.
        collection: holds the records.
        slot: of the vector name.
        fields: what is written into.
        expression: which records; None for all.
        until: the last commit whose records are labelled.
    """

    version: Version
    predictor: Predictor
    collection: Collection
    slot: int
    fields: LabelFields
    expression: Expression | None
    until: int


@dataclass(slots=True)
class _Tally:
    """What became of the records so far.

    Attributes:
        seen: how many there were.
        written: payloads that were changed.
        unchanged: payloads that held just that.
        skipped: records without the vector.
        failed: records that could not be written.
        failure: why the first of these could not.
        unlabelled: records that are of no label.
        labels: how many have each.
        sequence: of the last change.
    """

    seen: int = 0
    written: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    failure: str = ""
    unlabelled: int = 0
    labels: Counter[str] = field(default_factory=Counter[str])
    sequence: int = 0

    def hold(self, answer: Answer) -> None:
        """Counts the labels of a record that holds an answer now."""
        self.unlabelled += answer.has_no_label
        self.labels.update(answer.labels)

    def fail(self, record_id: str, error: FrostlineError) -> None:
        """Counts a record that could not be written."""
        self.failed += 1
        self.failure = self.failure or f"record {record_id[:80]!r}: {error}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Changes of records, and the answers that they bring."""

    patches: Sequence[PayloadPatch]
    answers: Sequence[Answer]


class RecordPredictions:
    """Labels records, or gives them numbers. Belongs to the event loop it is made in.

    Args:
        heads: the heads.
        catalogue: the collections.
        closing: set when the server stops; what is written stays, and nothing more is.
    """

    def __init__(self, heads: Heads, catalogue: Catalogue, closing: asyncio.Event) -> None:
        self._heads = heads
        self._catalogue = catalogue
        self._closing = closing

    async def predict(self, request: pb.PredictRecordsRequest) -> AsyncIterator[pb.PredictRecordsResponse]:
        """Answers a request.

        Raises:
            InvalidInput: a field or the filter cannot be read, or the head has no such answers.
            NotFound: the head, the version, the collection or the vector is missing.
            SpaceMismatch: the collection's vectors live elsewhere.
            StorageFull: the disk has no room; what is written stays.
            ShuttingDown: the server stops, likewise.
        """
        asked = await asyncio.to_thread(self._read, request)
        total = await asyncio.to_thread(asked.collection.count, asked.expression)
        tally = _Tally(sequence=asked.until)
        yield _message(asked, tally, 0.0)
        after: int | None = 0
        while after is not None:
            if self._closing.is_set():
                raise ShuttingDown("the server is stopping; ask again, and what is written already is passed over")
            records, after = await asyncio.to_thread(_page, asked, after)
            wanted = await asyncio.to_thread(_wanted, asked, records, tally)
            if wanted.patches:
                _take(wanted, await asyncio.wrap_future(asked.collection.patch(wanted.patches)), tally)
            if after is not None:
                yield _message(asked, tally, min(tally.seen / max(total, 1), 0.99))
        yield _message(asked, tally, 1.0)

    def _read(self, request: pb.PredictRecordsRequest) -> _Asked:
        fields = LabelFields.read(request.label_field, request.probability_field)
        expression = filters.expression(request.filter) if request.HasField("filter") else None
        name = resource_id(request.head, "heads")
        version, predictor = self._heads.predictor(name, request.version)
        if predictor.task is Task.VALUE and fields.probability:
            raise InvalidInput(
                f"head {name!r} answers with numbers, which have no probability; leave out probability_field"
            )
        collection = self._catalogue.get(resource_id(request.collection, "collections"))
        slot = collection.config.slot(request.vector_name)
        field = collection.config.vectors[slot]
        version.config.space.expect(
            field.space,
            f"head {name!r}" + (f" of encoder {version.config.encoder!r}" if version.config.encoder else ""),
            f"vector {field.name!r} of collection {collection.config.id!r}"
            + (f", of encoder {field.encoder!r}," if field.encoder else ""),
            "name another vector of the collection, or a head that was trained on this one",
        )
        return _Asked(version, predictor, collection, slot, fields, expression, collection.sequence)


def _page(asked: _Asked, after: int) -> tuple[list[Record], int | None]:
    """The next records; those that were written since it began, as by itself, come last and are left out."""
    records, following = asked.collection.page(after, _TOGETHER, vectors=True, expression=asked.expression)
    meant = [record for record in records if record.sequence <= asked.until]
    return meant, following if len(meant) == len(records) else None


def _wanted(asked: _Asked, records: Sequence[Record], tally: _Tally) -> _Wanted:
    """What is to be changed in records; those that need no change are counted at once."""
    name = asked.collection.config.vectors[asked.slot].name
    with_vector = [record for record in records if name in record.vectors]
    tally.seen += len(records)
    tally.skipped += len(records) - len(with_vector)
    patches: list[PayloadPatch] = []
    brought: list[Answer] = []
    if not with_vector:
        return _Wanted(patches, brought)
    rows = asked.version.config.space.fit(np.stack([record.vectors[name] for record in with_vector]))
    for record, answer in zip(with_vector, answers(asked.predictor, rows), strict=True):
        try:
            patch = asked.fields.patch(record.payload, answer)
        except InvalidInput as error:
            tally.fail(record.id, error)
            continue
        if patch:
            patches.append(PayloadPatch(record.id, patch, record.sequence))
            brought.append(answer)
        else:
            tally.unchanged += 1
            tally.hold(answer)
    return _Wanted(patches, brought)


def _take(wanted: _Wanted, written: Written, tally: _Tally) -> None:
    tally.written += written.count
    tally.sequence = written.sequence
    for place, (patch, answer) in enumerate(zip(wanted.patches, wanted.answers, strict=True)):
        error = written.errors.get(place)
        if error is None:
            tally.hold(answer)
        elif not isinstance(error, (Conflict, NotFound)):  # these were written or deleted meanwhile
            tally.fail(patch.id, error)


def _message(asked: _Asked, tally: _Tally, progress: float) -> pb.PredictRecordsResponse:
    message = pb.PredictRecordsResponse(
        progress=progress,
        version=asked.version.number,
        written_count=tally.written,
        unchanged_count=tally.unchanged,
        unlabelled_count=tally.unlabelled,
        skipped_count=tally.skipped,
        failed_count=tally.failed,
        failure=tally.failure,
        sequence=tally.sequence,
    )
    if progress == 1:
        by_count = sorted(tally.labels.items(), key=lambda each: (-each[1], each[0]))
        message.labels.extend(pb.LabelCount(label=label, count=count) for label, count in by_count)
    return message
