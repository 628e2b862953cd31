"""Indexing: a source of rows becomes the records of a collection."""

from collections.abc import Callable

from frostline.client import AlreadyExists, Client, Collection, NotFound
from frostline.indexer.checkpoint import Identity, open_journal
from frostline.indexer.errors import AllRejected, BadSource
from frostline.indexer.job import Job, Progress, Summary, Writing
from frostline.indexer.options import IndexOptions
from frostline.indexer.rows import Position, Rejection, Source
from frostline.indexer.sources import open_source


def index(
    client: Client,
    source: str,
    options: IndexOptions,
    on_progress: Callable[[Progress], None] | None = None,
) -> Summary:
    """Writes all rows of a source into a collection.

    Goes on from a checkpoint where an earlier run of the same job left one; the collection ends as after one
    uninterrupted run. Rows that are stored as they come are passed over, so that a job that is run again over a changed
    source embeds what is new in it. A bad row is listed in `rejected.jsonl` and stops nothing.

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
        AllRejected: of the first rows none became a record; says why the first did not. A collection that was missing
            is made only where a row can become a record.
        FrostlineError: the collection cannot be reached or made.
    """
    opened = open_source(source, options)
    stored = _stored(client, options)
    collection = stored or _made(client, opened, options)
    writing = Writing(
        collection=options.collection,
        batch_size=options.batch_size,
        batch_bytes=options.batch_bytes,
        # The server compares batch after batch; where nothing is stored, it need not.
        skip_unchanged=not options.rewrite and collection.record_count > 0,
        max_rejected_first=options.max_rejected_first,
    )
    identity = {**opened.identity, **_identity(collection, options)}
    with open_journal(options.folder, identity, restart=options.restart) as journal:
        job = Job(client, opened, writing, journal, on_progress)
        try:
            job.run()
        except AllRejected as error:
            empty = "" if stored else f"; collection {collection.name!r}, which was made for them, is empty"
            raise AllRejected(f"{error}{empty}") from error
        summary = job.summary()
        journal.finish()
    return summary


def _stored(client: Client, options: IndexOptions) -> Collection | None:
    """The collection; None where it is to be made."""
    try:
        collection = client.get_collection(options.collection)
    except NotFound as error:
        if not options.encoder:
            raise BadSource(
                f"there is no collection {options.collection!r}; name an encoder to make it (--encoder)"
            ) from error
        return None
    return _checked(collection, options)


def _checked(collection: Collection, options: IndexOptions) -> Collection:
    if options.encoder and options.encoder != collection.encoder:
        raise BadSource(
            f"collection {collection.name!r} has encoder {collection.encoder or 'none'!r}, not {options.encoder!r}; "
            "leave the encoder out, or choose another collection"
        )
    return collection


def _identity(collection: Collection, options: IndexOptions) -> Identity:
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


def _made(client: Client, source: Source, options: IndexOptions) -> Collection:
    _check_first_rows(source, options)
    try:
        return client.create_collection(options.collection, encoder=options.encoder)
    except AlreadyExists:  # by another job just now, or by this call when its answer was lost
        return _checked(client.get_collection(options.collection), options)


def _check_first_rows(source: Source, options: IndexOptions) -> None:
    """Reads until a row becomes a record: where the options are wrong, nothing is made that must be deleted again."""
    first: Rejection | None = None
    rows = 0
    for row in source.rows(Position()) if options.max_rejected_first else ():
        if not isinstance(row.record, Rejection):
            return
        first, rows = first or row.record, rows + 1
        if rows == options.max_rejected_first:
            break
    if first is not None:
        raise AllRejected(
            f"the first {rows} rows were all rejected, row {first.row} because: {first.message} ({first.reason}); "
            f"collection {options.collection!r} was not made; mend the options, or give --max-rejected-first 0 to make "
            "it and go on whatever is rejected"
        )
