"""Runs a job: source to collection, restartable, with every rejected row accounted for."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.client import AlreadyExists, Client, Collection, FrostlineError, InvalidInput, NotFound, Record, Upserted
from frostline.indexer.batches import Batch, cut
from frostline.indexer.checkpoint import Identity, Journal, open_journal
from frostline.indexer.errors import BadSource, IndexingError, JobStopped
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Rejection, Source
from frostline.indexer.sources import open_source
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

    Attributes:
        rows: rows read.
        indexed: records the server wrote; of several with one id in a batch only the last counts.
        rejected: rows that became no record.
        rejected_path: where they are listed, a JSON object a line (row, id, reason, message); None if there are none.
        resumed: rows that were done before this run.
        seconds: this run took.
    """

    rows: int
    indexed: int
    rejected: int
    rejected_path: Path | None
    resumed: int
    seconds: float


def index(
    client: Client,
    source: str,
    options: IndexOptions,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Writes all rows of a source into a collection.

    Goes on from a checkpoint where an earlier run of the same job left one; the collection ends as after one
    uninterrupted run. A bad row is listed in `rejected.jsonl` and stops nothing.

    Args:
        client: reaches the server; its timeout is for each batch.
        source: what `open_source` takes.
        options: what to do with it.
        on_progress: called at the beginning and after every batch, in the thread that called `index`.

    Raises:
        BadSource: there is no such source, the options do not fit it, or the collection has another encoder.
        MissingExtra: a library that the source needs is not installed.
        JobChanged: there is a checkpoint of another job.
        JobStopped: the server stopped taking records; the message says why, and the same call goes on.
        FrostlineError: the collection cannot be reached or made.
    """
    opened = open_source(source, options)
    identity = {**opened.identity, **_identity(client, options)}
    started = time.monotonic()
    with open_journal(options.folder, identity, restart=options.restart) as journal:
        before = journal.state.rows

        def report() -> None:
            if on_progress:
                on_progress(_progress(opened, journal, before, time.monotonic() - started))

        report()
        for _ in _acknowledged(client, opened, options, journal):
            report()
        journal.finish()
        state = journal.state
        listed = journal.rejected_path if state.rejected else None
    return Summary(state.rows, state.indexed, state.rejected, listed, before, time.monotonic() - started)


def _identity(client: Client, options: IndexOptions) -> Identity:
    try:
        collection = client.get_collection(options.collection)
    except NotFound as error:
        if not options.encoder:
            raise BadSource(
                f"there is no collection {options.collection!r}; name an encoder to make it (--encoder)"
            ) from error
        collection = _made(client, options)
    if options.encoder and options.encoder != collection.encoder:
        raise BadSource(
            f"collection {collection.name!r} has encoder {collection.encoder or 'none'!r}, not {options.encoder!r}; "
            "leave the encoder out, or choose another collection"
        )
    return {
        "collection": collection.name,
        # Another server, or a collection deleted and made again, has none of the rows that are done.
        "collection's creation": collection.create_time.isoformat(),
        "text field": options.text_field,
        "image field": options.image_field,
        "id field": options.id_field,
        "payload fields": None if options.payload_fields is None else ", ".join(options.payload_fields),
        "largest row in bytes": options.max_row_bytes,
    }


def _made(client: Client, options: IndexOptions) -> Collection:
    try:
        return client.create_collection(options.collection, encoder=options.encoder)
    except AlreadyExists:  # by another job just now, or by this call when its answer was lost
        return client.get_collection(options.collection)


def _acknowledged(client: Client, source: Source, options: IndexOptions, journal: Journal) -> Iterator[None]:
    sent: deque[Batch] = deque()
    try:
        while True:
            try:
                yield from _streamed(client, source, options, journal, sent)
            except InvalidInput as error:
                if error.reason != Reason.MESSAGE_TOO_LARGE:
                    raise
                # One of those under way, nobody says which; then a new stream goes on after them.
                for batch in list(sent):
                    _acknowledge(journal, batch, *_sent_alone(client, options.collection, batch))
                    yield
            else:
                return
    except IndexingError:
        raise
    except FrostlineError as error:
        raise JobStopped(
            f"stopped after {journal.state.rows} rows: {error}; run the same command again to go on from there",
            reason=error.reason,
            code=error.code,
            log_id=error.log_id,
        ) from error


def _streamed(
    client: Client, source: Source, options: IndexOptions, journal: Journal, sent: deque[Batch]
) -> Iterator[None]:
    """Sends batches ahead of the answers, and notes each in the journal once it is answered."""
    sent.clear()

    def records() -> Iterator[Sequence[Record]]:
        for batch in cut(source.rows(journal.state.position), options.batch_size, options.batch_bytes):
            sent.append(batch)
            yield batch.records

    for answer in client.upsert_batches(options.collection, records()):
        batch = sent.popleft()
        _acknowledge(journal, batch, answer.count, _refused(batch, answer))
        yield


def _sent_alone(client: Client, collection: str, batch: Batch) -> tuple[int, Iterable[Rejection]]:
    try:
        answer = client.upsert(collection, batch.records)
    except InvalidInput as error:
        if error.reason != Reason.MESSAGE_TOO_LARGE or len(batch.records) > 1:
            raise
        return 0, [Rejection(batch.numbers[0], batch.records[0].id, error.reason, str(error))]
    return answer.count, _refused(batch, answer)


def _acknowledge(journal: Journal, batch: Batch, indexed: int, refused: Iterable[Rejection]) -> None:
    rejections = sorted([*batch.rejections, *refused], key=lambda rejection: rejection.row)
    journal.acknowledge(batch.end, len(batch), indexed, rejections)


def _refused(batch: Batch, answer: Upserted) -> Iterator[Rejection]:
    for place, error in answer.errors.items():
        yield Rejection(batch.numbers[place], batch.records[place].id, error.reason, error.message)


def _progress(source: Source, journal: Journal, before: int, seconds: float) -> Progress:
    rows, offset = journal.state.rows, journal.state.position.offset
    total, estimated = source.total, source.total is None
    if total is None and offset:
        total = round(rows * source.size_bytes / offset)
    rate = (rows - before) / seconds if seconds > 0 else 0.0
    return Progress(rows, total, estimated, journal.state.rejected, rate)
