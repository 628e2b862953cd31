"""Re-embedding: a shadow of a collection with another encoder is made, compared, and put in its place."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from frostline.client import Client, Collection, Durability, Encoder, FieldKind, IndexKind, NotFound, VectorField
from frostline.indexer.checkpoint import Identity, Journal, open_journal
from frostline.indexer.errors import BadSource, IndexingError
from frostline.indexer.job import Job, Progress, Summary, Writing
from frostline.indexer.overlap import Overlap, Question, overlap
from frostline.indexer.shadow import Shadow
from frostline.indexer.stored import NO_CONTENT, StoredRecords

_LONGEST_NAME = 63
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReembedOptions:
    """What a re-embedding is to do.

    Attributes:
        encoder: makes the new vectors.
        vector_name: the vector that is made anew; the collection's first when empty.
        shadow: name of the new collection; that of the collection and the encoder when empty.
        alias: is pointed to the new collection at the end; empty to only compare.
        queries: how many stored records are searched for in both collections.
        questions: texts to search for instead.
        work_dir: for the checkpoint and `rejected.jsonl`; `frostline-reembed/<shadow>` where None.
        restart: whether to go through all records again, and to take over a collection that is no shadow of this job.
        batch_size: the most records of a batch; each batch is one commit and one checkpoint.
        batch_bytes: the most bytes of a batch, but for a single larger record.
    """

    encoder: str
    vector_name: str = ""
    shadow: str = ""
    alias: str = ""
    queries: int = 100
    questions: tuple[str, ...] = ()
    work_dir: Path | None = None
    restart: bool = False
    batch_size: int = 128
    batch_bytes: int = 2 << 20


@dataclass(frozen=True, slots=True)
class Reembedded:
    """What a re-embedding did, earlier runs of it counted but in `summary.seconds`, `summary.resumed` and `deleted`.

    Attributes:
        collection: the old collection, which stays as it is.
        shadow: the new one.
        records: records of the new one.
        summary: what was written.
        without_content: records that could not be embedded again, since the collection keeps no content of them.
        named: ids of the first few of those.
        deleted: records deleted from the shadow, since the collection has them no longer, or not as they were.
        overlap: how alike the answers of both are; None where nothing could be asked.
        alias: what was pointed to the shadow; empty for nothing.
        before: where the alias led before; empty where it is new.
    """

    collection: str
    shadow: str
    records: int
    summary: Summary
    without_content: int
    named: tuple[str, ...]
    deleted: int
    overlap: Overlap | None
    alias: str
    before: str


def reembed(
    client: Client,
    collection: str,
    options: ReembedOptions,
    on_progress: Callable[[Progress], None] | None = None,
) -> Reembedded:
    """Makes a copy of a collection with vectors of another encoder, and says how alike the answers of both are.

    The copy takes over what is written to and deleted from the collection meanwhile. Goes on from a checkpoint where an
    earlier run stopped; one that is done goes on with what was written since. With an alias the copy is then put in the
    place of what the alias led to, at once for all callers, and what was written to the old collection until that
    moment is taken over without touching what callers write to the new one. The old collection stays.

    Args:
        client: reaches the server; its timeout is for each batch.
        collection: its name or alias.
        options: what to do.
        on_progress: called at the beginning of each round over the records, and after every batch.

    Raises:
        BadSource: the collection keeps no contents, has the encoder already, or the options do not fit it.
        IndexingError: the shadow's name is taken by a collection that is none, or the shadow is in use already.
        JobChanged: there is a checkpoint of another job.
        JobStopped: the server stopped taking records; the same call goes on.
        FrostlineError: the collection or the encoder cannot be reached.
    """
    old = client.get_collection(collection)
    encoder = client.get_encoder(options.encoder)
    vector_name = options.vector_name or next(iter(old.vectors))
    _check(client, old, encoder, vector_name, options)
    asked_by_content = _can_embed(client, old.vectors[vector_name])
    if options.questions and not asked_by_content:
        raise BadSource(
            f"collection {old.name!r} cannot be searched for texts, since the server has no encoder of its vector "
            f"{vector_name!r}; leave the questions out, and records are searched for by their vectors"
        )
    new = _shadow(client, old, vector_name, options)
    source = StoredRecords(client, old, vector_name, encoder.modality)
    writing = Writing(
        collection=new.name,
        batch_size=options.batch_size,
        batch_bytes=options.batch_bytes,
        skip_unchanged=len(old.vectors) == 1,  # other vectors are copied, and so come ready
    )
    identity: Identity = {
        **source.identity,
        "shadow": new.name,
        "shadow's creation": new.create_time.isoformat(),
        "vector": vector_name,
        "fingerprint": encoder.fingerprint,
    }
    folder = options.work_dir or Path("frostline-reembed") / new.name
    with open_journal(folder, identity, restart=options.restart) as journal:
        _take(new, journal, options)
        job = Job(client, source, writing, journal, on_progress)
        shadow = Shadow(client, old.name, new.name, options.queries)
        deleted = _catch_up(job, journal, shadow, options.batch_size)
        questions = [Question(text) for text in options.questions] or shadow.sample(
            encoder.modality, by_content=asked_by_content
        )
        alike = overlap(client, (old.name, new.name), vector_name, questions)
        without = [each.id for each in journal.rejections() if each.reason == NO_CONTENT]
        before = ""
        if options.alias:
            deleted += _catch_up(job, journal, shadow, options.batch_size)
            before = _flip(client, options.alias, source, shadow, journal)
        return Reembedded(
            collection=old.name,
            shadow=new.name,
            records=client.get_collection(new.name).record_count,
            summary=job.summary(),
            without_content=len(without),
            named=tuple(without[:_NAMED]),
            deleted=deleted,
            overlap=alike,
            alias=options.alias,
            before=before,
        )


def _catch_up(job: Job, journal: Journal, shadow: Shadow, few: int) -> int:
    """Goes round after round over what was written meanwhile, until a round finds few changes or none."""
    deleted = 0
    while True:
        before = journal.state.rows
        job.run()
        gone = shadow.delete_gone() + shadow.delete_outdated(each.id for each in journal.rejections())
        deleted += gone
        if gone + journal.state.rows - before < few:
            break
    if gone:
        job.run()  # what was written again while it was deleted
    return deleted


def _flip(client: Client, alias: str, source: StoredRecords, shadow: Shadow, journal: Journal) -> str:
    before = client.list_aliases().get(alias, "")
    shadow.watch()
    client.set_alias(alias, shadow.name)
    # Whoever knew the old collection by the alias may have written to it until just now.
    shadow.follow(row.record for row in source.rows(journal.state.position))
    journal.finish()  # from now on the shadow has records of its own, which no other run may delete
    return before


def _check(client: Client, old: Collection, encoder: Encoder, vector_name: str, options: ReembedOptions) -> None:
    if vector_name not in old.vectors:
        raise BadSource(f"collection {old.name!r} has no vector {vector_name!r}, it has {', '.join(old.vectors)}")
    if not old.keep_content:
        raise BadSource(
            f"collection {old.name!r} keeps no texts and images, so nothing can be embedded again; index its source "
            "into a new collection"
        )
    if old.vectors[vector_name].space.fingerprint == encoder.fingerprint:
        raise BadSource(f"vector {vector_name!r} of collection {old.name!r} has encoder {encoder.name!r} already")
    if options.alias:
        try:
            taken = client.get_collection(options.alias).name == options.alias
        except NotFound:
            taken = False
        if taken:
            raise BadSource(
                f"{options.alias!r} is the name of a collection and no alias; give another, or rename the collection "
                "first (frostline collections rename)"
            )


def _can_embed(client: Client, field: VectorField) -> bool:
    return any(
        encoder.name == field.encoder and encoder.fingerprint == field.space.fingerprint
        for encoder in client.list_encoders()
    )


def _shadow(client: Client, old: Collection, vector_name: str, options: ReembedOptions) -> Collection:
    name = options.shadow or shadow_name(old.name, options.encoder)
    vectors = {
        each: VectorField(options.encoder, metric=field.metric) if each == vector_name else field
        for each, field in old.vectors.items()
    }
    try:
        found = client.get_collection(name)
    except NotFound:
        return client.create_collection(
            name,
            description=old.description,
            vectors=vectors,
            fields=cast("dict[str, FieldKind]", old.fields),
            index=cast(IndexKind, old.index),
            min_recall=old.min_recall,
            durability=cast(Durability, old.durability),
        )
    if found.name == old.name or {each: field.encoder for each, field in found.vectors.items()} != {
        each: field.encoder for each, field in vectors.items()
    }:
        raise IndexingError(
            f"{name!r} is taken by a collection that cannot be the shadow of {old.name!r}, since its vectors are "
            "others; choose another name (--as)"
        )
    return found


def _take(new: Collection, journal: Journal, options: ReembedOptions) -> None:
    if new.aliases:
        raise IndexingError(
            f"{new.name!r} is in use, alias {new.aliases[0]!r} leads to it; what was written to it would be deleted; "
            "choose another name (--as), or delete the alias"
        )
    if not journal.goes_on and new.record_count and not options.restart:
        raise IndexingError(
            f"collection {new.name!r} has {new.record_count} records and no checkpoint says that they are of this job; "
            "choose another name (--as), or give --restart to take it over: what the collection lacks is deleted"
        )
    journal.begin()


def shadow_name(collection: str, encoder: str) -> str:
    """What the shadow of a collection is called unless it is named."""
    return f"{collection}-{re.sub('[^a-z0-9_-]', '-', encoder)}"[:_LONGEST_NAME]
