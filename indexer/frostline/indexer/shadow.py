"""The shadow of a collection: kept like it, sampled, and followed up once callers use it."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from frostline.client import Client, Conflict, Record, RecordId
from frostline.indexer.errors import IndexingError
from frostline.indexer.overlap import Question
from frostline.indexer.reading import READ_AT_ONCE, chunks, found
from frostline.indexer.rows import Rejection

_IDS_AT_ONCE = 1000


class Shadow:
    """A collection that is to take the place of another.

    Args:
        client: reaches the server.
        old: name of the collection.
        name: of the shadow.
        sample_size: how many records `sample` gives.
    """

    def __init__(self, client: Client, old: str, name: str, sample_size: int) -> None:
        self.name = name
        self._client = client
        self._old = old
        self._sample_size = sample_size
        self._sampled: list[str] = []
        self._sequence = 0

    def delete_gone(self) -> int:
        """Deletes the records that the collection has no longer, and draws the sample from the others.

        Returns:
            How many were deleted.
        """
        self._sampled, seen, deleted = [], 0, 0
        chance = random.Random(0)
        for ids in chunks((record.id for record in self._client.list_records(self.name)), _IDS_AT_ONCE):
            there = {record.id for record in found(self._client, self._old, ids)}
            if gone := [id for id in ids if id not in there]:
                deleted += self._client.delete(self.name, gone).count
            for id in (id for id in ids if id in there):
                seen += 1  # Vitter 1985, algorithm R: each record seen so far is as likely to be in the sample
                if len(self._sampled) < self._sample_size:
                    self._sampled.append(id)
                elif (place := chance.randrange(seen)) < self._sample_size:
                    self._sampled[place] = id
        return deleted

    def delete_outdated(self, ids: Iterable[str]) -> int:
        """Deletes those of some records that are no longer as the collection has them.

        Args:
            ids: of records that could not be copied as they are now; what was copied before is out of date.
        """
        deleted = 0
        for some in chunks(ids, READ_AT_ONCE):
            kept = {record.id: record for record in found(self._client, self._old, some, content=True)}
            copies = found(self._client, self.name, some, content=True)
            if outdated := [copy.id for copy in copies if kept.get(copy.id) != copy]:
                deleted += self._client.delete(self.name, outdated).count
        return deleted

    def sample(self, modality: str, *, by_content: bool) -> list[Question]:
        """Records to search for, drawn by `delete_gone`.

        Args:
            modality: which content is searched for: `text` or `image`.
            by_content: whether both collections can embed it; else the records' vectors are searched for.
        """
        if not by_content:
            return [Question(RecordId(id), id) for id in self._sampled]
        questions: list[Question] = []
        for some in chunks(self._sampled, READ_AT_ONCE):
            for record in found(self._client, self.name, some, content=True):
                content = record.text if modality == "text" else record.image
                if content:
                    questions.append(Question(content, record.id))
        return questions

    def watch(self) -> None:
        """Remembers which commit is the last of the job's own."""
        self._sequence = self._client.get_collection(self.name).sequence

    def follow(self, records: Iterable[Record | Rejection]) -> None:
        """Takes over what was written to the collection late, unless callers have written the same since `watch`.

        Raises:
            IndexingError: some could not be taken over; names the first.
        """
        lost: list[str] = []
        for some in chunks(records, READ_AT_ONCE):
            lost += [each.message for each in some if isinstance(each, Rejection)]
            lost += self._follow([each for each in some if isinstance(each, Record)])
        if lost:
            raise IndexingError(
                f"the alias leads to {self.name!r} now, but {len(lost)} records that were written to {self._old!r} "
                f"meanwhile could not be taken over, the first because: {lost[0]}"
            )

    def _follow(self, records: Sequence[Record]) -> list[str]:
        """Takes over a few records; returns what is wrong with those that cannot be."""
        ids = [record.id for record in records]
        stored = {record.id: record.sequence for record in found(self._client, self.name, ids)}
        late = [
            replace(record, expected_sequence=stored.get(record.id, 0))
            for record in records
            if stored.get(record.id, 0) <= self._sequence
        ]
        errors = self._client.upsert(self.name, late).errors
        return [error.message for error in errors.values() if error.reason != Conflict.reason]
