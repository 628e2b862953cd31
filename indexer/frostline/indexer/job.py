"""The heart of all jobs: source to collection, restartable, with every rejected row accounted for."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.client import Client, FrostlineError, InvalidInput, Record, Upserted
from frostline.indexer.batches import Batch, cut
from frostline.indexer.checkpoint import Answer, Journal
from frostline.indexer.errors import AllRejected, IndexingError, JobStopped
from frostline.indexer.rows import Rejection, Source
from frostline.wire.reasons import Reason


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. What is counted is acknowledged by the server, on its disk and in the checkpoint.

    Attributes:
        done: rows, rejected ones and those of earlier runs of the job counted.
        total: rows altogether; of a file of lines an estimate from the bytes read so far, None before the first batch.
        estimated: whether `total` is an estimate.
        rejected: rows that became no record.
        rate: rows a second since this run began; 0 at its beginning.
    """

    done: int
    total: int | None
    estimated: bool
    rejected: int
    rate: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What a job did, earlier runs of it counted but in `seconds` and `resumed`.

    `rows` is the sum of `indexed`, `unchanged`, `repeated` and `rejected`.

    Attributes:
        rows: rows read.
        indexed: records the server wrote.
        unchanged: rows passed over because they were stored as they came.
        reused: of the records written, those that kept their vectors, since only their payload was new.
        repeated: rows whose id came again in the same batch; the later row was taken.
        rejected: rows that became no record.
        rejected_path: where they are listed, a JSON object a line (row, id, reason, message); None if there are none.
        first_rejection: the first of them.
        resumed: rows that were done before this run.
        seconds: this run took.
    """

    rows: int
    indexed: int
    unchanged: int
    reused: int
    repeated: int
    rejected: int
    rejected_path: Path | None
    first_rejection: Rejection | None
    resumed: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a source is written.

    Attributes:
        collection: where records go.
        batch_size: the most rows of a batch.
        batch_bytes: the most bytes of a batch, but for a single larger record.
        skip_unchanged: whether the server passes over records that are stored as they come.
        max_rejected_first: how many rows may be rejected before the first becomes a record; 0 for any number.
    """

    collection: str
    batch_size: int
    batch_bytes: int
    skip_unchanged: bool = False
    max_rejected_first: int = 0


class Job:
    """Writes the rows of a source, from where the journal says.

    Args:
        client: reaches the server; its timeout is for each batch.
        source: the rows.
        writing: where they go, and how.
        journal: remembers what is done.
        on_progress: called at the beginning and after every batch.
    """

    def __init__(
        self,
        client: Client,
        source: Source,
        writing: Writing,
        journal: Journal,
        on_progress: Callable[[Progress], None] | None,
    ) -> None:
        self._client = client
        self._source = source
        self._writing = writing
        self._journal = journal
        self._on_progress = on_progress
        self._before = journal.state.rows
        self._started = time.monotonic()

    def run(self) -> None:
        """Writes all rows; may be called again for a source that has grown.

        Raises:
            AllRejected: of the first rows none became a record; the checkpoint is forgotten, the list of them stays.
            JobStopped: the server stopped taking records; the same job goes on.
        """
        self._report()
        for _ in self._acknowledged():
            self._report()
            self._check_first_rows()

    def summary(self) -> Summary:
        """What was done."""
        state, listed = self._journal.state, self._journal.rejected_path
        return Summary(
            rows=state.rows,
            indexed=state.indexed,
            unchanged=state.unchanged,
            reused=state.reused,
            repeated=state.repeated,
            rejected=state.rejected,
            rejected_path=listed if state.rejected else None,
            first_rejection=next(self._journal.rejections()) if state.rejected else None,
            resumed=self._before,
            seconds=time.monotonic() - self._started,
        )

    def _check_first_rows(self) -> None:
        state, most = self._journal.state, self._writing.max_rejected_first
        if not 0 < most <= state.rejected or state.rejected < state.rows:
            return
        first = next(self._journal.rejections())
        self._journal.finish()  # whoever mends the options begins anew
        raise AllRejected(
            f"the first {state.rows} rows were all rejected, row {first.row} because: {first.message} "
            f"({first.reason}); the others are listed in {self._journal.rejected_path}; mend the options, or give "
            "--max-rejected-first 0 to go on whatever is rejected"
        )

    def _acknowledged(self) -> Iterator[None]:
        sent: deque[Batch] = deque()
        try:
            while True:
                try:
                    yield from self._streamed(sent)
                except InvalidInput as error:
                    if error.reason != Reason.MESSAGE_TOO_LARGE:
                        raise
                    # One of those under way, nobody says which; then a new stream goes on after them.
                    for batch in list(sent):
                        self._journal.acknowledge(batch.end, len(batch), self._sent_alone(batch))
                        yield
                else:
                    return
        except IndexingError:
            raise
        except FrostlineError as error:
            raise JobStopped(
                f"stopped after {self._journal.state.rows} rows: {error}; "
                "run the same command again to go on from there",
                reason=error.reason,
                code=error.code,
                log_id=error.log_id,
            ) from error

    def _streamed(self, sent: deque[Batch]) -> Iterator[None]:
        """Sends batches ahead of the answers, and notes each in the journal once it is answered."""
        sent.clear()
        writing = self._writing

        def records() -> Iterator[Sequence[Record]]:
            rows = self._source.rows(self._journal.state.position)
            for batch in cut(rows, writing.batch_size, writing.batch_bytes):
                sent.append(batch)
                yield batch.records

        for answer in self._client.upsert_batches(writing.collection, records(), skip_unchanged=writing.skip_unchanged):
            batch = sent.popleft()
            self._journal.acknowledge(batch.end, len(batch), _told(batch, answer))
            yield

    def _sent_alone(self, batch: Batch) -> Answer:
        writing = self._writing
        try:
            answer = self._client.upsert(writing.collection, batch.records, skip_unchanged=writing.skip_unchanged)
        except InvalidInput as error:
            if error.reason != Reason.MESSAGE_TOO_LARGE or len(batch.records) > 1:
                raise
            refused = Rejection(batch.numbers[0], batch.records[0].id, error.reason, str(error))
            return Answer(rejections=_in_order([*batch.rejections, refused]))
        return _told(batch, answer)

    def _report(self) -> None:
        if not self._on_progress:
            return
        state, source = self._journal.state, self._source
        rows, offset, total = state.rows, state.position.offset, source.total
        if total is None and offset:
            total = round(rows * source.size_bytes / offset)
        seconds = time.monotonic() - self._started
        rate = (rows - self._before) / seconds if seconds > 0 else 0.0
        self._on_progress(Progress(rows, total, source.total is None, state.rejected, rate))


def _told(batch: Batch, answer: Upserted) -> Answer:
    refused = [
        Rejection(batch.numbers[place], batch.records[place].id, error.reason, error.message)
        for place, error in answer.errors.items()
    ]
    return Answer(answer.count, answer.unchanged, answer.reused, _in_order([*batch.rejections, *refused]))


def _in_order(rejections: Sequence[Rejection]) -> list[Rejection]:
    return sorted(rejections, key=lambda rejection: rejection.row)
